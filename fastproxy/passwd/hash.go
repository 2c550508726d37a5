package passwd

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	// x/crypto/scrypt: the Go team's scrypt; the standard library has none.
	"golang.org/x/crypto/scrypt"
)

const (
	tag      = "{scrypt}" // read in any case, written so
	magic    = "scrypt\x00"
	hashSize = 96

	// What a line may ask for. 128·N·r bytes of memory (RFC 7914 section 2)
	// and p passes over it: 1 GiB of passes is about 3.5 s of one core.
	memoryMax = 256 << 20
	passesMax = 1 << 30
	rMax      = 64
	pMax      = 16

	// LogNMax is the largest cost that NewHash takes: with r=8 it needs 256 MiB.
	LogNMax = 18
	// LogNDefault takes about 0.1 s and 32 MiB.
	LogNDefault = 15
	// LogNFloor is the least that sspasswd writes, however slow the machine.
	LogNFloor = 14
)

// Hash is one password, hashed with scrypt (RFC 7914) under its own random
// salt, in the layout of the tarsnap scrypt tool, which node-scrypt and
// scrypt-kdf write too: "scrypt" | 0 | log2 N | r | p (big-endian) | salt 32 |
// SHA-256 of what came so far, 16 bytes | HMAC-SHA256 of what came so far, 32
// bytes, under the second half of the 64 derived bytes.
//
// It prints as "(hidden)": Encode gives the text for the file. The zero Hash
// verifies nothing.
type Hash struct{ raw [hashSize]byte }

// NewHash hashes password with N = 2^logN, r = 8, p = 1: N kilobytes of
// memory. It panics unless 1 ≤ logN ≤ LogNMax.
func NewHash(password []byte, logN uint8) Hash {
	if logN < 1 || logN > LogNMax {
		panic(fmt.Sprintf("passwd: logN %d is not in 1..%d", logN, LogNMax))
	}
	var h Hash
	copy(h.raw[:], magic)
	h.raw[7] = logN
	binary.BigEndian.PutUint32(h.raw[8:], 8)
	binary.BigEndian.PutUint32(h.raw[12:], 1)
	rand.Read(h.raw[16:48]) // never fails since Go 1.24
	sum := sha256.Sum256(h.raw[:48])
	copy(h.raw[48:64], sum[:16])
	copy(h.raw[64:], h.mac(password))
	return h
}

// ParseHash reads what stands behind the user's colon: "{scrypt}" and 128
// characters of standard base64. It refuses parameters that would take more
// than 256 MiB or several seconds. Errors say what was found and what is
// wanted, and never hold any of text.
func ParseHash(text string) (Hash, error) {
	if len(text) < len(tag) || !strings.EqualFold(text[:len(tag)], tag) {
		return Hash{}, fmt.Errorf("found %s, want %s and a hash, as sspasswd writes it", kindOf(text), tag)
	}
	text = text[len(tag):]
	if want := base64.StdEncoding.EncodedLen(hashSize); len(text) != want {
		return Hash{}, fmt.Errorf("found %d characters behind %s, want %d", len(text), tag, want)
	}
	var h Hash
	// Go's decoder skips CR and LF, even in strict mode.
	if n, err := base64.StdEncoding.Strict().Decode(h.raw[:], []byte(text)); err != nil || n != hashSize {
		return Hash{}, fmt.Errorf("found characters behind %s that are not base64", tag)
	}
	if err := h.check(); err != nil {
		return Hash{}, err
	}
	return h, nil
}

// kindOf names what stands where a hash should, for people who come from
// another program; it never quotes it.
func kindOf(text string) string {
	for _, k := range [...]struct{ prefix, name string }{
		{"$2", "a bcrypt hash"},
		{"$argon2", "an argon2 hash"},
		{"$", "a crypt(3) hash"},
		{"{", "a hash of another kind"},
		{"c2NyeXB0", "a hash without its tag"},
	} {
		if strings.HasPrefix(text, k.prefix) {
			return k.name
		}
	}
	if text == "" {
		return "nothing behind the colon"
	}
	return "something that is no hash"
}

func (h *Hash) check() error {
	if !bytes.HasPrefix(h.raw[:], []byte(magic)) {
		return errors.New("found a hash of another version, want scrypt version 0")
	}
	logN, r, p := h.params()
	switch {
	case logN < 1 || r < 1 || p < 1:
		return fmt.Errorf("found scrypt parameters logN=%d r=%d p=%d, want each to be at least 1", logN, r, p)
	case r > rMax || p > pMax:
		return fmt.Errorf("found scrypt parameters r=%d p=%d, want at most r=%d p=%d", r, p, rMax, pMax)
	case logN > 30 || h.memory() > memoryMax:
		return fmt.Errorf("found a hash that needs 128·2^%d·%d bytes to check, want at most %d MiB", logN, r, memoryMax>>20)
	case h.memory()*int64(p) > passesMax:
		return fmt.Errorf("found a hash that needs %d passes over %d MiB to check, want at most %d MiB in all", p, h.memory()>>20, passesMax>>20)
	}
	sum := sha256.Sum256(h.raw[:48])
	if !bytes.Equal(sum[:16], h.raw[48:64]) {
		return errors.New("found a damaged hash: its checksum does not fit")
	}
	return nil
}

func (h Hash) params() (logN uint8, r, p uint32) {
	return h.raw[7], binary.BigEndian.Uint32(h.raw[8:]), binary.BigEndian.Uint32(h.raw[12:])
}

// memory is how many bytes Verify takes while it runs.
func (h Hash) memory() int64 {
	logN, r, _ := h.params()
	return 128 << logN * int64(r)
}

// cost is the parameters as one comparable value: equal costs take equal time.
func (h Hash) cost() [9]byte { return [9]byte(h.raw[7:16]) }

// Verify reports whether the hash is of this password. It takes the time and
// the memory that the hash asks for, and compares in constant time.
func (h Hash) Verify(password []byte) bool {
	mac := h.mac(password)
	return mac != nil && hmac.Equal(mac, h.raw[64:])
}

// mac returns what the last 32 bytes are for this password, nil for the zero Hash.
func (h *Hash) mac(password []byte) []byte {
	logN, r, p := h.params()
	key, err := scrypt.Key(password, h.raw[16:48], 1<<logN, int(r), int(p), 64)
	if err != nil {
		return nil
	}
	m := hmac.New(sha256.New, key[32:])
	m.Write(h.raw[:64])
	return m.Sum(nil)
}

// Encode returns the text that stands behind the user's colon.
func (h Hash) Encode() string { return tag + base64.StdEncoding.EncodeToString(h.raw[:]) }

const hidden = "(hidden)"

// String implements fmt.Stringer without telling.
func (h Hash) String() string { return hidden }

// Format implements fmt.Formatter without telling.
func (h Hash) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// MarshalText implements encoding.TextMarshaler without telling.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hidden), nil }

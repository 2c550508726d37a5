package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
)

// ErrNotOurs is what Open says of anything that this box, or one with the
// same keys, did not seal under that name.
var ErrNotOurs = errors.New("secret: not sealed by us")

const (
	boxVersion = 1
	idSize     = 4
	nonceSize  = 12
	tagSize    = 16
	headerSize = 1 + idSize + nonceSize
)

// Box seals small values with AES-256-GCM (NIST SP 800-38D), with a random
// nonce each, as base64url without padding. It is safe for use by many
// goroutines. A key may seal 2^32 values before nonces could repeat with a
// probability worth a thought.
type Box struct {
	keys []boxKey // the first seals, all open
}

type boxKey struct {
	id   [idSize]byte
	aead func() cipher.AEAD // a function, so that fmt cannot print what is in it
}

// NewBox returns a box that seals with current and opens what current or any
// previous key sealed.
func NewBox(current Key, previous ...Key) *Box {
	b := &Box{}
	for _, k := range append([]Key{current}, previous...) {
		block, err := aes.NewCipher(k.bytes())
		if err != nil {
			panic(err) // only for other key sizes
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err) // only for other block sizes
		}
		bk := boxKey{aead: func() cipher.AEAD { return aead }}
		sum := sha256.Sum256(k.Derive("key id").bytes())
		copy(bk.id[:], sum[:])
		b.keys = append(b.keys, bk)
	}
	return b
}

// Seal returns plaintext sealed and bound to name (a cookie's name, say):
// Open under another name fails. Layout before base64url: version 1 | key id
// 4 | nonce 12 | ciphertext and tag.
func (b *Box) Seal(name string, plaintext []byte) string {
	k := b.keys[0]
	out := make([]byte, headerSize, headerSize+len(plaintext)+tagSize)
	out[0] = boxVersion
	copy(out[1:], k.id[:])
	rand.Read(out[1+idSize : headerSize])
	out = k.aead().Seal(out, out[1+idSize:headerSize], plaintext, aad(name, out))
	return base64.RawURLEncoding.EncodeToString(out)
}

// Open returns what Seal was given. The only error is ErrNotOurs, whatever
// was wrong.
func (b *Box) Open(name string, sealed []byte) ([]byte, error) {
	// Go's decoder skips CR and LF even in strict mode; one value, one spelling.
	if slices.Contains(sealed, '\r') || slices.Contains(sealed, '\n') {
		return nil, ErrNotOurs
	}
	enc := base64.RawURLEncoding.Strict()
	raw := make([]byte, enc.DecodedLen(len(sealed)))
	n, err := enc.Decode(raw, sealed)
	if err != nil || n < headerSize+tagSize || raw[0] != boxVersion {
		return nil, ErrNotOurs
	}
	raw = raw[:n]
	for _, k := range b.keys {
		if [idSize]byte(raw[1:1+idSize]) != k.id {
			continue
		}
		plain, err := k.aead().Open(nil, raw[1+idSize:headerSize], raw[headerSize:], aad(name, raw))
		if err == nil {
			return plain, nil
		}
	}
	return nil, ErrNotOurs
}

// aad binds version, key id and name to the ciphertext.
func aad(name string, raw []byte) []byte {
	a := make([]byte, 0, 1+idSize+len(name))
	return append(append(a, raw[:1+idSize]...), name...)
}

package secret

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	// x/crypto/scrypt: the Go team's scrypt; the standard library has none.
	"golang.org/x/crypto/scrypt"
)

// keySize is the size of a Key in bytes, in memory and in its file.
const keySize = 32

// Key is 256 bits that print as "(hidden)". The zero Key is none: using it
// panics.
type Key struct {
	b *string // keySize bytes; hidden from fmt as in Text
}

// String implements fmt.Stringer without telling.
func (k Key) String() string { return hidden }

// Format implements fmt.Formatter without telling.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// MarshalText implements encoding.TextMarshaler without telling.
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// passphraseSalt is fixed: replicas that share COOKIE_SECRET must derive the
// same key, and there is no place to keep a salt of their own.
const passphraseSalt = "fastproxy cookie secret v1"

// KeyFromPassphrase stretches a passphrase with scrypt (N=2^15, r=8, p=1:
// about 0.1 s and 32 MiB, once at start).
func KeyFromPassphrase(t Text) (Key, error) {
	b, err := scrypt.Key([]byte(t.Reveal()), []byte(passphraseSalt), 1<<15, 8, 1, keySize)
	if err != nil {
		return Key{}, fmt.Errorf("secret: derive key: %w", err)
	}
	return keyFrom(b), nil
}

// RandomKey returns a key from the system's random source.
func RandomKey() Key {
	b := make([]byte, keySize)
	rand.Read(b) // never fails since Go 1.24
	return keyFrom(b)
}

// keyFrom makes a key of a copy of b, which is keySize bytes.
func keyFrom(b []byte) Key {
	s := string(b)
	return Key{b: &s}
}

// bytes returns a copy.
func (k Key) bytes() []byte { return []byte(*k.b) }

// LoadOrCreateKey reads the key kept in file, or makes a random one and keeps
// it there with mode 0600. Of several processes that start at once, one makes
// the key and all use that one. A file of another size, or one that others
// may read, is refused.
func LoadOrCreateKey(file string) (Key, error) {
	k, err := readKeyFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKeyFile(file, RandomKey()); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("secret: create key file: %w", err)
	}
	return readKeyFile(file)
}

func readKeyFile(file string) (Key, error) {
	f, err := os.Open(file)
	if err != nil {
		return Key{}, fmt.Errorf("secret: read key file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("secret: read key file: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("secret: key file %s: found mode %#o, want 0600", file, st.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, keySize+1))
	if err != nil {
		return Key{}, fmt.Errorf("secret: read key file: %w", err)
	}
	if len(b) != keySize {
		return Key{}, fmt.Errorf("secret: key file %s: found %d bytes, want %d", file, st.Size(), keySize)
	}
	return keyFrom(b), nil
}

// createKeyFile links a complete temporary file into place, so that no reader
// ever sees half a key and no second creator wins over the first.
func createKeyFile(file string, k Key) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(k.bytes()); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), file)
}

// Derive returns the key for one purpose (HKDF-SHA256, RFC 5869). Keys of
// different purposes tell nothing of each other.
func (k Key) Derive(purpose string) Key {
	b, err := hkdf.Expand(sha256.New, k.bytes(), "fastproxy "+purpose, keySize)
	if err != nil {
		panic(err) // only for lengths over 8160 bytes
	}
	return keyFrom(b)
}

// MAC returns the HMAC-SHA256 (RFC 2104) of b under k.
func (k Key) MAC(b []byte) []byte {
	h := hmac.New(sha256.New, k.bytes())
	h.Write(b)
	return h.Sum(nil)
}

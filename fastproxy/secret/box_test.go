package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func TestABoxOpensWhatItSealed(t *testing.T) {
	b := NewBox(keyOf(1))
	for _, plain := range []string{"", "x", strings.Repeat("long ", 1000)} {
		sealed := b.Seal("name", []byte(plain))
		got, err := b.Open("name", []byte(sealed))
		if err != nil || string(got) != plain {
			t.Errorf("%.9q came back as %.9q, %v", plain, got, err)
		}
		if sealed == b.Seal("name", []byte(plain)) {
			t.Error("sealed twice, the same text: the nonce is not fresh")
		}
		if strings.Trim(sealed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q is no cookie value", sealed)
		}
	}
}

func TestWhatIsSealedIsBoundToItsName(t *testing.T) {
	b := NewBox(keyOf(1))
	sealed := b.Seal("session", []byte("x"))
	for _, name := range []string{"", "sessio", "session2", "Session"} {
		if _, err := b.Open(name, []byte(sealed)); err != ErrNotOurs {
			t.Errorf("opened as %q: %v", name, err)
		}
	}
}

func TestPreviousKeysOpenButDoNotSeal(t *testing.T) {
	old, current := NewBox(keyOf(1)), NewBox(keyOf(2), keyOf(3), keyOf(1))
	if got, err := current.Open("n", []byte(old.Seal("n", []byte("x")))); err != nil || string(got) != "x" {
		t.Errorf("the previous key does not open: %v", err)
	}
	if _, err := old.Open("n", []byte(current.Seal("n", []byte("x")))); err != ErrNotOurs {
		t.Errorf("the previous key sealed: %v", err)
	}
	if _, err := NewBox(keyOf(2)).Open("n", []byte(old.Seal("n", []byte("x")))); err != ErrNotOurs {
		t.Errorf("a dropped key still opens: %v", err)
	}
}

func TestOneFlippedBitAnywhereSpoilsTheSeal(t *testing.T) {
	b := NewBox(keyOf(1), keyOf(2))
	raw, err := base64.RawURLEncoding.DecodeString(b.Seal("n", []byte("plain")))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			spoilt := bytes.Clone(raw)
			spoilt[i] ^= 1 << bit
			if _, err := b.Open("n", []byte(base64.RawURLEncoding.EncodeToString(spoilt))); !errors.Is(err, ErrNotOurs) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
		if _, err := b.Open("n", []byte(base64.RawURLEncoding.EncodeToString(raw[:i]))); err != ErrNotOurs {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestASealedValueHasOneSpelling(t *testing.T) {
	b := NewBox(keyOf(1))
	sealed := b.Seal("n", []byte("xy"))
	for _, s := range []string{
		sealed + "=", sealed + "\n", "\r\n" + sealed, sealed[:5] + "\n" + sealed[5:], sealed + "A", " " + sealed,
		sealed[:len(sealed)-1] + string(sealed[len(sealed)-1]+1), // other bits behind the last byte
	} {
		if _, err := b.Open("n", []byte(s)); err != ErrNotOurs {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// FuzzOpen: nothing but what Seal made opens, and nothing panics.
func FuzzOpen(f *testing.F) {
	b := NewBox(keyOf(1), keyOf(2))
	for _, s := range []string{"", "AQ", b.Seal("n", nil), b.Seal("m", []byte("x")), b.Seal("n", nil) + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := b.Open("n", sealed)
		if err == nil && len(plain) == 0 {
			return // a seed
		}
		if err != ErrNotOurs {
			t.Fatalf("opened %q as %q, %v", sealed, plain, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	box := NewBox(keyOf(1))
	sealed := []byte(box.Seal("n", make([]byte, 600)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := box.Open("n", sealed); err != nil {
			b.Fatal(err)
		}
	}
}

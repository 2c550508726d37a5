package passwd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Lines made by others: npm scrypt-kdf 4.0.0, and the test of Perl's
// Authen::Passphrase::Scrypt, which writes the tag in capitals.
var vectors = []struct{ user, password, hash string }{
	{"kim", "correct horse battery staple", "{scrypt}c2NyeXB0AA4AAAAIAAAAAZFYTPe7Vtuwluz98iGRN33tGy0MW36wavfStmpY/FEmWnSktNa3+Aq4qWXgu8fMPWBeuk3mZCNDTd4DOs7zfro+8NkTNSmre6SrVeiz3LYk"},
	{"tina", "pässwörd-日本", "{scrypt}c2NyeXB0AAoAAAAIAAAAAddlGk/9vYzwyuFWB30hzWWZgYgx40Ub104gbU8kRzOHYgmQo1qpxtfy2kkk+S/o4UgcRiTEVUOu3HKQY9O18NzM8oN4dn/saonYvXyNIgIC"},
	{"admin", "a", "{scrypt}c2NyeXB0AAwAAAAIAAAAAhYpsP3FHbkWmoiRzakNXtRWJdZrPYhRfmX0hrhjMeCi/FGgQa4NVaparG5FghBcSQl1LvPfUIybcy/715rwUSGC35BiDVylPKKo1BE0W2rJ"},
	{"perl", "password2", "{SCRYPT}c2NyeXB0AAwAAAAIAAAAAZ/+bp8gWcTZgEC7YQZeLLyxFeKRRdDkwbaGeFC0NkdUr/YFAWY/UwdOH4i/PxW48fXeXBDOTvGWtS3lLUgzNM0PlJbXhMOGd2bke0PvTSnW"},
}

// cheap is a hash that takes no time worth mentioning.
func cheap(password string) Hash { return NewHash([]byte(password), 1) }

// withParams is a well-formed hash that asks for these parameters.
func withParams(logN uint8, r, p uint32) string {
	h := cheap("x")
	h.raw[7] = logN
	binary.BigEndian.PutUint32(h.raw[8:], r)
	binary.BigEndian.PutUint32(h.raw[12:], p)
	sum := sha256.Sum256(h.raw[:48])
	copy(h.raw[48:64], sum[:16])
	return h.Encode()
}

func TestHashesOfOtherProgramsVerify(t *testing.T) {
	for _, v := range vectors {
		h, err := ParseHash(v.hash)
		if err != nil {
			t.Fatalf("%s: %v", v.user, err)
		}
		if !h.Verify([]byte(v.password)) {
			t.Errorf("%s: the right password is refused", v.user)
		}
		// Only the cheapest: with -race one of logN 14 takes seconds.
		if v.user == "tina" && (h.Verify([]byte("password1")) || h.Verify(nil)) {
			t.Errorf("%s: a wrong password is taken", v.user)
		}
		if want := tag + v.hash[len(tag):]; h.Encode() != want {
			t.Errorf("%s: encodes as\n%s, want\n%s", v.user, h.Encode(), want)
		}
	}
}

func TestOurHashHasTheLayoutOfTheTarsnapHeader(t *testing.T) {
	h := NewHash([]byte("secret"), 5)
	if !strings.HasPrefix(h.Encode(), "{scrypt}c2NyeXB0AA") || len(h.Encode()) != len(tag)+128 {
		t.Errorf("found the shape %.18s… of %d characters", h.Encode(), len(h.Encode()))
	}
	back, err := ParseHash(h.Encode())
	if err != nil || back != h {
		t.Errorf("it does not come back: %v", err)
	}
	if !back.Verify([]byte("secret")) || back.Verify([]byte("Secret")) {
		t.Error("it does not verify its password and no other")
	}
	if NewHash([]byte("secret"), 5) == h {
		t.Error("two hashes of one password are equal: no salt")
	}
}

func TestParseHashSaysWhatItFoundAndWantsAndQuotesNothing(t *testing.T) {
	good := vectors[0].hash
	damaged := strings.Replace(good, "ZFYTPe7", "ZFYTPe8", 1)
	version1 := base64.StdEncoding.EncodeToString(append([]byte("scrypt\x01"), make([]byte, 89)...))
	for _, c := range []struct{ text, want string }{
		{"", "nothing behind the colon"},
		{"$2y$10$abcdefghijklmnopqrstuv", "a bcrypt hash"},
		{"$argon2id$v=19$m=65536", "an argon2 hash"},
		{"$6$abc$def", "a crypt(3) hash"},
		{"{SSHA}abcdef", "a hash of another kind"},
		{good[len(tag):], "a hash without its tag"},
		{"hunter2", "something that is no hash"},
		{tag, "found 0 characters behind {scrypt}, want 128"},
		{good + "x", "found 129 characters behind {scrypt}, want 128"},
		{good[:len(good)-2] + "\r\n", "not base64"},
		{good[:len(good)-1] + "!", "not base64"},
		{tag + version1, "another version"},
		{damaged, "checksum"},
		{withParams(0, 8, 1), "at least 1"},
		{withParams(14, 0, 1), "at least 1"},
		{withParams(14, 8, 0), "at least 1"},
		{withParams(19, 8, 1), "at most 256 MiB"},
		{withParams(255, 8, 1), "at most 256 MiB"},
		{withParams(16, 64, 1), "at most 256 MiB"},
		{withParams(14, 1<<31, 1), "at most r=64"},
		{withParams(14, 8, 17), "at most r=64 p=16"},
		{withParams(18, 8, 5), "at most 1024 MiB in all"},
	} {
		_, err := ParseHash(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("found error %v, want one with %q", err, c.want)
			continue
		}
		if len(c.text) > len(tag) && strings.Contains(err.Error(), c.text[len(c.text)-6:]) {
			t.Errorf("the error quotes the hash: %v", err)
		}
	}
}

func TestParseHashTakesTheLargestParametersAllowed(t *testing.T) {
	for _, text := range []string{withParams(18, 8, 4), withParams(1, 1, 1), withParams(15, 64, 4), withParams(14, 8, 16)} {
		if _, err := ParseHash(text); err != nil {
			t.Error(err)
		}
	}
}

func TestNoFormatterShowsAHash(t *testing.T) {
	h := cheap("x")
	js, _ := json.Marshal(struct{ H Hash }{h})
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", h, h, h, h, h, h, h, &h) + fmt.Sprint(struct{ H Hash }{h}) + string(js)
	if got := strings.Count(all, hidden); got != 10 {
		t.Errorf("found %d times %s, want 10: %s", got, hidden, all)
	}
}

func TestZeroHashVerifiesNothing(t *testing.T) {
	var h Hash
	if h.Verify(nil) || h.Verify([]byte{}) {
		t.Error("it verified")
	}
}

func TestNewHashPanicsOutsideItsRange(t *testing.T) {
	for _, logN := range []uint8{0, 19, 255} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("logN %d: no panic", logN)
				}
			}()
			NewHash(nil, logN)
		}()
	}
}

package session

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/secret"
)

func sealer() *Sealer { return NewSealer(secret.NewBox(secret.RandomKey()), "fastproxy_session") }

func values(t testing.TB, s *Sealer, v *Session) [][]byte {
	t.Helper()
	list, err := s.Seal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, v := range list {
		out = append(out, []byte(v))
	}
	return out
}

// crowd is kim in n groups that do not compress.
func crowd(n int) identity.Principal {
	p := kim
	p.Groups = nil
	for range n {
		b := make([]byte, 20)
		rand.Read(b)
		p.Groups = append(p.Groups, hex.EncodeToString(b))
	}
	return p
}

func TestASealedSessionOpensAsItWas(t *testing.T) {
	c, s := newClock(), sealer()
	for _, p := range []identity.Principal{kim, sam, crowd(50), crowd(150), crowd(300)} {
		v := begin(c, p)
		v.SID, v.Line = "sid-1", "f00d"
		cookies := values(t, s, v)
		t.Logf("%d groups: %d cookies", len(p.Groups), len(cookies))
		got, err := s.Open(cookies, c.now())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, *v) {
			t.Errorf("opened\n%+v, want\n%+v", got, *v)
		}
		for i, value := range cookies {
			if len(value) > valueMax {
				t.Errorf("value %d has %d bytes", i, len(value))
			}
		}
	}
}

func TestTheCookieHoldsTheseMembersAndNoOthers(t *testing.T) {
	v := Session{
		ID:        ID{0xab, 15: 1},
		IssuedAt:  time.Unix(1_700_000_000, 5e8),
		Expires:   time.Unix(1_700_600_000, 0),
		Principal: sam,
		SID:       "sid",
		Line:      "f00d",
	}
	plain, _, err := encode(&v)
	if err != nil {
		t.Fatal(err)
	}
	if plain[0] == formDeflated {
		if plain, err = inflate(plain[1:]); err != nil {
			t.Fatal(err)
		}
		plain = append([]byte{formJSON}, plain...)
	}
	const want = `j{"v":1,"id":"ab000000000000000000000000000001","iat":1700000000,"exp":1700600000,` +
		`"p":{"m":"passwd","s":"sam","g":["DL"]},"sid":"sid","line":"f00d"}`
	if string(plain) != want {
		t.Errorf("found %s\nwant  %s", plain, want)
	}
}

func TestTooManyGroupsAreRefusedWithTheirSizes(t *testing.T) {
	_, err := sealer().Seal(begin(newClock(), crowd(1000)))
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1000 groups") || !strings.Contains(err.Error(), "at most 12000") {
		t.Errorf("found %v", err)
	}
	_, err = sealer().Seal(begin(newClock(), crowd(2000)))
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "bytes of JSON, want at most 65536") {
		t.Errorf("found %v", err)
	}
}

func TestSessionsThatCannotBeAreNotSealed(t *testing.T) {
	change := func(f func(s *Session)) *Session {
		s := begin(newClock(), kim)
		f(s)
		return s
	}
	for name, s := range map[string]*Session{
		"nobody":            change(func(s *Session) { s.Principal.Subject = "" }),
		"no method":         change(func(s *Session) { s.Principal.Method = "" }),
		"no time":           change(func(s *Session) { s.IssuedAt, s.Expires = time.Time{}, time.Time{} }),
		"over at its start": change(func(s *Session) { s.Expires = s.IssuedAt }),
		"subject in Latin1": change(func(s *Session) { s.Principal.Subject = "Andr\xe9" }),
		"group in Latin1":   change(func(s *Session) { s.Principal.Groups = []string{"Andr\xe9"} }),
	} {
		if _, err := sealer().Seal(s); err == nil {
			t.Errorf("%s: want an error", name)
		} else if strings.Contains(err.Error(), "Andr") {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
}

func TestACookieLeftOverFromALongerSessionIsIgnored(t *testing.T) {
	c, s := newClock(), sealer()
	old := values(t, s, begin(c, crowd(200)))
	v := begin(c, kim)
	cookies := append(values(t, s, v), old[1:]...)
	if n := Span(cookies); n != 1 || len(cookies) < 3 {
		t.Fatalf("Span = %d of %d, want 1 of 3 or more", n, len(cookies))
	}
	if got, err := s.Open(cookies, c.now()); err != nil || got.ID != v.ID {
		t.Errorf("opened %v, %v", got.ID, err)
	}
}

func TestASessionHasOneSpelling(t *testing.T) {
	c, s := newClock(), sealer()
	one, three := values(t, s, begin(c, kim)), values(t, s, begin(c, crowd(200)))
	if len(three) != 3 {
		t.Fatalf("found %d values, want 3", len(three))
	}
	cat := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	as := func(n byte, v []byte) []byte { return append([]byte{n}, v[1:]...) }
	for name, v := range map[string][][]byte{
		"nothing":                     {},
		"empty":                       {{}},
		"number only":                 {[]byte("1")},
		"number 0":                    {as('0', one[0])},
		"number 5":                    {as('5', one[0])},
		"one as two":                  {as('2', one[0]), {}},
		"one split in two":            {as('2', one[0][:100]), one[0][100:]},
		"three without the last":      three[:2],
		"three without the first":     three[1:],
		"three as two":                {as('2', three[0]), three[1], three[2]},
		"three as four":               {as('4', three[0]), three[1], three[2], {}},
		"three swapped":               {three[0], three[2], three[1]},
		"three in one":                {as('1', cat(three...))},
		"split elsewhere":             {three[0], three[1][:2999], cat(three[1][2999:], three[2])},
		"first of one, rest of other": {three[0], values(t, s, begin(c, crowd(200)))[1], three[2]},
		"a line end inside":           {cat(one[0][:50], []byte("\n"), one[0][50:])},
		"padding":                     {cat(one[0], []byte("="))},
		"another version of the box":  {cat(one[0][:1], []byte("B"), one[0][2:])},
	} {
		if _, err := s.Open(v, c.now()); err != ErrBadCookie {
			t.Errorf("%s: found %v, want ErrBadCookie", name, err)
		}
	}
}

func TestOneChangedCharacterSpoilsACookie(t *testing.T) {
	c, s := newClock(), sealer()
	good := values(t, s, begin(c, kim))[0]
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := s.Open([][]byte{bad}, c.now()); err != ErrBadCookie {
			t.Fatalf("character %d: found %v, want ErrBadCookie", i, err)
		}
	}
}

func TestACookieOpensUnderItsNameAndKeysOnly(t *testing.T) {
	c := newClock()
	before, now := secret.RandomKey(), secret.RandomKey()
	old := NewSealer(secret.NewBox(before), "a")
	cookies := values(t, old, begin(c, kim))
	for name, try := range map[string]struct {
		s    *Sealer
		want error
	}{
		"another name":   {NewSealer(secret.NewBox(before), "b"), ErrBadCookie},
		"another key":    {NewSealer(secret.NewBox(now), "a"), ErrBadCookie},
		"a previous key": {NewSealer(secret.NewBox(now, before), "a"), nil},
	} {
		if _, err := try.s.Open(cookies, c.now()); err != try.want {
			t.Errorf("%s: found %v, want %v", name, err, try.want)
		}
	}
}

func TestACookieExpiresAtItsLastMoment(t *testing.T) {
	c, s := newClock(), sealer()
	v := begin(c, kim)
	cookies := values(t, s, v)
	if _, err := s.Open(cookies, v.Expires.Add(-1)); err != nil {
		t.Errorf("just before: %v", err)
	}
	if _, err := s.Open(cookies, v.Expires); err != ErrExpired {
		t.Errorf("at the moment: found %v, want ErrExpired", err)
	}
}

func TestWhatWasSealedForSomethingElseIsNoSession(t *testing.T) {
	box := secret.NewBox(secret.RandomKey())
	s := NewSealer(box, "n")
	bomb := append([]byte{formDeflated}, deflate(make([]byte, 1<<20))...)
	for _, plain := range [][]byte{nil, {}, []byte("x"), []byte("j"), []byte("jnull"), []byte("j{}"), []byte("d"), []byte("dxxxx"), bomb,
		[]byte(`j{"v":2,"id":"ab000000000000000000000000000001","iat":1,"exp":9000000000,"p":{"m":"oidc","s":"a"}}`),
		[]byte(`j{"v":1,"id":"ab","iat":1,"exp":9000000000,"p":{"m":"oidc","s":"a"}}`),
		[]byte(`j{"v":1,"id":"ab000000000000000000000000000001","iat":1,"exp":9900000000,"p":{"m":"oidc","s":"a"}}`),
		[]byte(`j{"v":1,"id":"ab000000000000000000000000000001","iat":1,"exp":9000000000,"p":{"m":"root","s":"a"}}`),
	} {
		if _, err := s.Open([][]byte{[]byte("1" + box.Seal("n", plain))}, time.Unix(100, 0)); err != ErrBadCookie {
			t.Errorf("%.40q: found %v, want ErrBadCookie", plain, err)
		}
	}
}

// FuzzOpen opens values that somebody made up: only what was sealed may open.
func FuzzOpen(f *testing.F) {
	c, s := newClock(), sealer()
	for _, p := range []identity.Principal{kim, crowd(100), crowd(300)} {
		v := append(values(f, s, begin(c, p)), nil, nil, nil)
		f.Add(v[0], v[1], v[2], v[3], 4)
	}
	f.Add([]byte("1"), []byte{}, []byte{}, []byte{}, 1)
	f.Fuzz(func(t *testing.T, a, b, d, e []byte, n int) {
		if n < 0 || n > 4 {
			return
		}
		given := [][]byte{a, b, d, e}[:n]
		got, err := s.Open(given, c.now())
		if err != nil {
			return
		}
		if got.Principal.Subject != kim.Subject {
			t.Errorf("opened somebody: %+v", got)
		}
		size := 0
		for _, v := range given[:Span(given)] {
			size += len(v)
		}
		if size <= 1 {
			t.Error("opened nothing")
		}
	})
}

// FuzzDecode reads what only a key holder could seal: it may be refused, but
// what is read is a whole session, and reads the same again.
func FuzzDecode(f *testing.F) {
	for _, p := range []identity.Principal{kim, sam, crowd(5)} {
		plain, _, err := encode(begin(newClock(), p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
		if plain[0] == formDeflated {
			text, _ := inflate(plain[1:])
			f.Add(append([]byte{formJSON}, text...))
		}
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		s, err := decode(plain)
		if err != nil {
			return
		}
		again, _, err := encode(&s)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("read %+v, cannot be written: %v", s, err)
		}
		back, err := decode(again)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(s) {
			t.Errorf("read %+v, then %+v, %v", s, back, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	for _, groups := range []int{2, 200} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			c, s := newClock(), sealer()
			cookies := values(b, s, begin(c, crowd(groups)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Open(cookies, c.now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	c, s := newClock(), sealer()
	v := begin(c, kim)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(v); err != nil {
			b.Fatal(err)
		}
	}
}

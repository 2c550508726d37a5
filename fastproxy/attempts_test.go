package fastproxy

import (
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/secret"
)

// FuzzStateCookies reads whatever a browser brings: what is not sealed by us is
// no attempt, and nothing of it gets into a header of ours but a name to remove.
func FuzzStateCookies(f *testing.F) {
	s := &snapshot{secure: true, sameSite: "Lax", names: newCookieNames(true), box: secret.NewBox(secret.RandomKey())}
	a := oidc.Attempt{State: "0" + strings.Repeat("s", 24), Nonce: "n", Verifier: "v", ReturnTo: "/reports/?a=<b>&c", Created: time.Now()}
	name := s.stateName(a.State)
	good := s.sealAttempt(name, &a)
	f.Add(name+"="+good, a.State)
	f.Add(name+"="+good+"; "+name+"="+good, a.State)
	f.Add(name+"x="+good, a.State)
	f.Add("__Host-fastproxy_state_;=;;__Host-fastproxy_state_=; a", "")
	f.Add(`__Host-fastproxy_state_a"b c=d; __Host-fastproxy_bounce=x; __Host-fastproxy_home=`, "a\"b c")
	f.Add("__Host-fastproxy_state_0123456789ab="+good[:len(good)-1], "0123456789abcdef")
	f.Fuzz(func(t *testing.T, cookie, state string) {
		x := &exchange{start: time.Now()}
		if err := scan([]byte("GET / HTTP/1.1\r\nHost: h\r\nCookie: "+cookie+"\r\n\r\n"), &x.head); err != nil {
			return
		}
		got, ok := s.takeAttempt(x, state)
		if ok && (got.State != state || got.State != a.State || got.Nonce != a.Nonce || got.ReturnTo != a.ReturnTo) {
			t.Fatalf("an attempt that is not ours: %q", got.ReturnTo)
		}
		s.setAttempt(x, &a)
		if n := s.counted(x, s.names.bounce, bounceAge) + s.counted(x, s.names.home, homeAge); n != 0 {
			t.Fatalf("somebody counts for us: %d", n)
		}
		for _, c := range x.cookies {
			if !strings.HasPrefix(c, s.names.state) || strings.ContainsAny(c, "\r\n\x00") || strings.Count(c, ";") < 4 {
				t.Fatalf("cookie %q", c)
			}
			if attributes := c[strings.IndexByte(c, ';'):]; !strings.HasPrefix(attributes, "; Path=/; Max-Age=") || !strings.HasSuffix(attributes, "; HttpOnly; SameSite=Lax; Secure") {
				t.Fatalf("cookie %q", c)
			}
		}
	})
}

func TestAnAttemptHoldsItsPageAndTellsNobody(t *testing.T) {
	s := &snapshot{names: newCookieNames(false), box: secret.NewBox(secret.RandomKey())}
	a := oidc.Attempt{State: "0" + strings.Repeat("s", 24), Nonce: "nonce", Verifier: "verifier", ReturnTo: "/reports/?" + strings.Repeat("&a=%22b%22", 300), Created: time.Now().UTC().Truncate(time.Second), Prompt: "none", Tries: 1}
	name := s.stateName(a.State)
	value := s.sealAttempt(name, &a)
	if got, ok := s.openAttempt(name, []byte(value)); !ok || got != a {
		t.Error("it does not come back as it was")
	}
	if _, ok := s.openAttempt(name+"x", []byte(value)); ok {
		t.Error("it opens under another name")
	}
	if len(value) > 1000 {
		t.Errorf("a bookmark of %d bytes takes %d", len(a.ReturnTo), len(value))
	}
	if strings.Contains(value, "nonce") || strings.Contains(value, "reports") {
		t.Error("it can be read")
	}
}

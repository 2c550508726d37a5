package session

import (
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that only tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var (
	kim = identity.Principal{
		Method:        identity.MethodOIDC,
		Issuer:        "https://tenant.example/",
		Subject:       "auth0|5ad",
		Email:         "kim@example.org",
		EmailVerified: identity.VerifiedYes,
		Name:          "Kim Ō",
		Groups:        []string{"Admin", "Finance, EU"},
	}
	sam = identity.Principal{Method: identity.MethodPasswd, Subject: "sam", Groups: []string{"DL"}}
)

// begin returns a session of p that began now.
func begin(c *clock, p identity.Principal) *Session {
	s := New(p, c.now(), 7*24*time.Hour)
	return &s
}

// openStore opens a store whose background errors fail the test.
func openStore(t testing.TB, dir string, c *clock) *Memory {
	t.Helper()
	m, err := OpenStore(dir, Options{Now: c.now, OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func wantCheck(t *testing.T, l *Live, c *clock, want Why) {
	t.Helper()
	if got := l.Check(c.now()); got != want {
		t.Errorf("Check = %q, want %q", got, want)
	}
}

func TestIDsReadWhatTheyWrite(t *testing.T) {
	id := NewID()
	got, err := ParseID(id.String())
	if err != nil || got != id {
		t.Errorf("ParseID(%s) = %s, %v", id, got, err)
	}
	for _, s := range []string{"", "00", id.String() + "00", id.String()[1:] + "g"} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%q): want an error", s)
		}
	}
}

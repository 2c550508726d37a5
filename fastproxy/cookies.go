package fastproxy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/session"
)

const (
	stateAge   = 15 * time.Minute // how long a sign-in attempt may take
	formAge    = 12 * time.Hour   // how long a form may stay open
	bounceAge  = time.Minute
	homeAge    = 10 * time.Second
	maxStates  = 8
	stateBytes = 6 << 10 // all attempts together; heads end at 16 KiB
)

// cookieNames are the cookies of ours. On https all begin with __Host-, so
// that no sibling domain can set them (RFC 6265bis section 4.1.3.2).
type cookieNames struct {
	session [session.ValuesMax]string
	state   string // prefix; the attempt's own part follows
	form    string
	bounce  string // how many sign-ins were just completed
	home    string // how often the visitor was just sent to PUBLIC_URL
}

func newCookieNames(secure bool) cookieNames {
	prefix := ""
	if secure {
		prefix = "__Host-"
	}
	n := cookieNames{
		state:  prefix + "fastproxy_state_",
		form:   prefix + "fastproxy_form",
		bounce: prefix + "fastproxy_bounce",
		home:   prefix + "fastproxy_home",
	}
	for i := range n.session {
		n.session[i] = prefix + "fastproxy_session"
		if i > 0 {
			n.session[i] += "_" + strconv.Itoa(i+1)
		}
	}
	return n
}

// setCookie adds a cookie of ours to the answer; age 0 removes it. Only the
// session and what decides with it may follow COOKIE_SAMESITE; the callback
// is a navigation from another site, which Lax lets through.
func (s *snapshot) setCookie(x *exchange, name, value string, age time.Duration) {
	var b strings.Builder
	b.WriteString(name + "=" + value + "; Path=/; Max-Age=" + strconv.Itoa(int(age.Seconds())))
	if age <= 0 {
		b.WriteString("; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
	}
	b.WriteString("; HttpOnly; SameSite=" + s.sameSite)
	if s.secure {
		b.WriteString("; Secure")
	}
	x.cookies = append(x.cookies, b.String())
}

// setSession gives the browser its session, and takes away what is left of a
// longer one.
func (s *snapshot) setSession(x *exchange, v *session.Session) error {
	values, err := s.sealer.Seal(v)
	if err != nil {
		return err
	}
	for i, name := range s.names.session {
		switch {
		case i < len(values):
			s.setCookie(x, name, values[i], v.Expires.Sub(x.start))
		case x.head.hasCookie(name):
			s.setCookie(x, name, "", 0)
		}
	}
	return nil
}

func (s *snapshot) clearSession(x *exchange) {
	for _, name := range s.names.session {
		if x.head.hasCookie(name) {
			s.setCookie(x, name, "", 0)
		}
	}
}

func (h *head) hasCookie(want string) bool {
	found := false
	h.eachCookie(func(name, _ []byte) { found = found || string(name) == want })
	return found
}

// stateName names the cookie of one attempt after its state, so that attempts
// of several tabs stand side by side.
func (s *snapshot) stateName(state string) string {
	return s.names.state + state[:min(len(state), 12)]
}

// setAttempt keeps an attempt in its sealed cookie and drops the oldest when
// there are many, or they are large.
func (s *snapshot) setAttempt(x *exchange, a *oidc.Attempt) error {
	plain, err := json.Marshal(a)
	if err != nil {
		return err
	}
	name := s.stateName(a.State)
	value := s.box.Seal(name, plain)
	s.dropAttempts(x, maxStates-1, stateBytes-len(value))
	s.setCookie(x, name, value, stateAge)
	return nil
}

// dropAttempts removes the oldest attempts of this browser until at most n,
// of at most size bytes, are left. What does not open is not ours and goes.
func (s *snapshot) dropAttempts(x *exchange, n, size int) {
	type kept struct {
		name    string
		size    int
		created time.Time
	}
	var all []kept
	x.head.eachCookie(func(name, value []byte) {
		if !strings.HasPrefix(string(name), s.names.state) {
			return
		}
		a, ok := s.openAttempt(string(name), value, x.start)
		if !ok {
			s.setCookie(x, string(name), "", 0)
			return
		}
		all = append(all, kept{string(name), len(value), a.Created})
	})
	total := 0
	for _, k := range all {
		total += k.size
	}
	for len(all) > n || total > size && len(all) > 0 {
		oldest := 0
		for i := range all {
			if all[i].created.Before(all[oldest].created) {
				oldest = i
			}
		}
		s.setCookie(x, all[oldest].name, "", 0)
		total -= all[oldest].size
		all = append(all[:oldest], all[oldest+1:]...)
	}
}

// openAttempt reads an attempt that is ours and young enough.
func (s *snapshot) openAttempt(name string, value []byte, now time.Time) (oidc.Attempt, bool) {
	var a oidc.Attempt
	plain, err := s.box.Open(name, value)
	if err != nil || json.Unmarshal(plain, &a) != nil {
		return a, false
	}
	return a, now.Sub(a.Created) < stateAge && s.stateName(a.State) == name
}

// counted reads a sealed small number that a cookie of ours holds, no older
// than age; 0 if there is none.
func (s *snapshot) counted(x *exchange, name string, age time.Duration) int {
	plain, err := s.box.Open(name, x.head.cookie(name))
	if err != nil {
		return 0
	}
	var c struct{ N, At int64 }
	if json.Unmarshal(plain, &c) != nil || x.start.Sub(time.Unix(c.At, 0)) > age {
		return 0
	}
	return int(c.N)
}

// count sets what counted reads.
func (s *snapshot) count(x *exchange, name string, n int, age time.Duration) {
	plain, err := json.Marshal(struct{ N, At int64 }{int64(n), x.start.Unix()})
	if err != nil {
		panic(err) // two numbers always marshal
	}
	s.setCookie(x, name, s.box.Seal(name, plain), age)
}

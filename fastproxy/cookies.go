package fastproxy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"fastproxy/fastproxy/session"
)

const (
	bounceAge = time.Minute
	homeAge   = 10 * time.Second
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

// setCookie adds a cookie of ours to the answer; age 0 removes it. It is Lax,
// which is enough for the callback, a navigation from another site: none of
// these is of use inside another site's frame.
func (s *snapshot) setCookie(x *exchange, name, value string, age time.Duration) {
	s.addCookie(x, name, value, age, "Lax")
}

func (s *snapshot) addCookie(x *exchange, name, value string, age time.Duration, sameSite string) {
	var b strings.Builder
	b.WriteString(name + "=" + value + "; Path=/; Max-Age=" + strconv.Itoa(int(age.Seconds())))
	if age <= 0 {
		b.WriteString("; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
	}
	b.WriteString("; HttpOnly; SameSite=" + sameSite)
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
			s.addCookie(x, name, values[i], v.Expires.Sub(x.start), s.sameSite)
		case x.head.hasCookie(name):
			s.addCookie(x, name, "", 0, s.sameSite)
		}
	}
	return nil
}

func (s *snapshot) clearSession(x *exchange) {
	for _, name := range s.names.session {
		if x.head.hasCookie(name) {
			s.addCookie(x, name, "", 0, s.sameSite)
		}
	}
}

func (h *head) hasCookie(want string) bool {
	found := false
	h.eachCookie(func(name, _ []byte) { found = found || string(name) == want })
	return found
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

package fastproxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// formAge is how long a form may stay open.
const formAge = 12 * time.Hour

// A form of ours carries a token that is made from a cookie of this browser:
// another site can send the cookie, but not read it (double submit, bound by
// our key).

// formToken returns the token for a form on the page being written, and sees
// to its cookie.
func (s *snapshot) formToken(x *exchange) string {
	plain, err := s.box.Open(s.names.form, x.head.cookie(s.names.form))
	if err != nil || !s.youngForm(plain, x.start) {
		plain = make([]byte, 24)
		rand.Read(plain[:16])
		copy(plain[16:], unixBytes(x.start))
		s.setCookie(x, s.names.form, s.box.Seal(s.names.form, plain), formAge)
	}
	return s.tokenOf(plain)
}

// ownForm reports a POST that one of our own pages sent, in a window of its
// own: a fetch may be that of an app, which is of this very origin.
func (p *Proxy) ownForm(x *exchange, s *snapshot) bool {
	if x.head.get(fieldSecFetchMode) != nil && !x.head.opensPage() {
		return false
	}
	if site := x.head.get(fieldSecFetchSite); site != nil && !equalFold(site, "same-origin") {
		return false
	}
	// Pages with a form have a Referer, so that this is not "null": on plain http
	// a sibling domain can plant the cookie, and with no-referrer hide itself.
	if o := x.head.get(fieldOrigin); o != nil && !s.ourOrigin(o) {
		return false
	}
	ct, _, _ := bytes.Cut(x.head.get(fieldContentType), []byte{';'})
	if !equalFold(bytes.TrimSpace(ct), "application/x-www-form-urlencoded") {
		return false
	}
	plain, err := s.box.Open(s.names.form, x.head.cookie(s.names.form))
	if err != nil || !s.youngForm(plain, x.start) {
		return false
	}
	return hmac.Equal([]byte(s.tokenOf(plain)), x.ctx.PostArgs().Peek("token"))
}

func (s *snapshot) youngForm(plain []byte, now time.Time) bool {
	return len(plain) == 24 && now.Sub(unixTime(plain[16:])) < formAge
}

func (s *snapshot) tokenOf(plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.formKey.MAC(plain))
}

func unixBytes(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.Unix()))
}

func unixTime(b []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
}

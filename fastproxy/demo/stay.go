package demo

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// Cookies know no ports: these names must not be those of another server on
// this machine.
const (
	stayCookie    = "pocket_auth0"
	browserCookie = "pocket_auth0_browser"
)

// stay is a browser signed in at the pocket Auth0 itself, what Auth0 calls the
// SSO session. Its cookie and its sid are two things: the sid travels in tokens.
type stay struct {
	sid    string
	person Person
	since  time.Time
}

// stayOf returns the stay of the request's cookie, and the cookie's value.
func (a *Auth0) stayOf(r *http.Request) (st stay, cookie string, ok bool) {
	c, err := r.Cookie(stayCookie)
	if err != nil {
		return st, "", false
	}
	st, ok = a.stays.get(c.Value)
	return st, c.Value, ok
}

// settle signs the browser in as p. A stay that was there before ends, so that
// the cookie is always one nobody could have known before.
func (a *Auth0) settle(w http.ResponseWriter, r *http.Request, p Person) stay {
	if _, cookie, ok := a.stayOf(r); ok {
		a.stays.drop(cookie)
	}
	st := stay{sid: rand.Text(), person: p, since: a.opts.Now()}
	c := a.cookie(stayCookie, a.stays.put(st))
	c.MaxAge = int(stayLife / time.Second)
	http.SetCookie(w, c)
	return st
}

// leave ends the browser's stay, if there is one.
func (a *Auth0) leave(w http.ResponseWriter, r *http.Request) {
	if _, cookie, ok := a.stayOf(r); ok {
		a.stays.drop(cookie)
	}
	c := a.cookie(stayCookie, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func (a *Auth0) cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(a.opts.Issuer, "https:"),
	}
}

package bench

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Header signs in once and gives the header that goes with everything sent as
// that person: t's own, with the session's cookies. Where nobody is to sign in
// it is t's. It opens the app's page, not its WebSocket.
func (s *SignIn) Header(ctx context.Context, t Target) (http.Header, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if !s.asked() {
		return t.Header, nil
	}
	t.URL = appURL(t.URL)
	n, err := newNetwork(&t, s)
	if err != nil {
		return nil, err
	}
	v := newVisitor(n)
	defer v.close()
	if _, err := v.signIn(ctx, s, s.Logins[0]); err != nil {
		return nil, err
	}
	h := t.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Cookie", v.cookies(n.homeCall("/").to, h.Values("Cookie")))
	return h, nil
}

// appURL is the app that a WebSocket's address belongs to.
func appURL(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	scheme = cmp.Or(map[string]string{"ws": "http", "wss": "https"}[scheme], scheme)
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "/__sockjs__/")
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, "/"), "/websocket")
	return scheme + "://" + strings.TrimSuffix(rest, "/") + "/"
}

// hostPortOf is where a URL's server listens.
func hostPortOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // who asks has parsed it before
	}
	port := "80"
	if u.Scheme == "https" || u.Scheme == "wss" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
}

//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// earlierID is the ID token of the first sign-in, for replay.
var earlierID atomic.Value

// tokens offers every fault as a bearer token and as the ID token of a
// sign-in.
func (w *assault) tokens(t *testing.T, startLiar func(testing.TB, string) *liar) {
	var hits atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		fmt.Fprintf(w, `{"keys":[%s,%s]}`, jwk("ours", evilRSA(), nil), jwk("mine", evilRSA(), nil))
	}))
	t.Cleanup(evil.Close)
	g := newSiege(t, w.bin)
	l := startLiar(t, g.origin)
	l.publish(publishedKeys()...)
	g.begin(l.trust(g.origin), "")

	faults := tokenFaults(evil.URL)
	if len(faults) < 120 {
		t.Errorf("%d faults, want at least 120: some are lost", len(faults))
	}
	g.admits(l, "before")
	g.shiny.take()
	var bearers, logins []tokenFault
	for _, f := range faults {
		if f.only != "login" {
			bearers = append(bearers, f)
		}
		if f.only != "bearer" {
			logins = append(logins, f)
		}
	}
	t.Logf("%d bearer tokens, %d sign-ins", len(bearers), len(logins))
	g.refusesBearers(l, bearers)
	g.refusesLogins(l, logins)
	if saw := g.shiny.take(); len(saw) > 0 {
		t.Errorf("Shiny saw %d requests of nobody's: %q", len(saw), saw[:min(len(saw), 5)])
	}
	if n := hits.Load(); n > 0 {
		t.Errorf("%d requests went where a token said", n)
	}
	g.admits(l, "after")
	if log := g.log.String(); strings.Contains(log, marked) {
		t.Error("the log shows what a token said")
	}
}

// admits checks that honest people are let in, or refusing would be no art.
func (g *siege) admits(l *liar, when string) {
	g.t.Helper()
	for name, token := range map[string]string{
		"RS256":       good(l.accessClaims()),
		"ES256":       compact(headOf("ES256", "ours-ec"), l.accessClaims(), ourEC()),
		"at+jwt":      compact(`{"alg":"RS256","kid":"ours","typ":"at+jwt"}`, l.accessClaims(), ourRSA()),
		"late clock":  good(changed(l.accessClaims(), map[string]any{"exp": time.Now().Unix() - 15})),
		"early clock": good(changed(l.accessClaims(), map[string]any{"iat": time.Now().Unix() + 15, "nbf": time.Now().Unix() + 15})),
	} {
		if res, body := g.bearer(token); res.StatusCode != http.StatusOK || body != "ok" {
			g.t.Errorf("%s: an honest bearer token (%s) gets %s", when, name, res.Status)
		}
	}
	l.lie(nil)
	b := g.guest()
	if res, page := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		g.t.Errorf("%s: an honest sign-in ends with %s\n%s", when, res.Status, page)
	}
	earlierID.CompareAndSwap(nil, l.trueID())
	l.lie(func(c map[string]any) string { return good(c) })
	b = g.guest()
	if res, page := b.open(l.callback(b)); res.StatusCode != http.StatusSeeOther {
		g.t.Errorf("%s: an honest sign-in with the other key ends with %s\n%s", when, res.Status, page)
	}
	if res, _ := b.open("/reports/"); res.StatusCode != http.StatusOK {
		g.t.Errorf("%s: signed in, and yet the app answers %s", when, res.Status)
	}
}

func (g *siege) bearer(token string) (*http.Response, string) {
	g.t.Helper()
	return g.guest().ask("GET", "/reports/", http.Header{"Authorization": {"Bearer " + token}}, "")
}

// refusesBearers asks for the app with each, several at a time: those of
// unknown keys wait for a fetch together.
func (g *siege) refusesBearers(l *liar, faults []tokenFault) {
	g.t.Helper()
	slots := make(chan struct{}, 16)
	var all sync.WaitGroup
	for _, f := range faults {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			token := f.forge(l, l.accessClaims())
			res, body := g.bearer(token)
			switch res.StatusCode {
			case http.StatusUnauthorized:
			case http.StatusRequestHeaderFieldsTooLarge: // it is not even read
			case http.StatusServiceUnavailable: // a key id nobody knows, while strangers may cause no fetch
				if res.Header.Get("Retry-After") == "" {
					g.t.Errorf("bearer, %s: answered 503 without Retry-After", f.name)
				}
			default:
				g.t.Errorf("bearer, %s: answered %s, want 401", f.name, res.Status)
			}
			g.tellsNothing("bearer, "+f.name, res, body, token)
		})
	}
	all.Wait()
}

// refusesLogins signs kim in with each, in one browser.
func (g *siege) refusesLogins(l *liar, faults []tokenFault) {
	g.t.Helper()
	b := g.guest()
	for _, f := range faults {
		token := ""
		l.lie(func(c map[string]any) string {
			token = f.forge(l, c)
			return token
		})
		res, page := b.open(l.callback(b))
		if token == "" {
			g.t.Fatalf("sign-in, %s: nobody asked for the token", f.name)
		}
		if s := res.StatusCode; s != 400 && s != 403 && s != 502 && s != 503 {
			g.t.Errorf("sign-in, %s: answered %s, want a page that says no", f.name, res.Status)
		}
		if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/html") {
			g.t.Errorf("sign-in, %s: answered as %q, want a page", f.name, ct)
		}
		for _, c := range res.Cookies() {
			if strings.Contains(c.Name, "fastproxy_session") {
				g.t.Errorf("sign-in, %s: sets %s", f.name, c.Name)
			}
		}
		g.tellsNothing("sign-in, "+f.name, res, page, token)
	}
	if res, _ := b.open("/.fastproxy/session"); res.StatusCode == http.StatusOK {
		g.t.Error("after all these the browser is signed in")
	}
	l.lie(nil)
}

// tellsNothing checks that an answer shows nothing of a token.
func (g *siege) tellsNothing(name string, res *http.Response, body, token string) {
	g.t.Helper()
	whole := fmt.Sprint(res.Header) + body
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 12 && strings.Contains(whole, part[:12]) {
			g.t.Errorf("%s: the answer shows a piece of the token", name)
			return
		}
	}
	if strings.Contains(whole, marked) || strings.Contains(whole, "jwks:") || strings.Contains(whole, "oidc:") {
		g.t.Errorf("%s: the answer shows what went wrong inside:\n%s", name, body)
	}
}

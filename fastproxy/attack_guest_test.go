//go:build linux

package fastproxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// guest is a browser without a screen: it keeps cookies, follows nothing, and
// sends what a browser sends when somebody opens a page.
type guest struct {
	t      testing.TB
	origin string
	http.Client
}

func (g *siege) guest() *guest { return newGuest(g.t, g.origin) }

func newGuest(t testing.TB, origin string) *guest {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{t: t, origin: origin, Client: http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialHere},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// dialHere knows the domain of the suite, as the suite's Chromium does.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if host, port, _ := net.SplitHostPort(address); strings.HasSuffix(host, ".attack.test") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return d.DialContext(ctx, network, address)
}

// navigation is what Chromium says with a page that somebody opens from a
// bookmark.
var navigation = http.Header{
	"Accept":         {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-User": {"?1"},
}

// with gives the header with others laid over it; "" takes one away.
func with(h http.Header, pairs ...string) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	for i := 0; i < len(pairs); i += 2 {
		if h[pairs[i]] = []string{pairs[i+1]}; pairs[i+1] == "" {
			delete(h, pairs[i])
		}
	}
	return h
}

// ask sends one request; the answer's body is read whole.
func (g *guest) ask(method, address string, header http.Header, body string) (*http.Response, string) {
	g.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = g.origin + address
	}
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := g.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res, string(b)
}

func (g *guest) open(address string) (*http.Response, string) {
	g.t.Helper()
	return g.ask("GET", address, navigation, "")
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// form opens the sign-in page and returns the token in its form.
func (g *guest) form() string {
	g.t.Helper()
	res, page := g.open("/login")
	m := tokenField.FindStringSubmatch(page)
	if m == nil {
		g.t.Fatalf("no form at /login: %s\n%s", res.Status, page)
	}
	return m[1]
}

// ownPost is what Chromium says with a form that one of our pages sends, and
// Origin beside it.
var ownPost = with(navigation, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded")

// signIn fills the form of the flat file.
func (g *guest) signIn(user, password string) (*http.Response, string) {
	g.t.Helper()
	fields := url.Values{"token": {g.form()}, "user": {user}, "password": {password}, "return_to": {"/reports/"}}
	return g.ask("POST", "/.fastproxy/password", ownPost, fields.Encode())
}

// cookies is what a Cookie header of this browser holds.
func (g *guest) cookies() string {
	u, err := url.Parse(g.origin)
	if err != nil {
		g.t.Fatal(err)
	}
	var pairs []string
	for _, c := range g.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

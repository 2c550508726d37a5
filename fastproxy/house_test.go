package fastproxy

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket" // a client that knows frames

	"fastproxy/fastproxy/demo"
)

// house is a whole neighbourhood on real sockets: a pocket Auth0, a Shiny that
// says what it was told, and the proxy between. People come to its origin,
// whatever the address behind.
type house struct {
	*testProxy
	t      testing.TB
	origin string
	auth0  *auth0
	env    map[string]string // to start another proxy in its place
	yaml   string
}

// plan says what a house is to be like. The zero value is one at
// https://apps.test that signs people in at Auth0.
type plan struct {
	origin string            // default https://apps.test
	env    map[string]string // above the usual
	yaml   string
	auth0  func(*demo.Auth0Options)
	absent bool // the issuer is not there yet
	noOIDC bool // the flat file alone, with tina in it
	adjust func(*Proxy)
}

func build(t testing.TB, pl plan) *house {
	t.Helper()
	h := &house{t: t, origin: pl.origin, env: map[string]string{"COOKIE_SECRET": "", "STATE_DIR": t.TempDir()}, yaml: pl.yaml}
	if h.origin == "" {
		h.origin = "https://apps.test"
	}
	h.env["SHINY_HOST"], h.env["SHINY_PORT"] = startEcho(t)
	_, h.env["SHINY_ADMIN_PORT"] = startEcho(t)
	h.env["PUBLIC_URL"] = h.origin
	if !pl.noOIDC {
		callback := h.origin + "/callback"
		if c := pl.env["AUTH0_CALLBACK_URL"]; c != "" {
			callback = c
		}
		h.auth0 = newAuth0(t, pl.auth0)
		if !pl.absent {
			h.auth0.open()
		}
		h.env["AUTH0_ISSUER_URL"], h.env["AUTH0_CLIENT_ID"], h.env["AUTH0_CLIENT_SECRET"] = h.auth0.issuer, "shiny", "a client secret"
		h.env["AUTH0_CALLBACK_URL"], h.env["AUTH0_GROUPS_CLAIM"] = callback, demo.DefaultGroupsClaim
	}
	for name, value := range pl.env {
		h.env[name] = value
	}
	h.start(pl.adjust)
	return h
}

func (h *house) start(adjust func(*Proxy)) {
	h.t.Helper()
	h.testProxy = startProxyWith(h.t, h.env, h.yaml, adjust)
}

// auth0 is a pocket Auth0 that may come late, leave, and lie.
type auth0 struct {
	*demo.Auth0
	t      testing.TB
	issuer string
	addr   string
	server *httptest.Server

	meddler atomic.Pointer[meddling]
}

// meddling may answer in place of the pocket Auth0, and says whether it did.
type meddling func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool

func (a *auth0) meddle(m meddling) { a.meddler.Store(&m) }

// usual is the Auth0 of most houses, one at a time: its key takes a while to
// make.
var usual struct {
	auth0 *demo.Auth0
	inUse bool
}

// newAuth0 returns an Auth0 where a house's application is known; with change,
// if not nil, one of its own.
func newAuth0(t testing.TB, change func(*demo.Auth0Options)) *auth0 {
	t.Helper()
	a := usual.auth0
	switch {
	case change != nil || usual.inUse:
		a = makeAuth0(t, change)
	case a == nil:
		a = makeAuth0(t, nil)
		usual.auth0 = a
		fallthrough
	default:
		usual.inUse = true
		t.Cleanup(func() { usual.inUse = false })
	}
	return &auth0{Auth0: a, t: t, issuer: a.Issuer(), addr: mustURL(a.Issuer()).Host}
}

// makeAuth0 makes one with an address of its own: in this part of the loopback
// nothing else takes ports.
func makeAuth0(t testing.TB, change func(*demo.Auth0Options)) *demo.Auth0 {
	t.Helper()
	l, err := net.Listen("tcp", "127.83.72.61:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return makeAuth0At(t, l.Addr().String(), change)
}

func makeAuth0At(t testing.TB, addr string, change func(*demo.Auth0Options)) *demo.Auth0 {
	t.Helper()
	o := demo.Auth0Options{Issuer: "http://" + addr + "/", ClientID: "shiny", ClientSecret: "a client secret",
		LogoutURLs: []string{"https://apps.test/callback", "http://apps.test/callback", "https://apps.test/bye", "https://elsewhere.test/bye"}}
	for _, path := range []string{"/callback", "/", "/reports/", "/reports/cb"} {
		o.Callbacks = append(o.Callbacks, "https://apps.test"+path, "http://apps.test"+path)
	}
	if change != nil {
		change(&o)
	}
	a, err := demo.NewAuth0(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *auth0) open() {
	a.t.Helper()
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		a.t.Fatal(err)
	}
	honest := a.Handler()
	a.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := a.meddler.Load(); m == nil || !(*m)(w, r, honest) {
			honest.ServeHTTP(w, r)
		}
	})}}
	a.server.Start()
	a.t.Cleanup(a.server.Close)
}

func (a *auth0) close() { a.server.Close() }

// record serves a request and keeps the answer.
func record(honest http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	honest.ServeHTTP(rec, r)
	return rec
}

// echo is what Shiny was asked.
type echo struct {
	Method, Target string
	Header         http.Header
}

// startEcho serves a Shiny that answers with what it was asked, as JSON, and
// listens to its WebSockets.
func startEcho(t testing.TB) (host, port string) {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
				base64.StdEncoding.EncodeToString(sum[:])+"\r\nX-Told: "+told(r.Header)+"\r\n\r\n")
			defer context.AfterFunc(ctx, func() { c.Close() })()
			io.Copy(io.Discard, rw)
			c.Close()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(echo{r.Method, r.RequestURI, r.Header})
	}))
	t.Cleanup(func() {
		leave()
		server.Close()
	})
	host, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return host, port
}

// told is what a handshake said of the visitor, as one line.
func told(h http.Header) string {
	b, err := json.Marshal(map[string][]string{"id": h.Values("X-Auth0-User-Id"), "groups": h.Values("X-Auth0-Groups"), "shiny": h.Values("Shiny-Server-Credentials")})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// browser is somebody's: it keeps cookies, and says of itself what browsers
// say. It comes to the house whatever host it asks for, but for the issuer's.
type browser struct {
	h      *house
	client *http.Client
	old    bool // sends no Sec-Fetch fields
	last   string
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	b := &browser{h: h}
	b.client = &http.Client{
		Jar: jar, Transport: townMap{h}, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

// townMap leads every host but the issuer's to the proxy, without TLS: that
// ends in front of it.
type townMap struct{ h *house }

func (m townMap) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	to := m.h.addr
	if m.h.auth0 != nil && r.URL.Host == m.h.auth0.addr {
		to = r.URL.Host
	} else {
		r.Host = r.URL.Host
		r.URL.Scheme = "http"
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", to)
	}}
	return t.RoundTrip(r)
}

// reply is one answer, read whole.
type reply struct {
	*http.Response
	body string
}

func (b *browser) do(method, to, body string, header ...string) reply {
	b.h.t.Helper()
	r, err := http.NewRequest(method, b.at(to), strings.NewReader(body))
	if err != nil {
		b.h.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return reply{resp, string(text)}
}

func (b *browser) at(to string) string {
	if strings.HasPrefix(to, "/") {
		return b.h.origin + to
	}
	return to
}

// visit opens a page in a tab, one step: it follows no redirect. The address
// was typed, unless more header fields say otherwise.
func (b *browser) visit(to string, header ...string) reply {
	b.h.t.Helper()
	all := []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}
	if !b.old {
		all = append(all, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Sec-Fetch-User", "?1")
	}
	a := b.do("GET", to, "", append(all, header...)...)
	b.last = b.at(to)
	return a
}

// fetch asks as a script on a page of ours does.
func (b *browser) fetch(to string, header ...string) reply {
	b.h.t.Helper()
	return b.do("GET", to, "", append([]string{"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}, header...)...)
}

// post sends a form as a page of that origin does.
func (b *browser) post(to string, form url.Values, header ...string) reply {
	b.h.t.Helper()
	all := []string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded", "Origin", b.h.origin}
	if !b.old {
		all = append(all, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin")
	}
	a := b.do("POST", to, form.Encode(), append(all, header...)...)
	b.last = b.at(to)
	return a
}

// follow goes where an answer leads, at most ten steps, until it leads nowhere.
func (b *browser) follow(a reply) reply {
	b.h.t.Helper()
	for range 10 {
		to := a.Header.Get("Location")
		if to == "" || a.StatusCode/100 != 3 {
			return a
		}
		from, err := url.Parse(b.last)
		if err != nil {
			b.h.t.Fatal(err)
		}
		next, err := from.Parse(to)
		if err != nil {
			b.h.t.Fatal(err)
		}
		site := "same-origin"
		if next.Host != from.Host {
			site = "cross-site"
		}
		to = next.String()
		if b.old {
			a = b.visit(to)
		} else {
			a = b.visit(to, "Sec-Fetch-Site", site)
		}
	}
	b.h.t.Fatalf("a loop: still redirected, last to %s", a.Header.Get("Location"))
	return a
}

var (
	loginState = regexp.MustCompile(`name="state" value="([^"]+)"`)
	formToken  = regexp.MustCompile(`name="token" value="([^"]+)"`)
)

// choose answers the pocket Auth0's page, one step.
func (b *browser) choose(page reply, person string) reply {
	b.h.t.Helper()
	m := loginState.FindStringSubmatch(page.body)
	if m == nil {
		b.h.t.Fatalf("no login page of the issuer's but %d %s: %.400s", page.StatusCode, page.Request.URL, page.body)
	}
	form := url.Values{"state": {m[1]}, "person": {person}}
	if person == "" {
		form = url.Values{"state": {m[1]}, "cancel": {"1"}}
	}
	return b.post(b.h.auth0.issuer+"u/login", form, "Origin", strings.TrimSuffix(b.h.auth0.issuer, "/"))
}

// signIn opens a page as a stranger and signs in; the answer is that page's.
func (b *browser) signIn(to, person string) reply {
	b.h.t.Helper()
	return b.follow(b.choose(b.follow(b.visit(to)), person))
}

// password opens a page as a stranger and fills the form; the answer is the
// form's own, or the page's.
func (b *browser) password(to, user, password string) reply {
	b.h.t.Helper()
	return b.follow(b.fill(b.follow(b.visit(to)), user, password))
}

var returnTo = regexp.MustCompile(`name="return_to" value="([^"]*)"`)

func (b *browser) fill(page reply, user, password string, header ...string) reply {
	b.h.t.Helper()
	token, back := formToken.FindStringSubmatch(page.body), returnTo.FindStringSubmatch(page.body)
	if token == nil || back == nil {
		b.h.t.Fatalf("no form: %d %.300s", page.StatusCode, page.body)
	}
	form := url.Values{"token": {token[1]}, "return_to": {unescapeHTML(back[1])}, "user": {user}, "password": {password}}
	return b.post("/.fastproxy/password", form, header...)
}

func unescapeHTML(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+").Replace(s)
}

// cookies lists what the browser would send to the house, by name.
func (b *browser) cookies() map[string]string {
	u, err := url.Parse(b.h.origin + "/")
	if err != nil {
		b.h.t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		all[c.Name] = c.Value
	}
	return all
}

// put gives the browser a cookie, or takes it away when value is "".
func (b *browser) put(name, value string) {
	u, err := url.Parse(b.h.origin + "/")
	if err != nil {
		b.h.t.Fatal(err)
	}
	c := &http.Cookie{Name: name, Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{c})
}

// cookieHeader is all of them as a header's value: a copy in a thief's hands.
func (b *browser) cookieHeader() string {
	var pairs []string
	for name, value := range b.cookies() {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "; ")
}

// states lists the names of the attempts that a browser holds.
func (b *browser) states() (names []string) {
	for name := range b.cookies() {
		if strings.Contains(name, "fastproxy_state_") {
			names = append(names, name)
		}
	}
	return names
}

// told is what Shiny was asked, out of its answer.
func (a reply) told(t testing.TB) echo {
	t.Helper()
	var e echo
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.StatusCode != 200 {
		t.Fatalf("not Shiny's answer: %d %s: %.300s", a.StatusCode, a.Request.URL, a.body)
	}
	return e
}

// want fails unless the answer has this status and these words in its page.
func (a reply) want(t testing.TB, status int, words ...string) reply {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d: %.600s", a.Request.Method, a.Request.URL, a.Status, status, mainOf(a.body))
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("%s %s: found no %q in: %.1200s", a.Request.Method, a.Request.URL, w, mainOf(a.body))
		}
	}
	return a
}

func mainOf(page string) string {
	if i := strings.Index(page, "<main"); i >= 0 {
		return page[i:]
	}
	return page
}

// location is where an answer leads; the status must be one of a redirect.
func (a reply) location(t testing.TB) string {
	t.Helper()
	if a.StatusCode/100 != 3 || a.Header.Get("Location") == "" {
		t.Fatalf("%s %s: %s, want a redirect: %.600s", a.Request.Method, a.Request.URL, a.Status, mainOf(a.body))
	}
	return a.Header.Get("Location")
}

// await waits for what another goroutine is about to do.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// records returns the lines of the log so far, or those with these fields.
func (p *testProxy) records(t testing.TB, pairs ...string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			continue // a line on its way
		}
		match := true
		for i := 0; i+1 < len(pairs); i += 2 {
			match = match && m[pairs[i]] == pairs[i+1]
		}
		if match {
			found = append(found, m)
		}
	}
	return found
}

// awaitRecord waits for a line with these fields.
func (p *testProxy) awaitRecord(t testing.TB, pairs ...string) map[string]any {
	t.Helper()
	var found []map[string]any
	await(t, "a record with "+strings.Join(pairs, " "), func() bool {
		found = p.records(t, pairs...)
		return len(found) > 0
	})
	return found[0]
}

// tunnel opens a WebSocket to Shiny with a browser's cookies, and says
// something.
func (b *browser) tunnel(path string) *websocket.Conn {
	b.h.t.Helper()
	c, resp := b.handshake(path)
	if c == nil {
		b.h.t.Fatalf("no tunnel: %s", resp.Status)
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		b.h.t.Fatal(err)
	}
	return c
}

// handshake tries to open a WebSocket; without one there is an answer.
func (b *browser) handshake(path string, header ...string) (*websocket.Conn, *http.Response) {
	b.h.t.Helper()
	all := http.Header{"Origin": {b.h.origin}, "Host": {mustURL(b.h.origin).Host}}
	if c := b.cookieHeader(); c != "" {
		all.Set("Cookie", c)
	}
	for i := 0; i+1 < len(header); i += 2 {
		all[header[i]] = []string{header[i+1]} // as it is written
	}
	d := websocket.Dialer{HandshakeTimeout: 20 * time.Second}
	c, resp, err := d.Dial("ws://"+b.h.addr+path, all)
	if err != nil && resp == nil {
		b.h.t.Fatal(err)
	}
	if err == nil {
		b.h.t.Cleanup(func() { c.Close() })
		return c, resp
	}
	return nil, resp
}

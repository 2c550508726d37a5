package fastproxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// markCookies marks the values of the browser's cookies of ours.
func (c *canaries) markCookies(b *browser) {
	for name, value := range b.cookies() {
		for part, mark := range map[string]string{"fastproxy_session": "session cookie", "fastproxy_state_": "state cookie", "fastproxy_form": "form cookie"} {
			if strings.Contains(name, part) && c.marks[mark] == "" {
				c.mark(mark, value)
			}
		}
	}
}

var inCode = regexp.MustCompile(`[?&]code=([^&]+)`)

func (c *canaries) signsInAtAuth0(t *testing.T, h *house) {
	b := h.browser()
	query := "?q=" + c.marks["query"]
	c.seen(b.visit("/reports/app/" + query))
	page := c.seen(b.follow(b.visit("/login?with=issuer&return_to=/reports/app/" + url.QueryEscape(query))))
	c.markCookies(b)
	back := b.choose(page, "kim")
	for strings.HasPrefix(back.location(t), h.auth0.issuer) || strings.HasPrefix(back.location(t), "/") {
		back = b.visit(back.location(t)) // on the issuer's own pages
	}
	callback := back.location(t)
	c.mark("code", inCode.FindStringSubmatch(callback)[1])
	a := c.seen(b.visit(callback, "Sec-Fetch-Site", "cross-site"))
	c.markCookies(b)
	c.seen(b.follow(a)).want(t, 200)
	c.seen(b.visit(callback, "Sec-Fetch-Site", "cross-site")) // once more: a stale state, with a session
	for _, path := range []string{
		"/reports/app/session/" + shinyToken + "/download/d" + query, "/reports/app/__sockjs__/n=" + c.marks["robust id"] + "/info" + query, "/reports/app/__sockjs__/n=" + c.marks["robust id"] + "/000/abcdefgh/xhr" + query,
		"/reports/garbage" + query, "/admin/" + query, "/nothing/" + query, "/reports/x/%2e%2e/" + query, "/.fastproxy/session" + query, "/.fastproxy/nothing" + query, "/reports" + query, "/" + query, "/logout" + query,
	} {
		c.seen(b.visit(path, "Sec-Fetch-Site", "cross-site", "Authorization", "Basic "+c.marks["Basic credentials"], "Referer", "https://apps.test/"+query))
		c.seen(b.fetch(path, "Cookie", "other="+c.marks["another's cookie"], "Authorization", "Basic "+c.marks["Basic credentials"]))
	}
	c.tunnel(t, h, b.cookieHeader())
	copied := b.cookieHeader()
	c.seen(b.visit("/logout" + query))
	c.pour("pages", h.roundTrip(t, "GET /reports/app/ HTTP/1.1\r\nHost: apps.test\r\nCookie: "+copied+"\r\nConnection: close\r\n\r\n"))
}

// tunnel opens a WebSocket and leaves it.
func (c *canaries) tunnel(t *testing.T, h *house, cookie string) {
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /reports/app/websocket/?q=%s HTTP/1.1\r\nHost: apps.test\r\nOrigin: https://apps.test\r\nCookie: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n", c.marks["query"], cookie)
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
}

func (c *canaries) signInGoesWrong(t *testing.T, h *house) {
	for name, lie := range map[string]meddling{
		"a token that is none": func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.URL.Path == "/oauth/token" {
				fmt.Fprintf(w, `{"id_token":%q,"access_token":%q,"token_type":"Bearer"}`, c.mark("bad ID token", "canary-id.token-none.x"), c.mark("token beside it", "canary-access-token-2"))
			}
			return r.URL.Path == "/oauth/token"
		},
		"no JSON": func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.URL.Path == "/oauth/token" {
				w.WriteHeader(500)
				io.WriteString(w, "access_token="+c.mark("token in an error", "canary-access-token-3"))
			}
			return r.URL.Path == "/oauth/token"
		},
		"an error": func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.URL.Path == "/oauth/token" {
				w.WriteHeader(403)
				fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"bad code","access_token":%q}`, c.mark("token beside an error", "canary-access-token-4"))
			}
			return r.URL.Path == "/oauth/token"
		},
	} {
		b := h.browser()
		page := b.follow(b.visit("/login?with=issuer&return_to=/reports/"))
		h.auth0.meddle(lie)
		a := c.seen(b.follow(b.choose(page, "sam")))
		if a.StatusCode < 400 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
		h.auth0.meddle(c.overhear)
	}
	b := h.browser()
	c.seen(b.follow(b.visit("/callback?state=unknownstate&code="+c.mark("code of nobody", "canary-code-of-nobody"), "Sec-Fetch-Site", "cross-site")))
	page := b.follow(b.visit("/login?with=issuer"))
	c.markCookies(b)
	c.seen(b.follow(b.choose(page, "")))                                   // cancelled
	c.seen(b.fetch("/callback?state=x&code=" + c.marks["code of nobody"])) // no navigation
}

func (c *canaries) signsInWithPassword(t *testing.T, h *house) {
	b := h.browser()
	page := c.seen(b.follow(b.visit("/reports/?q=" + c.marks["query"])))
	c.markCookies(b)
	c.seen(b.fill(page, "kim", c.mark("wrong password", "canary-wrong-password")))
	c.seen(b.fill(page, c.mark("password typed as a name", "canary-typed-as-name", "pages"), "canary-wrong-password"))
	c.seen(b.post("/.fastproxy/password", url.Values{"user": {"kim"}, "password": {c.marks["password"]}, "token": {"forged"}}))
	c.seen(b.post("/.fastproxy/password", url.Values{"user": {"kim"}, "password": {c.marks["password"] + strings.Repeat("x", 20000)}}))
	c.seen(b.do("PUT", "/.fastproxy/password", "password="+c.marks["password"]))
	other := h.browser() // the first one has to wait by now
	c.seen(other.fill(other.follow(other.visit("/reports/")), "kim", c.marks["password"]))
	c.seen(other.fetch("/reports/app/?q=" + c.marks["query"]))
	for name, value := range other.cookies() {
		if strings.Contains(name, "fastproxy_session") {
			c.mark("session cookie of kim", value)
		}
	}
	c.seen(other.post("/logout", url.Values{"token": {"forged"}}))
}

func (c *canaries) bearers(h *house) {
	resp, err := http.PostForm(h.auth0.issuer+"oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"shiny"}, "client_secret": {c.marks["client secret"]}, "audience": {"https://api.test"}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var v struct {
		Token string `json:"access_token"`
	}
	json.NewDecoder(resp.Body).Decode(&v)
	http.DefaultClient.CloseIdleConnections()
	token := c.mark("bearer token", v.Token)
	b := h.browser()
	for _, header := range []string{"Bearer " + token, "bearer  " + token, "Bearer\t" + token, "Bearer " + token + "x", "Bearer x" + token, "Bearer " + strings.ToUpper(token), "Bearer " + token[:len(token)/2]} {
		c.seen(b.fetch("/admin/api/?q="+c.marks["query"], "Authorization", header))
		c.seen(b.visit("/reports/api/", "Authorization", header))
	}
	c.seen(b.fetch("/admin/api/", "Authorization", "Bearer "+token)).want(c.t, 200)
	c.pour("pages", h.roundTrip(c.t, "GET /reports/ HTTP/1.1\r\nHost: apps.test\r\nAuthorization: Bearer "+token+"\r\nAuthorization: Basic x\r\nConnection: close\r\n\r\n"))
}

// refusedHeads sends heads that are refused at every step, with credentials.
func (c *canaries) refusedHeads(h *house) {
	with := "Host: apps.test\r\nCookie: __Host-fastproxy_session=" + c.marks["session cookie"] + "\r\nAuthorization: Bearer " + c.marks["bearer token"] + "\r\n"
	for _, raw := range []string{
		"POST /reports/?q=" + c.marks["query"] + " HTTP/1.1\r\n" + with + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /reports/ HTTP/1.1\r\n" + with + "bad header " + c.marks["password"] + "\r\n\r\n",
		"GET /reports/ HTTP/1.1\n" + with + "\r\n",
		"GET /reports/" + c.marks["bearer token"] + " HTTP/3\r\n" + with + "\r\n",
		"GET http://" + c.marks["bearer token"] + "@apps.test/ HTTP/1.1\r\n" + with + "\r\n",
		"GET /reports/ HTTP/1.1\r\n" + with + "X: " + strings.Repeat(c.marks["password"], 1000) + "\r\n\r\n",
		"GET /reports/ HTTP/1.1\r\n" + with + "Expect: " + c.marks["password"] + "\r\n\r\n",
		"POST /reports/ HTTP/1.1\r\nHost: apps.test\r\nAuthorization: Bearer " + c.marks["bearer token"] + "\r\nTransfer-Encoding: chunked\r\n\r\n" + c.marks["password"] + "\r\n",
	} {
		c.pour("pages", h.roundTrip(c.t, raw))
	}
}

// panics makes requests meet a fault of ours.
func (c *canaries) panics(t *testing.T, h *house) {
	whole := h.current.Load()
	broken := *whole
	broken.gate = nil
	h.current.Store(&broken)
	defer h.current.Store(whole)
	b := h.browser()
	c.seen(b.visit("/reports/?q="+c.marks["query"], "Cookie", "__Host-fastproxy_session="+c.marks["session cookie"])).want(t, 500)
	c.seen(b.fetch("/reports/?q="+c.marks["query"], "Authorization", "Bearer "+c.marks["bearer token"])).want(t, 500)
}

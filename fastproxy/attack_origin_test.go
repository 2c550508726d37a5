//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// socketAsk is one of the requests by which a page reaches an R session.
type socketAsk struct {
	name, method, path string
	upgrade            bool
	refused            bool // whoever asks
}

const sockjs = "/reports/app/__sockjs__/n=0123456789abcdef/"

var socketAsks = []socketAsk{
	{name: "plain websocket", method: "GET", path: "/reports/websocket/", upgrade: true},
	{name: "plain websocket, anywhere", method: "GET", path: "/reports/app/", upgrade: true},
	{name: "sockjs websocket", method: "GET", path: sockjs + "000/abcdefgh/websocket", upgrade: true},
	{name: "sockjs raw websocket", method: "GET", path: "/reports/app/__sockjs__/websocket", upgrade: true},
	{name: "info", method: "GET", path: "/reports/app/__sockjs__/info"},
	{name: "info, asked before", method: "OPTIONS", path: "/reports/app/__sockjs__/info"},
	{name: "xhr", method: "POST", path: sockjs + "000/abcdefgh/xhr"},
	{name: "xhr, asked before", method: "OPTIONS", path: sockjs + "000/abcdefgh/xhr"},
	{name: "xhr_streaming", method: "POST", path: sockjs + "000/abcdefgh/xhr_streaming"},
	{name: "xhr_send", method: "POST", path: sockjs + "000/abcdefgh/xhr_send"},
	{name: "xhr_send, asked before", method: "OPTIONS", path: sockjs + "000/abcdefgh/xhr_send"},
	{name: "eventsource", method: "GET", path: sockjs + "000/abcdefgh/eventsource"},
	{name: "iframe", method: "GET", path: "/reports/app/__sockjs__/iframe.html"},
	{name: "htmlfile", method: "GET", path: sockjs + "000/abcdefgh/htmlfile?c=x", refused: true},
	{name: "jsonp", method: "GET", path: sockjs + "000/abcdefgh/jsonp?c=x", refused: true},
	{name: "jsonp_send", method: "POST", path: sockjs + "000/abcdefgh/jsonp_send", refused: true},
	{name: "upload", method: "POST", path: "/reports/session/0123456789abcdef0123456789abcdef/upload/x"},
	{name: "dataobj", method: "POST", path: "/reports/session/0123456789abcdef0123456789abcdef/dataobj/x"},
	{name: "an app's own POST", method: "POST", path: "/reports/app/"},
	{name: "an app's own PUT", method: "PUT", path: "/reports/app/"},
	{name: "an app's own DELETE", method: "DELETE", path: "/reports/app/"},
}

func (a *socketAsk) request(g *siege, cookie string, lines ...string) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n", a.method, a.path, g.host(), cookie)
	if a.upgrade {
		head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	} else {
		head += "Connection: close\r\n"
	}
	if a.method == "OPTIONS" {
		head += "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
	}
	for _, l := range lines {
		head += l + "\r\n"
	}
	if a.method == "POST" || a.method == "PUT" {
		return head + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]"
	}
	return head + "\r\n"
}

// origins has another site's page reach an R session with the visitor's
// cookie, by every road there is, while Shiny behind lets any Origin in, as
// Shiny Server does.
func (w *assault) origins(t *testing.T) {
	for _, sameSite := range []string{"lax", "none"} {
		g := newSiege(t, w.bin)
		g.shiny.answer = func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			rw.Header().Set("Access-Control-Allow-Credentials", "true")
			fmt.Fprint(rw, "ok")
		}
		more := settings{"COOKIE_SAMESITE": sameSite}
		if sameSite == "none" {
			more["PUBLIC_URL"] = strings.Replace(g.origin, "http:", "https:", 1)
		}
		g.begin(more, "")
		g.attackOrigins(more["PUBLIC_URL"])
	}
}

func (g *siege) attackOrigins(public string) {
	t := g.t
	cookie, ours := "", g.origin
	if public != "" {
		ours, cookie = public, g.securely("kim", kimPassword)
	} else {
		cookie = g.signedIn("kim", kimPassword).cookies()
	}
	tried := 0
	for _, a := range socketAsks {
		g.shiny.take()
		origins := append(foreignOrigins(g.origin), "http://xn--lclhost-9wa", "http://localhost\\@evil.example")
		if public != "" {
			origins = foreignOrigins(public)
		}
		for _, o := range origins {
			for _, lines := range [][]string{{"Origin: " + o}, {"Origin: " + ours, "Origin: " + o}, {"Origin: " + o, "Origin: " + ours}, {"origin:" + o, "Referer: " + ours + "/reports/"}} {
				tried++
				res, body := g.raw(a.request(g, cookie, lines...))
				if strings.ContainsAny(o, "\x7f") && res != nil && res.StatusCode == 400 {
					continue // the head itself is refused
				}
				if res == nil || res.StatusCode != http.StatusForbidden {
					t.Errorf("%s, %q: answered %v %.40q, want 403", a.name, lines, res, body)
					continue
				}
				if allowed := res.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
					t.Errorf("%s, %q: allows %q", a.name, lines, allowed)
				}
			}
		}
		if saw := g.shiny.take(); len(saw) > 0 {
			t.Errorf("%s: Shiny saw %d requests of another site", a.name, len(saw))
		}
		want := http.StatusOK
		if a.refused {
			want = http.StatusForbidden
		}
		for _, lines := range [][]string{{"Origin: " + ours}, {}} {
			if res, body := g.raw(a.request(g, cookie, lines...)); res == nil || res.StatusCode != want {
				t.Errorf("%s, %q: answered %v %.80q, want %d", a.name, lines, res, body, want)
			}
		}
		// Without a session nothing of it reaches Shiny, whoever asks.
		g.shiny.take()
		if res, _ := g.raw(a.request(g, "", "Origin: "+ours)); res == nil || res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" {
			t.Errorf("%s without a session: answered %v, want 401", a.name, res)
		}
		if saw := g.shiny.take(); len(saw) > 0 {
			t.Errorf("%s without a session: Shiny saw %q", a.name, saw)
		}
	}
	t.Logf("%d requests of other sites", tried)
}

// securely signs in where PUBLIC_URL is https and returns the cookies.
func (g *siege) securely(user, password string) string {
	g.t.Helper()
	ask := func(method, path, cookie, body string) (*http.Response, string) {
		return g.raw(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s",
			method, path, g.host(), cookie, len(body), body))
	}
	res, page := ask("GET", "/login", "", "")
	form := res.Cookies()[0]
	res, _ = ask("POST", "/.fastproxy/password", form.Name+"="+form.Value, "token="+tokenField.FindStringSubmatch(page)[1]+"&user="+user+"&password="+strings.ReplaceAll(password, " ", "+"))
	for _, c := range res.Cookies() {
		if c.Name == "__Host-fastproxy_session" {
			return c.Name + "=" + c.Value
		}
	}
	g.t.Fatalf("signing in ends with %s", res.Status)
	return ""
}

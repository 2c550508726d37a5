package fastproxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"fastproxy/fastproxy/demo"
	"fastproxy/fastproxy/identity"
)

// startPocketShiny runs demo's stand-in for Shiny Server: an app at /, one at
// /sockjs/, and a multiplex layer that opens either from either.
func startPocketShiny(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := demo.NewShiny(demo.ShinyOptions{})
	srv := &http.Server{Handler: s.Handler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		s.Close()
		<-done
	})
	return l.Addr().String()
}

// oneServerTwoRules puts two mounts with different rules in front of one
// Shiny Server: /apps/ for everybody, /root/ for Admin.
func oneServerTwoRules(t testing.TB) *testProxy {
	shiny := startPocketShiny(t)
	return startProxy(t, map[string]string{"PUBLIC_URL": "http://shiny.example.org"}, fmt.Sprintf(`
mounts:
  - path: /apps/
    upstream: [http://%s]
    upstream_path: /sockjs/
    allow: signed_in
  - path: /root/
    upstream: [http://%s]
    allow: {groups: [Admin]}
`, shiny, shiny))
}

// openSocket connects a SockJS WebSocket through the proxy.
func openSocket(t testing.TB, p *testProxy, path, cookie string) (*websocket.Conn, int) {
	t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	}}
	c, resp, err := d.Dial("ws://shiny.example.org"+path, http.Header{"Cookie": {cookie}, "Origin": {"http://shiny.example.org"}})
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c, 101
}

// said reads messages until one holds a text, or the connection ends.
func said(c *websocket.Conn, text string) (all string, found bool) {
	for {
		_, b, err := c.ReadMessage()
		all += string(b) + "\n"
		if strings.Contains(string(b), text) {
			return all, true
		}
		if err != nil {
			return all + err.Error(), false
		}
	}
}

func TestASocketOpensOnlyAppsOfItsVisitor(t *testing.T) {
	p := oneServerTwoRules(t)
	tina := p.tina(t)
	admin := p.cookieFor(t, identity.FromPasswd("tina", []string{"Admin"}))
	for i, c := range []struct {
		name, cookie, frames string
		opened               bool
	}{
		{"own app", tina, `["0#0|o|"]`, true},
		{"app of another rule", tina, `["0#0|o|../"]`, false},
		{"after its own", tina, "[\"0#0|o|\"]\x00[\"1#1|o|../\"]", false},
		{"in one frame with its own", tina, `["0#0|o|","1#1|o|../"]`, false},
		{"escaped JSON", tina, `["0#0\u007co|..\/"]`, false},
		{"nested", tina, `[["0#0|o|../"]]`, false},
		{"hidden dots", tina, `["0#0|o|%2e%2e/"]`, false},
		{"query hides it", tina, `["0#0|o|x?/../../"]`, false},
		{"Admin may", admin, `["0#0|o|../"]`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, status := openSocket(t, p, fmt.Sprintf("/apps/__sockjs__/n=robust%012d/000/abc%05d/websocket", i, i), c.cookie)
			if status != 101 {
				t.Fatalf("status %d, want 101", status)
			}
			for _, f := range strings.Split(c.frames, "\x00") {
				if err := ws.WriteMessage(websocket.TextMessage, []byte(f)); err != nil {
					t.Fatal(err)
				}
			}
			if c.opened {
				if all, ok := said(ws, "config"); !ok {
					t.Fatalf("no session was opened; found %s", all)
				}
				return
			}
			all, refused := said(ws, "c[4500")
			if !refused {
				t.Fatalf("found %s, want c[4500", all)
			}
			p.awaitRecord(t, "event.dataset", "fastproxy.audit", "event.reason", "app_not_admitted")
		})
	}
}

func TestASendIsJudgedLikeASocket(t *testing.T) {
	p := oneServerTwoRules(t)
	for body, want := range map[string]int{`["0#0|o|"]`: 204, `["0#0|o|../"]`: 403, `[["0#0|o|../"]]`: 403, `["0#0|m|x`: 403} {
		path := fmt.Sprintf("/apps/__sockjs__/n=send%08d/000/send%04d", want*100+len(body), len(body))
		stream, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		stream.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(stream, "POST %s/xhr_streaming HTTP/1.1\r\nHost: shiny.example.org\r\nCookie: %s\r\nContent-Length: 0\r\n\r\n", path, p.tina(t))
		r := bufio.NewReader(stream)
		for { // the prelude has passed when the open frame is here
			l, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(l) == "o" {
				break
			}
		}
		answer := p.roundTrip(t, fmt.Sprintf("POST %s/xhr_send HTTP/1.1\r\nHost: shiny.example.org\r\nCookie: %s\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
			path, p.tina(t), len(body), body))
		if !strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("%s: found %.60q, want %d", body, answer, want)
		}
		if want != 403 {
			continue
		}
		for {
			l, err := r.ReadString('\n')
			if strings.HasPrefix(l, "c[4500") {
				break
			}
			if err != nil {
				t.Errorf("%s: the stream ended (%v) without c[4500", body, err)
				break
			}
		}
	}
}

func TestARobustIDIsItsOwnersAlone(t *testing.T) {
	p := oneServerTwoRules(t)
	p.sockets.began = time.Now().Add(-time.Hour)
	tina, other := p.tina(t), p.cookieFor(t, identity.FromPasswd("tina", []string{"x"}))
	_ = other
	const id = "abcdefgh0123456789"
	if _, status := openSocket(t, p, "/apps/__sockjs__/o="+id+"/000/aaaaaaaa/websocket", tina); status != 403 {
		t.Errorf("an id that nobody opened: found %d, want 403", status)
	}
	ws, status := openSocket(t, p, "/apps/__sockjs__/n="+id+"/000/bbbbbbbb/websocket", tina)
	if status != 101 {
		t.Fatalf("opening: found %d, want 101", status)
	}
	sam := p.cookieFor(t, identity.Principal{Method: identity.MethodPasswd, Subject: "tina", Issuer: "x"})
	for _, path := range []string{"o=" + id + "/000/cccccccc", "n=" + id + "/000/dddddddd", "n=otherid/000/bbbbbbbb", "n=own1/o=" + id + "/000/eeeeeeee"} {
		if _, status := openSocket(t, p, "/apps/__sockjs__/"+path+"/websocket", sam); status != 403 {
			t.Errorf("somebody else at %s: found %d, want 403", path, status)
		}
	}
	ws.Close()
	if _, status := openSocket(t, p, "/apps/__sockjs__/o="+id+"/000/ffffffff/websocket", tina); status != 101 {
		t.Errorf("its owner comes back: found %d, want 101", status)
	}
}

func TestTransportsThatAnySiteCanReadAreRefused(t *testing.T) {
	p := oneServerTwoRules(t)
	for _, tail := range []string{
		"n=abc/000/xyz/jsonp?c=x", "n=abc/000/xyz/htmlfile?c=x", "n=abc/000/xyz/jsonp_send", "000/xyz/jsonp?c=x",
		"n=abc/t=/jsonp?c=x", "n=abc/t=x/htmlfile?c=x", "t=a/w=b/jsonp/?c=x", "n=abc/t=a/w=b/jsonp_send", // a server and a session to Shiny Server's routes; served until the commit that brought these
	} {
		answer := p.roundTrip(t, "GET /apps/__sockjs__/"+tail+" HTTP/1.1\r\nHost: shiny.example.org\r\nConnection: close\r\nCookie: "+p.tina(t)+"\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 403") {
			t.Errorf("%s: found %.40q, want 403", tail, answer)
		}
	}
}

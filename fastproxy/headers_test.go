package fastproxy

import (
	"net/netip"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/shiny"
	"fastproxy/fastproxy/upstream"
)

// testRoute is a route from a mount to a path of http://shiny:3838.
func testRoute(t testing.TB, mount, path string) *route {
	t.Helper()
	b, err := upstream.Parse("http://shiny:3838")
	if err != nil {
		t.Fatal(err)
	}
	return &route{mountPath: mount, upstreamPath: path, backend: b}
}

func TestALocationMovesToTheMount(t *testing.T) {
	for _, c := range []struct{ mount, path, location, want string }{
		// Absolute paths are Shiny's own.
		{"/reports/", "/", "/app/", "/reports/app/"},
		{"/reports/", "/", "/", "/reports/"},
		{"/reports/", "/", "/?a=/b", "/reports/?a=/b"},
		{"/reports/", "/", "/reports2/x", "/reports/reports2/x"},
		{"/reports/", "/", `/\evil.example/`, `/reports/\evil.example/`},
		{"/reports/f/", "/finance/", "/finance/x?y#z", "/reports/f/x?y#z"},
		{"/reports/f/", "/finance/", "/finance", "/reports/f"},
		{"/reports/f/", "/finance/", "/finance?x", "/reports/f?x"},
		{"/%C3%9Cber%20uns/", "/", "/app/", "/%C3%9Cber%20uns/app/"},
		{"/", "/finance/", "/finance/x", "/x"},
		{"/", "/finance/", "/finance", "/"},
		{"/", "/finance/", "/finance?x", "/?x"},
		{"/", "/finance/", "/finance//evil.example/", "/finance//evil.example/"}, // not another host
		{"/", "/finance/", `/finance/\evil.example/`, `/finance/\evil.example/`},
		{"/", "/", `http://shiny:3838/\evil.example/`, `http://shiny:3838/\evil.example/`},
		{"/a/", "/a/b/", "/a/b/x", "/a/x"}, // the deeper of the two
		{"/a/b/", "/a/", "/a/b/x", "/a/b/x"},
		// Under the mount already: an app that knows where it is.
		{"/reports/", "/", "/reports/x", "/reports/x"},
		{"/reports/", "/", "/reports", "/reports"},
		{"/reports/", "/", "/reports?x", "/reports?x"},
		{"/", "/", "/x", "/x"},
		// Not of what the mount serves.
		{"/reports/f/", "/finance/", "/finance2/", "/finance2/"},
		{"/reports/f/", "/finance/", "/", "/"},
		// The backend's own host, and the Host it was sent.
		{"/reports/", "/", "http://shiny:3838/app/", "/reports/app/"},
		{"/reports/", "/", "HTTP://Shiny:3838/app/", "/reports/app/"},
		{"/reports/", "/", "http://shiny:3838", "/reports/"},
		{"/reports/", "/", "http://shiny:3838?x", "/reports/?x"},
		{"/reports/", "/", "http://public.example/app/", "/reports/app/"},
		{"/reports/", "/", "http://public.example/reports/app/", "/reports/app/"},
		{"/reports/f/", "/finance/", "http://shiny:3838/other", "http://shiny:3838/other"},
		{"/reports/", "/", "http://shiny:3838//evil.example/", "http://shiny:3838//evil.example/"},
		// Elsewhere, or relative: as it is.
		{"/reports/", "/", "http://shiny/app/", "http://shiny/app/"},
		{"/reports/", "/", "http://shiny:38380/app/", "http://shiny:38380/app/"},
		{"/reports/", "/", "http://other.example/app/", "http://other.example/app/"},
		{"/reports/", "/", "http://public.example.org/", "http://public.example.org/"},
		{"/reports/", "/", "http://public.example@other.example/", "http://public.example@other.example/"},
		{"/reports/", "/", "https://public.example/app/", "https://public.example/app/"},
		{"/reports/", "/", "//other.example/", "//other.example/"},
		{"/reports/", "/", "///x", "///x"},
		{"/reports/", "/", "app/", "app/"},
		{"/reports/", "/", "../app/", "../app/"},
		{"/reports/", "/", "?x", "?x"},
		{"/reports/", "/", "#x", "#x"},
		{"/reports/", "/", "", ""},
		{"/reports/", "/", "mailto:kim@example.org", "mailto:kim@example.org"},
		{"/reports/", "/", "1/ta\xcc\x88st.csv", "1/ta\xcc\x88st.csv"},
	} {
		r := testRoute(t, c.mount, c.path)
		if got := string(r.appendLocation(nil, []byte("public.example"), []byte(c.location))); got != c.want {
			t.Errorf("%s from %s: %s: got %s, want %s", c.mount, c.path, c.location, got, c.want)
		}
	}
}

func TestASetCookieMovesToTheMountUnlessItsNameIsOurs(t *testing.T) {
	for value, want := range map[string]string{
		"a=1":                           "a=1",
		"a=1;":                          "a=1;",
		"a=1; HttpOnly; ":               "a=1; HttpOnly; ",
		"a=1; Path=/app":                "a=1; Path=/reports/app",
		"a=1;path = /app/ ;Secure":      "a=1;path =/reports/app/;Secure",
		"a=1; Path=/":                   "a=1; Path=/",
		"a=1; Path=/reports/x":          "a=1; Path=/reports/x",
		"a=1; Path=app":                 "a=1; Path=app",
		"a=1; Path=\"/app\"":            "a=1; Path=\"/app\"",
		"a=1; Path=//x":                 "a=1; Path=//x",
		"a=1; Path":                     "a=1; Path",
		"a=1; Path=/x; Path=/y":         "a=1; Path=/reports/x; Path=/reports/y",
		"a=\"x; Path=/q\"; Max-Age=5":   "a=\"x; Path=/reports/q\"; Max-Age=5",
		"__Host-a=1; Path=/app; Secure": "__Host-a=1; Path=/app; Secure",
		"__host-a=1; Path=/":            "__host-a=1; Path=/",
		"session_state=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT": "session_state=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
		"fastproxy=1":          "fastproxy=1",
		"xfastproxy_session=1": "xfastproxy_session=1",

		"fastproxy_session=1":          "",
		"fastproxy_session":            "",
		"FastProxy_Session=1; Path=/x": "",
		" fastproxy_form =1":           "",
		"fastproxy_anything=1":         "",
		"__Host-fastproxy_session=1":   "",
		"__host-FASTPROXY_session=1":   "",
		"__Secure-fastproxy_session=1": "",
		"=fastproxy_session=1":         "",
		" = fastproxy_session=1":       "",
		"=__Host-fastproxy_session=1":  "",
		"=fastproxy_session":           "",
		"fastproxy_session=":           "",
	} {
		if want != "" {
			want = "set-COOKIE: " + want + "\r\n"
		}
		l := line{name: []byte("set-COOKIE"), value: []byte(value)}
		if got := string(testRoute(t, "/reports/", "/").appendSetCookie(nil, &l)); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

func TestOurCookiesStayHereAndOthersKeepTheirBytes(t *testing.T) {
	for value, want := range map[string]string{
		"a=1":                               "a=1",
		"a=1; b=2":                          "a=1; b=2",
		"a=1;b=2":                           "a=1;b=2",
		"a=1;  b=\"x y\" ;c":                "a=1;  b=\"x y\" ;c",
		"a=1;":                              "a=1;",
		"; a=1;;b":                          "; a=1;;b",
		"a=x=y==; b=":                       "a=x=y==; b=",
		"a=\xc3\xbc, b=1":                   "a=\xc3\xbc, b=1",
		"session_state=x; SSP-XSRF=y":       "session_state=x; SSP-XSRF=y",
		"fastproxy=1; xfastproxy_session=2": "fastproxy=1; xfastproxy_session=2",
		"a=fastproxy_session":               "a=fastproxy_session",

		"fastproxy_session=s":                             "",
		"fastproxy_session=s;":                            "",
		"fastproxy_session=s; a=1":                        "a=1",
		"a=1; fastproxy_session=s":                        "a=1",
		"a=1;fastproxy_session=s;b=2":                     "a=1;b=2",
		"a=1; fastproxy_session=s; b=2":                   "a=1; b=2",
		"fastproxy_session=s; fastproxy_session_2=s; a=1": "a=1",
		"__Host-fastproxy_session=s; a=1":                 "a=1",
		"__Secure-fastproxy_session=s; a=1":               "a=1",
		"FASTPROXY_SESSION=s; a=1":                        "a=1",
		"fastproxy_session =s; a=1":                       "a=1",
		"\tfastproxy_session=s; a=1":                      "a=1",
		"=fastproxy_session=s; a=1":                       "a=1",
		"fastproxy_session; a=1":                          "a=1",
		"fastproxy_state_abc=s; fastproxy_form=s; a=1":    "a=1",
		"fastproxy_bounce=s; fastproxy_home=s":            "",
		"a=\"1; fastproxy_session=s\"; b=2":               "a=\"1; b=2",
		"fastproxy_session=s; fastproxy_session=s; ; a=1": "; a=1",
		"": "",
	} {
		if want != "" {
			want = "cookie: " + want + "\r\n"
		}
		l := line{name: []byte("cookie"), value: trimSpace([]byte(value))}
		if got := string(appendCookieLine(nil, &l)); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestOnlyPlainNamesPass(t *testing.T) {
	for name, want := range map[string]bool{
		"Accept": true, "X-Anything": true, "Sec-WebSocket-Key": true, "Origin": true, "Referer": true, "If-None-Match": true, "Content-Type": true,
		"Authorization": true, "Range": true, "X-Shiny": true, "Remote": true, "X-Auth0": true, "HTTP2-Settings": true, "X0": true,

		"Host": false, "Cookie": false, "Connection": false, "Keep-Alive": false, "TE": false, "Trailer": false, "Transfer-Encoding": false,
		"Content-Length": false, "Upgrade": false, "Expect": false, "Proxy": false, "Proxy-Authorization": false, "Proxy-Authenticate": false,
		"Proxy-Connection": false, "X-Auth0-User-Id": false, "x-auth0-anything": false, "X_Auth0_Email": false, "Shiny-Server-Credentials": false,
		"Shiny-Shared-Secret": false, "Remote-User": false, "X-Forwarded-For": false, "X-Forwarded-Uri": false, "Forwarded": false, "X-Real-IP": false,
		"X-Request-ID": false, "X-SP-UserId": false, "X-Auth-Request-Email": false, "X-Original-URL": false, "x-rewrite-url": false,
		"Accept_Language": false, "X.Y": false, "X!": false, "X'": false, "X~Y": false, "X^": false, "X|Y": false, "X`": false,
	} {
		f, _ := fieldOf([]byte(name))
		l := line{name: []byte(name), field: f}
		if passes(&l, false) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if l := (line{name: []byte("Authorization"), field: fieldAuthorization}); passes(&l, true) {
		t.Error("a used Authorization passed")
	}
}

// headExchange is an exchange that needs no connection.
func headExchange(t testing.TB) (*snapshot, *exchange, *route) {
	who := identity.FromPasswd("tina", []string{"Admin", "Größe"})
	s := &snapshot{forwardedLines: []byte("X-Forwarded-Proto: https\r\nX-Forwarded-Host: shiny.example.org\r\n"), settings: &Settings{publicOrigin: "https://shiny.example.org"}}
	x := &exchange{head: *scanned(t, chromeHead), id: newRequestID(), client: netip.MustParseAddr("203.0.113.9")}
	r := testRoute(t, "/reports/", "/")
	r.rest, r.identity, r.kind = []byte("app/?_inputs_&n=200"), who.AppendHeaders(nil), shiny.KindPage
	return s, x, r
}

const rAnswer = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 20:00:00 GMT\r\nContent-Type: text/html; charset=UTF-8\r\n" +
	"Content-Length: 4711\r\nLocation: http://shiny.example.org/app/\r\nSet-Cookie: a=1; Path=/app; HttpOnly\r\nConnection: close\r\n\r\n"

func TestHeadsAreWrittenWithoutAllocation(t *testing.T) {
	s, x, r := headExchange(t)
	var a answerHead
	if err := scanAnswer([]byte(rAnswer), &a); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, maxHeadBytes)
	if n := testing.AllocsPerRun(100, func() { s.appendRequestHead(buf, x, r) }); n != 0 {
		t.Errorf("request head: %g allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { s.appendAnswerHead(buf, x, r, &a) }); n != 0 {
		t.Errorf("answer head: %g allocations", n)
	}
	x.head = *scanned(t, "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-A-Name-Of-More-Than-Thirty-Two-Bytes, upgrade\r\nUpgrade: websocket\r\n"+
		"X-A-Name-Of-More-Than-Thirty-Two-Bytes: x\r\n\r\n")
	r.kind = shiny.KindSockJSInfo
	if n := testing.AllocsPerRun(100, func() { s.appendRequestHead(buf, x, r) }); n != 0 {
		t.Errorf("head of an upgrade: %g allocations", n)
	}
	if head := string(s.appendRequestHead(buf, x, r)); strings.Contains(head, "Thirty-Two") || !strings.HasSuffix(head, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") {
		t.Error(head)
	}
}

func BenchmarkRequestHead(b *testing.B) {
	s, x, r := headExchange(b)
	buf := make([]byte, 0, maxHeadBytes)
	b.ReportAllocs()
	for b.Loop() {
		s.appendRequestHead(buf, x, r)
	}
}

func BenchmarkAnswerHead(b *testing.B) {
	s, x, r := headExchange(b)
	var a answerHead
	if err := scanAnswer([]byte(rAnswer), &a); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, maxHeadBytes)
	b.ReportAllocs()
	for b.Loop() {
		s.appendAnswerHead(buf, x, r, &a)
	}
}

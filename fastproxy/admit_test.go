package fastproxy

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// headOf returns the head of a GET with these lines.
func headOf(t testing.TB, lines ...string) *head {
	t.Helper()
	return scanned(t, "GET /x HTTP/1.1\r\nHost: h\r\n"+strings.Join(append(lines, "\r\n"), "\r\n"))
}

func TestABearerTokenAloneCounts(t *testing.T) {
	for _, c := range []struct {
		lines string // separated by |
		token string
		there bool
	}{
		{"X: y", "", false},
		{"Authorization: Bearer abc", "abc", true},
		{"authorization: bEARER   abc", "abc", true},
		{"Authorization: Bearer\tabc", "abc", true},
		{"Authorization: Bearer a b", "a b", true}, // for the judge of tokens to refuse
		{"Authorization: Bearer", "", true},
		{"Authorization: Bearerabc", "", false},
		{"Authorization: Basic a2ltOngK", "", false},
		{"Authorization:", "", false},
		{"Authorization: Bearer abc|Authorization: Bearer abc", "", true},
		{"Authorization: Bearer abc|Authorization: Basic a2ltOngK", "", true},
		{"Authorization: Basic a2ltOngK|Authorization: Bearer abc", "", true},
		{"Authorization: Basic a|Authorization: Basic b", "", false},
		{"Proxy-Authorization: Bearer abc", "", false},
	} {
		token, there := headOf(t, strings.Split(c.lines, "|")...).bearer()
		if string(token) != c.token || there != c.there {
			t.Errorf("%s: %q, %v", c.lines, token, there)
		}
	}
}

func TestSessionCookiesAreCollectedUnlessTheyAreAmbiguous(t *testing.T) {
	s := &snapshot{names: newCookieNames(false), bearer: true}
	for _, c := range []struct {
		cookies  string // Cookie lines, separated by |
		values   string
		conflict bool
	}{
		{"", "", false},
		{"a=1; fastproxy_session=v; b=2", "v", false},
		{"a=1;fastproxy_session=v", "v", false},
		{"fastproxy_session=v|fastproxy_session_2=w", "v w", false},
		{"fastproxy_session_2=w; fastproxy_session=v", "v w", false},
		{"fastproxy_session=v; fastproxy_session_3=x", "v", false}, // the second is missing
		{"fastproxy_session_2=w", "", false},
		{"fastproxy_session=v=w=", "v=w=", false},
		{"fastproxy_session=", "", false},
		{`fastproxy_session="v"`, `"v"`, false},
		{"fastproxy_session=v; fastproxy_session=v", "v", true},
		{"fastproxy_session=v|fastproxy_session=w", "w", true},
		{"fastproxy_session=v; fastproxy_session_2=w; fastproxy_session_2=x", "v x", true},
		{"Fastproxy_session=v", "", false},
		{"fastproxy_session =v", "", false},
		{"__Host-fastproxy_session=v", "", false}, // that name is for https
		{"fastproxy_session_5=v; fastproxy_session_1=w; fastproxy_session_02=x", "", false},
		{"fastproxy_session", "", false},
		{"x=\"fastproxy_session=v\"", "", false},
	} {
		var lines []string
		for _, l := range strings.Split(c.cookies, "|") {
			lines = append(lines, "Cookie: "+l)
		}
		req := s.credentials(&exchange{head: *headOf(t, lines...), start: time.Now()})
		var values []string
		for _, v := range req.Cookies[:req.NumCookies] {
			values = append(values, string(v))
		}
		if got := strings.Join(values, " "); got != c.values || req.CookieConflict != c.conflict || req.HasBearer {
			t.Errorf("%s: %q, conflict %v", c.cookies, got, req.CookieConflict)
		}
	}
	req := s.credentials(&exchange{head: *headOf(t, "Cookie: fastproxy_session=v", "Authorization: Bearer abc")})
	if req.NumCookies != 0 || !req.HasBearer || string(req.Bearer) != "abc" {
		t.Errorf("bearer beside a cookie: %+v", req)
	}
}

func TestCredentialsAreCollectedWithoutAllocation(t *testing.T) {
	s := &snapshot{names: newCookieNames(true), bearer: true}
	x := &exchange{head: *headOf(t, "Cookie: a=1; __Host-fastproxy_session=v; __Host-fastproxy_session_2=w", "Accept: text/html")}
	if n := testing.AllocsPerRun(100, func() { s.credentials(x) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestOnlyAPageInATabOfItsOwnIsANavigation(t *testing.T) {
	for _, c := range []struct {
		method, lines             string
		navigation, framed, pages bool
	}{
		{"GET", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document", true, false, true},
		{"GET", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: iframe|Accept: text/html", false, true, true},
		{"GET", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: frame", false, true, true},
		{"GET", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: embed", false, true, true},
		{"GET", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: object", false, true, true},
		{"GET", "Sec-Fetch-Mode: navigate|Accept: text/html", false, false, true},
		{"GET", "Sec-Fetch-Mode: cors|Sec-Fetch-Dest: empty|Accept: text/html", false, false, false},
		{"GET", "Sec-Fetch-Mode: no-cors|Sec-Fetch-Dest: script|Accept: */*", false, false, false},
		{"GET", "Sec-Fetch-Mode: |Accept: text/html", false, false, false},
		{"GET", "Accept: text/html,application/xhtml+xml;q=0.9", true, false, true},
		{"GET", "Accept: application/json, TEXT/HTML", true, false, true},
		{"GET", "Accept: */*", false, false, false},
		{"GET", "X: y", false, false, false},
		{"POST", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document", false, false, true},
		{"POST", "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: iframe", false, false, true},
		{"HEAD", "Accept: text/html", false, false, true},
		{"GET", "Accept: text/html|Connection: upgrade|Upgrade: websocket", false, false, false},
		{"GET", "Sec-Fetch-Mode: websocket|Connection: upgrade|Upgrade: websocket", false, false, false},
	} {
		h := scanned(t, c.method+" /x HTTP/1.1\r\nHost: h\r\n"+strings.ReplaceAll(c.lines, "|", "\r\n")+"\r\n\r\n")
		if h.isNavigation() != c.navigation || h.isFramed() != c.framed || h.wantsPage() != c.pages {
			t.Errorf("%s %s: navigation %v, framed %v, page %v", c.method, c.lines, h.isNavigation(), h.isFramed(), h.wantsPage())
		}
	}
}

func TestTheClientIsWhoNoTrustedProxyVouchesFor(t *testing.T) {
	p := &Proxy{}
	p.current.Store(&snapshot{settings: &Settings{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")}}})
	for _, c := range []struct{ peer, lines, want string }{
		{"203.0.113.9", "1.2.3.4", "203.0.113.9"}, // not trusted: its word counts for nothing
		{"127.0.0.1", "", "127.0.0.1"},
		{"127.0.0.1", "203.0.113.9", "203.0.113.9"},
		{"127.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"},
		{"127.0.0.1", "1.2.3.4, 203.0.113.9 , 10.1.1.1", "203.0.113.9"},
		{"127.0.0.1", "1.2.3.4, 203.0.113.9|10.1.1.1,10.1.1.2", "203.0.113.9"},
		{"127.0.0.1", "10.1.1.1", "10.1.1.1"},
		{"127.0.0.1", "10.1.1.1, 10.1.1.2", "10.1.1.1"},
		{"127.0.0.1", "203.0.113.9, nonsense", "127.0.0.1"},
		{"127.0.0.1", "203.0.113.9, nonsense, 10.1.1.1", "10.1.1.1"},
		{"127.0.0.1", "203.0.113.9,", "127.0.0.1"},
		{"127.0.0.1", "unknown", "127.0.0.1"},
		{"127.0.0.1", "203.0.113.9:4711", "203.0.113.9"},
		{"127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"},
		{"127.0.0.1", "[2001:db8::1]", "2001:db8::1"},
		{"127.0.0.1", "2001:db8::1", "2001:db8::1"},
		{"127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"},
		{"127.0.0.1", "::ffff:10.0.0.1, ::ffff:127.0.0.1", "10.0.0.1"},
		{"127.0.0.1", "fe80::1%eth0", "fe80::1"},
		{"127.0.0.1", "203.0.113.9%0d%0aX: y", "127.0.0.1"},
		{"127.0.0.1", "203.0.113.009", "127.0.0.1"},
		{"127.0.0.1", strings.Repeat("1", 100), "127.0.0.1"},
		{"::1", "203.0.113.9", "203.0.113.9"},
		{"", "203.0.113.9", "203.0.113.9"}, // a Unix socket's peer is trusted
		{"", "", ""},
	} {
		var peer netip.Addr
		if c.peer != "" {
			peer = netip.MustParseAddr(c.peer)
		}
		var lines []string
		for _, l := range strings.Split(c.lines, "|") {
			lines = append(lines, "X-Forwarded-For: "+l)
		}
		got := ""
		if a := p.clientAddr(peer, headOf(t, lines...)); a.IsValid() {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.peer, c.lines, got, c.want)
		}
	}
}

package fastproxy

import (
	"net/netip"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/shiny"
)

func TestARecordHoldsCopiesAndNoSecrets(t *testing.T) {
	raw := []byte("GET /reports/app/session/0123456789abcdef0123456789abcdef/download/d?secret=query HTTP/1.1\r\nHost: h\r\nUser-Agent: " +
		strings.Repeat("ua", 200) + "\r\nCookie: secret\r\nAuthorization: Bearer secret\r\nReferer: http://h/?secret\r\n\r\n")
	who := identity.FromPasswd("tina", []string{"Admin"})
	x := &exchange{id: newRequestID(), client: netip.MustParseAddr("203.0.113.9"), principal: &who, carried: true, status: 200, sent: 5}
	if err := scan(raw, &x.head); err != nil {
		t.Fatal(err)
	}
	x.route = *testRoute(t, "/reports/", "/")
	x.route.kind = shiny.KindDownload
	a := new(Proxy).accessRecord(x)
	clear(raw) // the next head is read into the same bytes
	if a.Path != "/reports/app/session/…/download/d" || a.Host != "h" || a.Method != "GET" || len(a.UserAgent) != maxLoggedText || !strings.HasPrefix(a.UserAgent, "uaua") {
		t.Errorf("%+v", a.Access)
	}
	if a.Kind != "download" || a.Mount != "/reports/" || a.Upstream != "shiny:3838" || a.User != "passwd:tina" || a.Login != "passwd" || a.BytesOut != 5 || a.Status != 200 {
		t.Errorf("%+v", a.Access)
	}
}

func TestARecordOfARefusedHeadHoldsNothingOfIt(t *testing.T) {
	p := startProxy(t, map[string]string{"COOKIE_SECRET": ""}, "")
	p.roundTrip(t, "GET /reports/secret HTTP/1.1\r\nHost: secret\r\nUser-Agent: secret\r\nContent-Length: secret\r\n\r\n")
	r := p.awaitRecord(t, "event.reason", "malformed Content-Length")
	if r["http.response.status_code"] != 400.0 || r["client.address"] != "127.0.0.1" || strings.Contains(p.log.String(), "secret\"") {
		t.Errorf("%v", r)
	}
}

func TestARecordIsCheap(t *testing.T) {
	raw := []byte("GET /reports/app/shared/shiny.min.js?v=1 HTTP/1.1\r\nHost: apps.example.org\r\nUser-Agent: " + strings.Repeat("ua", 60) + "\r\n\r\n")
	who := identity.Principal{Method: identity.MethodOIDC, Subject: "auth0|kim"}
	x := &exchange{id: newRequestID(), principal: &who}
	if err := scan(raw, &x.head); err != nil {
		t.Fatal(err)
	}
	p := new(Proxy)
	if n := testing.AllocsPerRun(100, func() { p.accessRecord(x) }); n > 2 { // the record, and its text
		t.Errorf("%v allocations, want 2", n)
	}
}

//go:build linux

package bench

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestLimitsAreToldBeforeTheyAreHit(t *testing.T) {
	limit, _ := fileLimit()
	s := &site{to: netip.MustParseAddrPort("127.0.0.1:80")}
	if err := checkLimits(int(limit), s); err == nil || !strings.Contains(err.Error(), "open files") || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("files: %v", err)
	}
	ports := localPorts()
	if err := checkPorts(ports, &site{to: netip.MustParseAddrPort("192.0.2.1:80")}); err == nil || !strings.Contains(err.Error(), "give 2 source addresses") {
		t.Errorf("ports: %v", err)
	}
	if err := checkPorts(ports, s); err != nil || len(s.sources) != 2 || s.source(1) != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("ports of loopback: %v, %v", err, s.sources)
	}
	if err := checkMemory(1<<31, s); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("memory: %v", err)
	}
	if err := checkLimits(100, &site{to: netip.MustParseAddrPort("[::1]:80")}); err != nil {
		t.Error(err)
	}
}

func TestATargetIsTakenApart(t *testing.T) {
	h := http.Header{"Cookie": {"a=b"}, "X-B": {"1", "2"}, "Host": {"shiny.example.org"}}
	s, err := newSite(t.Context(), &Target{URL: "http://127.0.0.1:3838?token=secret", Header: h, Sources: []string{"127.0.0.9"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.shown != "http://127.0.0.1:3838/" || s.path != "/?token=secret" || s.host != "shiny.example.org" ||
		s.to.String() != "127.0.0.1:3838" || s.header != "Cookie: a=b\r\nX-B: 1\r\nX-B: 2\r\nUser-Agent: fastbench\r\n" || s.source(7).String() != "127.0.0.9" {
		t.Errorf("%+v", s)
	}
	s, err = newSite(t.Context(), &Target{URL: "ws://localhost:1/app/__sockjs__/n=${ROBUST_ID}/${SOCKJSID}/websocket"})
	if err != nil || !s.to.Addr().IsLoopback() || s.host != "localhost:1" {
		t.Fatalf("%v, %+v", err, s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	want := regexp.MustCompile(`^/app/__sockjs__/n=[0-9a-f]{18}/[0-9]{3}/[0-9a-z]{8}/websocket$`)
	if a, b := s.target(random), s.target(random); !want.MatchString(a) || a == b {
		t.Errorf("%s, %s", a, b)
	}
}

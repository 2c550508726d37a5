package fastproxy

import (
	"strings"
	"testing"
)

func TestHostsAndReferersOfOursAreKnown(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		want         bool
	}{
		{"https://h", "h", true}, {"https://h", "H", true}, {"https://h", "h:443", true}, {"https://h", "h:80", false}, {"https://h", "h:8443", false},
		{"http://h", "h:80", true}, {"http://h", "h:443", false}, {"http://h:3000", "h:3000", true}, {"http://h:3000", "h", false},
		{"https://h", "g", false}, {"https://h", "h.", false}, {"https://h", "443", false}, {"https://[::1]", "[::1]:443", true},
	} {
		s := testSnapshot(c.origin)
		if s.ourHost([]byte(c.host)) != c.want {
			t.Errorf("%s: Host %s: %v", c.origin, c.host, !c.want)
		}
	}
	s := testSnapshot("http://h")
	for referer, want := range map[string]bool{
		"http://h": true, "http://h/": true, "http://h/x?y": true, "http://h?x": true, "": false, "http://h.evil/": false, "http://h:80/": false, "http://h@evil/": false,
		"https://h/": false, "//h/": false, "http://hh/": false, "HTTP://h/": false,
	} {
		if s.ourReferer([]byte(referer)) != want {
			t.Errorf("Referer %s: %v", referer, !want)
		}
	}
}

// testSnapshot is one that knows where it is, and no more.
func testSnapshot(origin string) *snapshot {
	scheme, host, _ := strings.Cut(origin, "://")
	return &snapshot{publicOrigin: origin, publicHost: host, secure: scheme == "https"}
}

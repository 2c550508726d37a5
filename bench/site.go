package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// site is where the event-driven client connects to, and what it says there.
// It is read by all loops and written by none.
type site struct {
	shown   string         // the URL without its query
	host    string         // the Host header
	path    string         // the request target; may hold placeholders
	header  string         // further header lines, each with its end
	to      netip.AddrPort // the one address that is ever connected to
	sources []netip.Addr   // by turns; empty: the system's choice
	timeout time.Duration
	tls     *tls.Config // nil: the connections are plain
}

// ownHeaders are what the client says itself.
var ownHeaders = []string{"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version",
	"Sec-Websocket-Extensions", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Expect"}

// newSite checks and resolves a target. An error is a *UsageError, except when
// the name cannot be resolved.
func newSite(ctx context.Context, t *Target) (*site, error) {
	s := &site{timeout: cmp.Or(t.Timeout, 30*time.Second)}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return nil, usage("URL: found %q, want one such as ws://127.0.0.1:3000/reports/app/websocket/", clip(t.URL, 100))
	case !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme):
		return nil, usage("URL: found %q, want ws://, wss://, http:// or https://", clip(t.URL, 100))
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return nil, usage("URL: found %q, want scheme, host and path only", clip(u.Redacted(), 100))
	}
	_, rest, _ := strings.Cut(t.URL, "://")
	s.path = "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		s.path = strings.TrimPrefix(rest[i:], "/")
		s.path = "/" + s.path
	}
	if strings.ContainsFunc(s.path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, usage("URL: found a space or a character beyond ASCII in the path, want it percent-encoded")
	}
	if s.host = u.Host; secure(u) {
		// No ALPN: what follows is HTTP/1.1. And no session is resumed: each
		// connection stands for somebody else.
		s.tls = &tls.Config{ServerName: u.Hostname(), RootCAs: t.Roots}
	}
	path, _, _ := strings.Cut(s.path, "?")
	s.shown = u.Scheme + "://" + u.Host + path
	if err := s.takeHeader(t.Header); err != nil {
		return nil, err
	}
	if err := s.takeSources(t.Sources); err != nil {
		return nil, err
	}
	return s, s.resolve(ctx, u)
}

func (s *site) takeHeader(h http.Header) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			canonical := http.CanonicalHeaderKey(name)
			switch {
			case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) || name == "":
				return usage("header: found the name %q", clip(name, 60))
			case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
				return usage("header: found a control character in the value of %s", name)
			case slices.Contains(ownHeaders, canonical):
				return usage("header: found %s, which fastbench sends itself", name)
			case canonical == "Host":
				s.host = value
			default:
				lines.WriteString(name + ": " + value + "\r\n")
			}
		}
	}
	if h.Get("User-Agent") == "" {
		lines.WriteString("User-Agent: " + userAgent + "\r\n")
	}
	s.header = lines.String()
	return nil
}

func (s *site) takeSources(texts []string) error {
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return usage("source: found %q, want an address such as 127.0.0.2", clip(text, 60))
		}
		s.sources = append(s.sources, a.Unmap())
	}
	return nil
}

// resolve chooses the address. Where a name has several, as localhost has, it
// is the first that accepts a connection; when none does the run itself will
// tell why.
func (s *site) resolve(ctx context.Context, u *url.URL) error {
	usual := "80"
	if secure(u) {
		usual = "443"
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", cmp.Or(u.Port(), usual))
	if err != nil {
		return usage("URL: found the port %q", u.Port())
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return fmt.Errorf("bench: resolve %s: %w", u.Hostname(), err)
	}
	for _, a := range addrs {
		to := netip.AddrPortFrom(a.Unmap(), uint16(port))
		if len(addrs) == 1 || accepts(ctx, to) {
			s.to = to
			return nil
		}
	}
	s.to = netip.AddrPortFrom(addrs[0].Unmap(), uint16(port))
	return nil
}

func accepts(ctx context.Context, to netip.AddrPort) bool {
	d := net.Dialer{Timeout: 3 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// source is the address that the i-th connection comes from.
func (s *site) source(i int) netip.Addr {
	if len(s.sources) == 0 {
		return netip.Addr{}
	}
	return s.sources[i%len(s.sources)]
}

// target is the request target of one more connection.
func (s *site) target(random *rand.Rand) string {
	if !strings.Contains(s.path, "${") {
		return s.path
	}
	robust := fmt.Sprintf("%08x%010x", random.Uint32(), random.Uint64()>>24)
	path := strings.ReplaceAll(s.path, tokenPlaceholder(tokenRobust), robust)
	sockJS := fmt.Sprintf("%03d/%08x", random.IntN(1000), random.Uint32())
	return strings.ReplaceAll(path, tokenPlaceholder(tokenSockJS), sockJS)
}

func tokenPlaceholder(name string) string { return "${" + name + "}" }

package bench

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// network is how all visitors of a run reach their target, and how far they
// may go. Safe for many goroutines.
type network struct {
	home    *url.URL      // of the app, its path ending without "/"
	header  http.Header   // for home's origin only
	connect time.Duration // bounds connecting, TLS and handshake
	answer  time.Duration // bounds each answer; 0: no limit
	sources []netip.Addr  // to connect from, by turns; empty: the system's choice
	turn    atomic.Uint64
	allowed []string // further hosts for a sign-in
	tls     *tls.Config

	running           sync.WaitGroup // goroutines of sockets
	bytesIn, bytesOut atomic.Int64   // bodies of HTTP and payloads of messages
}

// newNetwork checks the target. The error is a *UsageError.
func newNetwork(t *Target, s *SignIn) (*network, error) {
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return nil, usage("URL: %v", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, usage("URL: found %q, want http:// or https:// and the path of the app", clip(t.URL, 100))
	case u.Host == "" || u.Hostname() == "":
		return nil, usage("URL: found %q without a host, want http://host/path", clip(t.URL, 100))
	case u.User != nil:
		return nil, usage("URL: found a user in it, want it without; who signs in is told by --login")
	case u.Fragment != "":
		return nil, usage("URL: found a # in %q, want the address of the app itself (of Posit Connect: its content URL, “open solo”)", clip(u.Redacted(), 100))
	}
	home := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/"), RawPath: strings.TrimRight(u.RawPath, "/")}
	n := &network{home: home, header: t.Header, connect: t.Timeout, answer: t.Timeout, allowed: s.AllowHosts}
	if n.connect == 0 {
		n.connect = 30 * time.Second
	}
	for _, text := range t.Sources {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, usage("source: found %q, want an address such as 127.0.0.2", clip(text, 60))
		}
		n.sources = append(n.sources, a)
	}
	// No ALPN: what follows is HTTP/1.1, as in front of Shiny.
	n.tls = &tls.Config{ServerName: home.Hostname(), RootCAs: t.Roots, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	return n, nil
}

// spread adds source addresses for a loopback target where n connections ask
// for more ports than one has. A tenth of the range is left to others, and as
// much again as n to those that were closed just now.
func (n *network) spread(connections int) {
	each := localPorts() * 9 / 10
	a, err := netip.ParseAddr(n.home.Hostname())
	if len(n.sources) > 0 || 2*connections <= each || err != nil || !a.Is4() || !a.IsLoopback() {
		return
	}
	for a = netip.AddrFrom4([4]byte{127, 0, 0, 1}); len(n.sources)*each < 2*connections; a = a.Next() {
		n.sources = append(n.sources, a)
	}
}

// dial connects to the host of u, with TLS for https and wss.
func (n *network) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, n.connect)
	defer cancel()
	d := net.Dialer{KeepAlive: 15 * time.Second}
	if len(n.sources) > 0 {
		a := n.sources[n.turn.Add(1)%uint64(len(n.sources))]
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
	}
	conn, err := d.DialContext(ctx, "tcp", dialAddress(u))
	if err != nil {
		return nil, err
	}
	if !secure(u) {
		return conn, nil
	}
	settings := n.tls
	if u.Hostname() != n.home.Hostname() {
		settings = settings.Clone()
		settings.ServerName = u.Hostname()
	}
	t := tls.Client(conn, settings)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

func secure(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "wss" }

func dialAddress(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case secure(u):
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// origin is scheme and host with its port, so that spellings of one origin
// compare equal.
func origin(u *url.URL) string {
	scheme := map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	if scheme == "" {
		scheme = u.Scheme
	}
	return scheme + "://" + strings.ToLower(dialAddress(u))
}

// isHome reports whether u is on the target's own origin.
func (n *network) isHome(u *url.URL) bool { return origin(u) == origin(n.home) }

// mayReach is nil where a request may go: to the target, and during a sign-in
// to loopback and to the hosts that were allowed.
func (n *network) mayReach(u *url.URL, signingIn bool) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return faultf("redirect", "redirected to %s:, want http or https", clip(u.Scheme, 20))
	}
	if n.isHome(u) {
		return nil
	}
	if !signingIn {
		return faultf("redirect", "redirected to %s, which is not the target's; is nobody signed in?", clip(origin(u), 100))
	}
	if isLoopback(u.Hostname()) {
		return nil
	}
	if slices.ContainsFunc(n.allowed, func(h string) bool {
		return strings.EqualFold(h, u.Host) || strings.EqualFold(h, u.Hostname())
	}) {
		return nil
	}
	return faultf("redirect", "the sign-in leads to %s, which is neither the target's nor loopback; --allow-host %s lets it", clip(origin(u), 100), clip(u.Hostname(), 100))
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

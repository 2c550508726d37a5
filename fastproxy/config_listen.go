package fastproxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fastproxy/fastproxy/config"
)

// ListenAddr is one place to listen, as net.Listen takes it.
type ListenAddr struct {
	Network, Address string // "tcp" or "unix"
	// Optional is set for the default [::1]: a machine without IPv6 must not
	// keep the proxy from starting.
	Optional bool
	// Shared lets other processes of the same user listen there too.
	Shared bool
}

// ListenAddrs returns where to listen: PORT (a number: every interface; else
// a Unix socket), else LISTEN, else port 3000 on 127.0.0.1 and [::1].
func (s *Settings) ListenAddrs() []ListenAddr {
	addrs := s.listenAddrs()
	for i := range addrs {
		addrs[i].Shared = s.ReusePort && addrs[i].Network == "tcp"
	}
	return addrs
}

func (s *Settings) listenAddrs() []ListenAddr {
	if s.Port != "" {
		if port, ok, _ := leadingPort(s.Port); ok {
			return []ListenAddr{{Network: "tcp", Address: ":" + port}}
		}
		return []ListenAddr{{Network: "unix", Address: s.at(strings.TrimPrefix(s.Port, "unix:"))}}
	}
	if len(s.Listen) == 0 {
		return []ListenAddr{{Network: "tcp", Address: "127.0.0.1:3000"}, {Network: "tcp", Address: "[::1]:3000", Optional: true}}
	}
	var addrs []ListenAddr
	for _, text := range s.Listen {
		if a, err := s.parseListen(text); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// leadingPort reads PORT as the originals did, with JavaScript's parseInt:
// digits count, whatever follows them. exact reports that nothing did.
func leadingPort(text string) (port string, isNumber, exact bool) {
	digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	if digits == "" {
		return "", false, false
	}
	if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
		digits = strconv.FormatUint(n, 10)
	}
	return digits, true, len(strings.TrimLeft(text, "0123456789")) == 0
}

func (s *Settings) parseListen(text string) (ListenAddr, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok || strings.Contains(text, "/") && !strings.Contains(text, "://") {
		return ListenAddr{Network: "unix", Address: s.at(path)}, checkSocketPath(s.at(path))
	}
	if err := checkHostPort(text); err != nil {
		return ListenAddr{}, err
	}
	return ListenAddr{Network: "tcp", Address: text}, nil
}

func checkHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port) {
		return errors.New("want host:port, such as 127.0.0.1:3000, or :3000 for every interface")
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !isHostName(host) {
		return errors.New("want host:port with an address or a name as host")
	}
	return nil
}

// longestSocketPath is what sockaddr_un holds on Linux (unix(7)), less its NUL.
const longestSocketPath = 107

func checkSocketPath(path string) error {
	if len(path) > longestSocketPath {
		return fmt.Errorf("want a socket path of at most %d bytes", longestSocketPath)
	}
	return nil
}

func (s *Settings) checkListen(p *config.Errors) {
	if s.Port != "" {
		s.checkPort(p)
	}
	s.checkReusePort(p)
	seen := map[string]bool{}
	for _, text := range s.Listen {
		switch _, err := s.parseListen(text); {
		case err != nil:
			p.Add("listen", s.origins.Where("listen"), "found %s, %v", config.Quote(text), err)
		case seen[text]:
			p.Add("listen", s.origins.Where("listen"), "found %s twice", config.Quote(text))
		}
		seen[text] = true
	}
	if err := checkHostPort(s.OpsListen); err != nil {
		p.Add("ops_listen", s.origins.Where("ops_listen"), "found %s, %v", config.Quote(s.OpsListen), err)
	} else if s.listensOn(s.OpsListen) {
		p.Add("ops_listen", s.origins.Where("ops_listen"), "found %s, where people are let in; want a port of its own", config.Quote(s.OpsListen))
	}
	if err := checkSocketPath(s.ControlPath()); err != nil {
		p.Add("control_socket", s.origins.Where("control_socket"), "found %s, %v", config.Quote(s.ControlPath()), err)
	}
}

// checkReusePort refuses what would have people sign in again and again, and
// warns of what processes do not share.
func (s *Settings) checkReusePort(p *config.Errors) {
	if !s.ReusePort {
		return
	}
	if !systemSharesPorts {
		s.bad(p, "reuse_port", "true", "want false: only Linux shares a port among processes evenly")
		return
	}
	if !slices.ContainsFunc(s.ListenAddrs(), func(a ListenAddr) bool { return a.Shared }) {
		s.warn("REUSE_PORT (%s) has no effect: a Unix socket is one process's", s.origins.Of("reuse_port"))
		return
	}
	if _, why := s.CookieSecret(); why != "" {
		s.bad(p, "reuse_port", "true", fmt.Sprintf("want a COOKIE_SECRET that all processes on the port have: %s, and each would refuse the others' sessions", why))
		return
	}
	s.warn("REUSE_PORT: a sign-out is known to the process that answered it, and not to others on the port: " +
		"WebSockets there stay open, and a stolen copy of the cookie is good there until it expires")
}

func (s *Settings) checkPort(p *config.Errors) {
	where := s.origins.Where("port")
	port, isNumber, exact := leadingPort(s.Port)
	isAddr := strings.Contains(s.Port, ":") && !strings.HasPrefix(s.Port, "unix:") && !strings.ContainsAny(s.Port, "/ #")
	switch {
	case isAddr:
		p.Add("port", where, "found %s, want a port number or the path of a Unix socket; LISTEN takes host:port", config.Quote(s.Port))
	case isNumber && !isPort(port), strings.HasPrefix(s.Port, "-"):
		p.Add("port", where, "found %s, want a port number up to 65535, or the path of a Unix socket", config.Quote(s.Port))
	case isNumber && !exact:
		s.warn("%s: found %s, took %s as the originals did; .env has no comments behind a value", where, config.Quote(s.Port), port)
	case !isNumber:
		if err := checkSocketPath(s.ListenAddrs()[0].Address); err != nil {
			p.Add("port", where, "found %s, %v", config.Quote(s.Port), err)
		}
	}
	if s.origins.IsSet("listen") {
		s.warn("LISTEN (%s) has no effect: PORT (%s) wins", s.origins.Of("listen"), s.origins.Of("port"))
	}
}

// listensOn reports whether we would take connections to addr (host:port)
// ourselves, as far as that can be told without a resolver.
func (s *Settings) listensOn(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return false
	}
	for _, l := range s.ListenAddrs() {
		lhost, lport, err := net.SplitHostPort(l.Address)
		if l.Network != "tcp" || err != nil || lport != port {
			continue
		}
		if lhost == host || isWildcard(lhost) && (isWildcard(host) || isLoopback(host)) || isWildcard(host) && isLoopback(lhost) ||
			isLoopback(lhost) && strings.EqualFold(host, "localhost") || isLoopback(host) && strings.EqualFold(lhost, "localhost") {
			return true
		}
	}
	return false
}

func isWildcard(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// listenOrigin is where a browser on this machine reaches us.
func (s *Settings) listenOrigin() string {
	for _, l := range s.ListenAddrs() {
		host, port, err := net.SplitHostPort(l.Address)
		if l.Network != "tcp" || err != nil || port == "0" {
			continue
		}
		if isWildcard(host) || len(s.Listen) == 0 || !isHostPort(net.JoinHostPort(host, port)) {
			host = "localhost"
		}
		return "http://" + net.JoinHostPort(host, port)
	}
	return "http://localhost:3000"
}

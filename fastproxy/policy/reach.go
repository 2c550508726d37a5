package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"fastproxy/fastproxy/identity"
)

// Reaches reports whether p could have what an upstream serves at a path by
// asking for it at its address here: some mount leads there, and the rule of
// the mount that covers that address admits p (nil: somebody unknown). path is
// the upstream's own, without a query. It never blocks.
func (t *Table) Reaches(upstream, path string, p *identity.Principal) bool {
	for i := range t.mounts {
		m := &t.mounts[i]
		if !sameServer(m.Upstream, upstream) {
			continue
		}
		rest, under := strings.CutPrefix(path, m.UpstreamPath)
		if !under && path+"/" != m.UpstreamPath {
			continue
		}
		at, err := t.Judge([]byte(m.EscapedPath() + rest))
		if err != nil || at.Mount != m {
			continue // another mount covers that address: its own turn tells
		}
		if m.Rule.Admits(p) {
			return true
		}
	}
	return false
}

// OneForAll reports whether whoever enters one mount of an upstream may have
// all that the upstream serves. Where it is false, a connection that lets its
// client name what it opens has to be watched.
func (t *Table) OneForAll(upstream string) bool {
	s := t.servers[upstream]
	return s.oneRule && s.whole
}

// AloneOnServer reports whether whoever a mount's rule admits may have all that
// its upstream serves, as OneForAll does; rule is one that Judge returned.
func (t *Table) AloneOnServer(rule *Rule) bool {
	for i := range t.mounts {
		if m := &t.mounts[i]; &m.Rule == rule {
			return t.OneForAll(m.Upstream)
		}
	}
	return false
}

// OneRule reports whether all mounts of an upstream have the same rule. A plain
// R process is one app whatever the path: it cannot have two.
func (t *Table) OneRule(upstream string) bool { return t.servers[upstream].oneRule }

// sharing is what the mounts of one server have in common.
type sharing struct {
	oneRule bool
	whole   bool // some mount serves all that the server has
}

// share looks at every server once, for OneForAll and OneRule.
func (t *Table) share() {
	t.servers = make(map[string]sharing)
	for i := range t.mounts {
		of := &t.mounts[i]
		s := sharing{oneRule: true}
		for j := range t.mounts {
			if m := &t.mounts[j]; sameServer(m.Upstream, of.Upstream) {
				s.oneRule = s.oneRule && m.Rule.String() == of.Rule.String()
				s.whole = s.whole || m.UpstreamPath == "/"
			}
		}
		t.servers[of.Upstream] = s
	}
}

// sameServer reports whether two upstreams are one server. This machine has
// several names, and a rule must not hang on which of them was written.
func sameServer(a, b string) bool { return a == b || server(a) == server(b) }

func server(upstream string) string {
	u, err := url.Parse(upstream)
	if err != nil || u.Host == "" {
		return upstream
	}
	host := strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(host); host == "localhost" || err == nil && addr.Unmap().IsLoopback() {
		host = "loopback"
	}
	return host + ":" + cmp.Or(u.Port(), "80")
}

// EscapedPath returns the mount's path as it stands in a URL: what may be in a
// path (RFC 3986 section 3.3) as it is, so that Judge finds the mount again,
// and all else percent-encoded. net/url would escape parentheses too.
func (m *Mount) EscapedPath() string {
	var b strings.Builder
	for i := range len(m.Path) {
		if c := m.Path[i]; classes[c] == classPchar {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

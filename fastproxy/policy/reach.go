package policy

import (
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
		if m.Upstream != upstream {
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
	whole := false
	rule := ""
	for i := range t.mounts {
		m := &t.mounts[i]
		if m.Upstream != upstream {
			continue
		}
		if text := m.Rule.String(); rule == "" {
			rule = text
		} else if text != rule {
			return false
		}
		whole = whole || m.UpstreamPath == "/"
	}
	return whole
}

// EscapedPath returns the mount's path as a browser writes it.
func (m *Mount) EscapedPath() string { return (&url.URL{Path: m.Path}).EscapedPath() }

package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Mount is a part of the path space that one rule covers and one upstream serves.
type Mount struct {
	Path         string // decoded UTF-8, begins and ends with "/"
	Upstream     string // which upstream, as the caller names it
	UpstreamPath string // put before what follows the mount, as sent; begins and ends with "/"; "" means "/"
	Rule         Rule
}

// Table holds all mounts. It never changes: many goroutines may use it.
type Table struct {
	mounts   []Mount // sorted by Path
	byPath   map[string]entry
	depth    int  // segments of the deepest entry
	nonASCII bool // some mount's path is not all ASCII
	servers  map[string]sharing
}

// entry is what a path without its last slash leads to.
type entry struct {
	mount int  // index into mounts, or own
	exact bool // only the path itself, nothing beneath it
}

const (
	none = -1 // no mount, nothing of ours
	own  = -2 // answered by the proxy itself
)

// ownPaths are the proxy's own, and what lies beneath /.fastproxy.
var ownPaths = map[string]entry{
	"/login":      {own, true},
	"/logout":     {own, true},
	"/callback":   {own, true},
	"/.fastproxy": {own, false},
}

// NewTable makes the table of these mounts. It reports all faults at once: a
// path that is not well formed, that two mounts share, or that is the proxy's
// own.
func NewTable(mounts []Mount) (*Table, error) {
	t := &Table{mounts: slices.Clone(mounts), byPath: make(map[string]entry)}
	for path, e := range ownPaths {
		t.add(path, e)
	}
	slices.SortFunc(t.mounts, func(a, b Mount) int { return cmp.Compare(a.Path, b.Path) })
	var faults []error
	for i := range t.mounts {
		m := &t.mounts[i]
		m.UpstreamPath = cmp.Or(m.UpstreamPath, "/")
		if err := t.check(m); err != nil {
			faults = append(faults, fmt.Errorf("policy: mount path %q: %w", m.Path, err))
			continue
		}
		t.add(keyOf(m.Path), entry{mount: i})
		t.nonASCII = t.nonASCII || !isASCII(m.Path)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	t.share()
	return t, nil
}

// Mounts returns a copy of all mounts, sorted by path.
func (t *Table) Mounts() []Mount { return slices.Clone(t.mounts) }

func (t *Table) add(key string, e entry) {
	t.byPath[key] = e
	t.depth = max(t.depth, strings.Count(key, "/"))
}

// keyOf returns a mount's path as byPath holds it.
func keyOf(path string) string { return strings.TrimSuffix(path, "/") }

// check says what is wrong with a mount that is not yet in the table.
func (t *Table) check(m *Mount) error {
	if err := checkMountPath(m.Path); err != nil {
		return err
	}
	if isOwnRoot(m.Path) {
		return errors.New("found a path of fastproxy's own")
	}
	if _, taken := t.byPath[keyOf(m.Path)]; taken {
		return errors.New("found it twice")
	}
	if !isUpstreamPath(m.UpstreamPath) {
		return fmt.Errorf("upstream path: found %q, want a path that begins and ends with a slash, percent-encoded where need be", m.UpstreamPath)
	}
	return nil
}

func checkMountPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/"):
		return errors.New("want a slash at both ends")
	case strings.Contains(path, "//"):
		return errors.New("found an empty segment")
	case !utf8.ValidString(path):
		return errors.New("found bytes that are not UTF-8")
	case strings.Contains(path, "%"):
		return errors.New(`found "%", want the path decoded`)
	case strings.ContainsAny(path, `\;?#`):
		return errors.New(`found one of \ ; ? #, which servers read in different ways`)
	case strings.Contains(path, "/./") || strings.Contains(path, "/../"):
		return errors.New("found a dot segment")
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return errors.New("found a control character")
	}
	return nil
}

// isOwnRoot reports whether path lies on or beneath one of our own.
func isOwnRoot(path string) bool {
	for p := range ownPaths {
		if strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

func isUpstreamPath(path string) bool {
	_, _, err := cutPath([]byte(path))
	if err != nil || !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") || strings.Contains(path, "?") {
		return false
	}
	_, err = read([]byte(path), new(space))
	return err == nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// place is where a path leads.
type place struct {
	mount  int  // index, none or own
	length int  // bytes of the path up to and with the mount's last slash
	bare   bool // the path is the mount without its last slash
}

// find returns the place of a path, which begins with a slash: that of the
// longest entry. It looks at no more segments than entries have.
func (t *Table) find(path []byte) place {
	best := place{mount: none}
	end := 0 // of the prefix in question, without its slash
	for range t.depth + 1 {
		whole := end == len(path)
		if e, ok := t.byPath[string(path[:end])]; ok && (whole || !e.exact) {
			best = place{mount: e.mount, length: min(end+1, len(path)), bare: whole}
		}
		if whole {
			break
		}
		if next := bytes.IndexByte(path[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(path)
		}
	}
	return best
}

package policy

import (
	"fmt"
	"strings"
)

// Detours lists, in words for the start-up lines and check, the ways round a
// rule that the mounts themselves leave: two mounts of one upstream where the
// pages of one can be had through the other, whose rule is not the same. Empty
// is good. What a mount serves is known from its UpstreamPath alone.
func (t *Table) Detours() []string {
	var list []string
	for i := range t.mounts {
		for j := range t.mounts {
			guarded, through := &t.mounts[i], &t.mounts[j]
			if i == j || !opens(through, guarded) {
				continue
			}
			path := through.Path + strings.TrimPrefix(guarded.UpstreamPath, through.UpstreamPath)
			decoded, err := DecodeOnce(nil, []byte(path))
			if err == nil && t.find(decoded).mount == j {
				list = append(list, fmt.Sprintf(
					"%s (%s) serves the pages of %s (%s) too, as %s: give %s its own upstream or upstream_path",
					through.Path, through.Rule.String(), guarded.Path, guarded.Rule.String(), path, through.Path))
			}
		}
	}
	return list
}

// opens reports whether through reaches what guarded serves, under a rule that
// may let others in.
func opens(through, guarded *Mount) bool {
	if !sameServer(through.Upstream, guarded.Upstream) || !strings.HasPrefix(guarded.UpstreamPath, through.UpstreamPath) {
		return false
	}
	switch a, b := through.Rule.String(), guarded.Rule.String(); {
	case a == b, guarded.Rule.Public, a == nobody:
		return false
	case guarded.Rule.SignedIn:
		return through.Rule.Public
	}
	return true
}

package config

import (
	"slices"
	"strings"
)

// nearest returns names ordered by how much they look like s.
func nearest(s string, names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	slices.SortStableFunc(sorted, func(a, b string) int { return distance(s, a) - distance(s, b) })
	return sorted
}

// looksLike returns the name that s is probably a misspelling of, or "".
func looksLike(s string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	best := nearest(s, names)[0]
	if d := distance(s, best); d > 2 || d*3 > len(best) {
		return ""
	}
	return best
}

// distance counts the edits between a and b, letters' case aside: a letter
// more, less, changed, or two neighbours swapped (optimal string alignment).
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	const longest = 64 // no setting has a longer name; keeps hostile keys cheap
	if len(a) > longest {
		a = a[:longest]
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

package config

import "fmt"

// Node is a YAML value that its field's owner reads itself, with the place to
// name in an error. In a struct it takes whatever was written under its key.
type Node struct {
	Value any // nil, bool, string, int64, uint64, float64, []any or map[string]any
	File  string
	Line  int
}

// IsZero reports whether nothing was written there.
func (n Node) IsZero() bool { return n.File == "" && n.Value == nil }

// Where returns "fastproxy.yml:12".
func (n Node) Where() string { return fmt.Sprintf("%s:%d", n.File, n.Line) }

// mostValues bounds what aliases of aliases can unfold to.
const mostValues = 10_000

// plain unfolds t into Go values. left counts down; at 0 it returns false.
func (t *tree) plain(left *int) (any, bool) {
	if *left--; *left < 0 {
		return nil, false
	}
	switch t.kind {
	case isScalar:
		return t.value, true
	case isList:
		list := make([]any, 0, len(t.items))
		for _, item := range t.items {
			v, ok := item.plain(left)
			if !ok {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	case isMap:
		group := make(map[string]any, len(t.keys))
		for _, e := range t.keys {
			v, ok := e.value.plain(left)
			if !ok {
				return nil, false
			}
			group[e.key] = v
		}
		return group, true
	}
	return nil, true
}

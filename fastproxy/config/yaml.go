package config

import (
	"errors"
	"fmt"
	"regexp"

	// goccy/go-yaml: gives the tree with a line for every key, is maintained,
	// and needs nothing else. Only its parser is used: its decoder's errors
	// quote the source, which may hold secrets.
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// tree is one value of a YAML file.
type tree struct {
	kind  treeKind
	line  int
	text  string // a scalar as it is written, without quotes
	value any    // a scalar as YAML 1.2's core schema reads it
	items []*tree
	keys  []entry
}

type entry struct {
	key   string
	line  int
	value *tree
}

type treeKind uint8

const (
	isNull treeKind = iota
	isScalar
	isList
	isMap
)

func (k treeKind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a group of keys"}[k]
}

// yamlError is a problem at a line; its text never quotes the source.
type yamlError struct {
	line int
	text string
}

func (e *yamlError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// The parser quotes keys, and single characters, in a few of its messages.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"|'.{5,}'`)

// parseYAML returns the file's one document; nil when it is empty.
func parseYAML(b []byte) (*tree, error) {
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	g := grower{anchors: map[string]*tree{}}
	var root *tree
	for _, doc := range f.Docs {
		if doc == nil || doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		t, err := g.grow(doc.Body, 1, 0)
		if err != nil {
			return nil, err
		}
		if root != nil {
			return nil, &yamlError{t.line, "found a second document, want one"}
		}
		root = t
	}
	return root, nil
}

func syntaxError(err error) error {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return &yamlError{1, "found text that is not YAML"}
	}
	line := 1
	if tk := ye.GetToken(); tk != nil && tk.Position != nil {
		line = tk.Position.Line
	}
	return &yamlError{line, "found text that is not YAML: " + quoted.ReplaceAllString(ye.GetMessage(), "…")}
}

// grower turns the parser's tree into ours, anchors resolved.
type grower struct{ anchors map[string]*tree }

// deepest is far beyond any settings file; it bounds recursion.
const deepest = 50

func (g *grower) grow(n ast.Node, line, depth int) (*tree, error) {
	if n == nil {
		return &tree{line: line}, nil
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		line = tk.Position.Line
	}
	if depth > deepest {
		return nil, &yamlError{line, "found lists or groups nested too deeply"}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &tree{line: line}, nil
	case *ast.LiteralNode:
		return &tree{kind: isScalar, line: line, text: n.Value.Value, value: n.Value.Value}, nil
	case *ast.StringNode:
		return &tree{kind: isScalar, line: line, text: n.Value, value: n.Value}, nil
	case *ast.SequenceNode:
		return g.list(n, line, depth)
	case *ast.MappingNode:
		return g.group(n.Values, line, depth)
	case *ast.MappingValueNode:
		return g.group([]*ast.MappingValueNode{n}, line, depth)
	case *ast.AnchorNode:
		t, err := g.grow(n.Value, line, depth+1)
		if err == nil {
			g.anchors[n.Name.GetToken().Value] = t
		}
		return t, err
	case *ast.AliasNode:
		if t := g.anchors[n.Value.GetToken().Value]; t != nil {
			return t, nil
		}
		return nil, &yamlError{line, "found an alias (*name) without its anchor (&name) above it"}
	case *ast.TagNode:
		return nil, &yamlError{line, "found a tag (!…), want a plain value; quotes make it a text"}
	case ast.ScalarNode: // numbers and booleans keep the spelling for text settings
		return &tree{kind: isScalar, line: line, text: n.GetToken().Value, value: n.GetValue()}, nil
	}
	return nil, &yamlError{line, "found YAML that settings do not use"}
}

func (g *grower) list(n *ast.SequenceNode, line, depth int) (*tree, error) {
	t := &tree{kind: isList, line: line}
	for _, v := range n.Values {
		item, err := g.grow(v, line, depth+1)
		if err != nil {
			return nil, err
		}
		t.items = append(t.items, item)
	}
	return t, nil
}

func (g *grower) group(values []*ast.MappingValueNode, line, depth int) (*tree, error) {
	t := &tree{kind: isMap, line: line}
	seen := map[string]bool{}
	for i, mv := range values {
		at := line
		tk := mv.Key.GetToken()
		if tk != nil && tk.Position != nil {
			at = tk.Position.Line
		}
		if i == 0 {
			t.line = at
		}
		if !isName(mv.Key) {
			return nil, &yamlError{at, "found a key that is not a plain name; merging (<<) is not read"}
		}
		if seen[tk.Value] {
			return nil, &yamlError{at, "found the same key twice in one group"}
		}
		seen[tk.Value] = true
		v, err := g.grow(mv.Value, at, depth+1)
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, entry{tk.Value, at, v})
	}
	return t, nil
}

func isName(key ast.Node) bool {
	switch key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	}
	return false
}

// get returns the entry of a key, or nil.
func (t *tree) get(key string) *entry {
	if t == nil {
		return nil
	}
	for i := range t.keys {
		if t.keys[i].key == key {
			return &t.keys[i]
		}
	}
	return nil
}

package config

import (
	"errors"
	"fmt"
	"reflect"
)

// fromYAML sets the leaf f from t, which is not null.
func (l *loader) fromYAML(f field, t *tree) {
	if node, ok := f.pointer().(*Node); ok {
		l.fillNode(f, node, t)
		return
	}
	if f.value.Kind() == reflect.Slice && f.value.Type().Elem().Kind() == reflect.Struct && !isValue(f.value.Type().Elem()) {
		l.fillList(f, t)
		return
	}
	switch t.kind {
	case isScalar:
		if t.text == "" {
			return // as an empty variable: not set
		}
		if err := setText(f.pointer(), t.text); err != nil {
			l.wrong(f, t.text, err)
		}
	case isList:
		items, err := scalars(t)
		if err == nil {
			err = setItems(f.pointer(), items)
		}
		if bad := (*itemError)(nil); errors.As(err, &bad) {
			l.wrong(f, bad.item, err)
		} else if err != nil {
			l.problems.Add(f.path, l.origins.Where(f.path), "found %s, %s", t.kind, f.wanted(err))
		}
	case isMap:
		pairs, err := scalarPairs(t)
		if err == nil {
			err = setPairs(f.pointer(), pairs)
		}
		if err != nil {
			l.problems.Add(f.path, l.origins.Where(f.path), "found %s, %s", t.kind, f.wanted(err))
		}
	}
}

func (l *loader) fillNode(f field, node *Node, t *tree) {
	left := mostValues
	v, ok := t.plain(&left)
	if !ok {
		l.problems.Add(f.path, l.origins.Where(f.path), "found aliases that unfold to more than %d values", mostValues)
		return
	}
	*node = Node{Value: v, File: l.src.YAMLFile, Line: t.line}
}

// fillList fills a slice of structs.
func (l *loader) fillList(f field, t *tree) {
	if t.kind != isList {
		l.problems.Add(f.path, l.origins.Where(f.path), "found %s, want a list", t.kind)
		return
	}
	list := reflect.MakeSlice(f.value.Type(), len(t.items), len(t.items))
	for i, item := range t.items {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		at := place{file: l.src.YAMLFile, line: item.line, kind: inYAML}
		l.origins.note(path, at)
		if item.kind != isMap {
			l.problems.Add(path, at.where(path), "found %s, want a group of keys", item.kind)
			continue
		}
		l.group(path, list.Index(i), item)
	}
	f.value.Set(list)
}

func scalars(t *tree) ([]string, error) {
	items := []string{}
	for _, item := range t.items {
		if item.kind == isMap { // goccy reads http://… in a list within braces as a key and its value
			return nil, errors.New("want a list of single values; within { } put URLs in quotes")
		}
		if item.kind != isScalar {
			return nil, errors.New("want a list of single values")
		}
		items = append(items, item.text)
	}
	return items, nil
}

func scalarPairs(t *tree) (map[string]string, error) {
	pairs := map[string]string{}
	for _, e := range t.keys {
		if e.value.kind != isScalar {
			return nil, errors.New("want a single value behind each key")
		}
		pairs[e.key] = e.value.text
	}
	return pairs, nil
}

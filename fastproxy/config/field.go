package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"fastproxy/fastproxy/secret"
)

// field is one field of a settings struct, or a group of them.
type field struct {
	path, key string
	env       []string
	def       string
	want, doc string
	file      bool // NAME_FILE is read too
	secret    bool
	leaf      bool // a setting, not a group
	value     reflect.Value
}

// fieldsOf lists the fields of the struct v that have a yaml tag.
func fieldsOf(path string, v reflect.Value) []field {
	var list []field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key := sf.Tag.Get("yaml")
		if key == "" {
			continue
		}
		f := field{
			path: join(path, key), key: key, env: SplitList(sf.Tag.Get("env")),
			def: sf.Tag.Get("default"), want: sf.Tag.Get("want"), doc: sf.Tag.Get("doc"),
			secret: sf.Type == secretType, leaf: isValue(sf.Type), value: v.Field(i),
		}
		f.file = f.secret || sf.Tag.Get("file") != ""
		list = append(list, f)
	}
	return list
}

func (f field) pointer() any { return f.value.Addr().Interface() }

func (f field) wanted(err error) string {
	if f.want != "" {
		return "want " + f.want
	}
	return err.Error()
}

// Setting describes one setting of a struct, for a table or a report.
type Setting struct {
	Path    string   // "session.idle"
	Env     []string // the variables, first the one to write
	Default string
	Doc     string
	Want    string
	Secret  bool
	File    bool   // NAME_FILE is read too
	Value   string // as one would write it; "(hidden)" for a secret; "" when empty
}

// Describe lists the settings of the struct that src points to, in the order
// of its fields. Slices of structs and Nodes count as one setting each, with
// no Value.
func Describe(src any) []Setting { return describe("", reflect.ValueOf(src).Elem()) }

func describe(path string, v reflect.Value) []Setting {
	var list []Setting
	for _, f := range fieldsOf(path, v) {
		if !f.leaf {
			list = append(list, describe(f.path, f.value)...)
			continue
		}
		list = append(list, Setting{f.path, f.env, f.def, f.doc, f.want, f.secret, f.file, show(f.value.Interface())})
	}
	return list
}

func show(v any) string {
	switch v := v.(type) {
	case secret.Text:
		return v.String()
	case time.Duration:
		return FormatDuration(v)
	case []string:
		return strings.Join(v, ",")
	case []netip.Prefix:
		items := make([]string, len(v))
		for i, p := range v {
			items[i] = p.String()
		}
		return strings.Join(items, ",")
	case map[string]string:
		var items []string
		for k, val := range v {
			items = append(items, k+"="+val)
		}
		slices.Sort(items)
		return strings.Join(items, ",")
	}
	if k := reflect.ValueOf(v).Kind(); k == reflect.Slice || k == reflect.Struct {
		return ""
	}
	return fmt.Sprint(v)
}

// FormatDuration is the shortest notation that ParseDuration reads back: 7d,
// 12h, 1h30m.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 && d/day <= 1<<16-1 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

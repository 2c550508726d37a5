// Package config fills structs from a YAML file, a .env file and the
// environment, says where each value came from, and reports everything that
// is wrong at once. It knows nothing of what the settings mean.
//
// Fields carry tags:
//
//	yaml:"idle"          the key; a nested struct is a group of keys
//	env:"NAME,ALIAS"     the variables; the first that is set counts
//	default:"12h"        in the same notation as a variable
//	want:"a port number" for the message, in place of the kind's own words
//	file:"also"          NAME_FILE names a file that holds the value;
//	                     fields of type secret.Text have it without saying so
//	doc:"..."            one line for Describe
//
// Kinds: string, bool, int, time.Duration (Go's notation and days: 7d),
// []string and []netip.Prefix (YAML lists, or text split at commas),
// map[string]string (YAML groups, or name=value split at commas),
// secret.Text, Node, encoding.TextUnmarshaler (whose error says what is
// wanted), and slices of structs (YAML lists of groups). Text is trimmed and
// must be UTF-8 without control characters, secrets aside.
package config

import (
	"fmt"
	"reflect"
	"strings"

	"fastproxy/fastproxy/secret"
)

// Load fills the struct that dst points to. The environment wins over .env,
// .env over YAML, YAML over defaults; an empty variable and a YAML null count
// as not set. The error is nil or *Errors with every problem, and dst then
// holds defaults in place of what could not be read. No message holds a
// secret or quotes the YAML file.
func Load(dst any, src Source) (Origins, error) {
	l := &loader{src: src}
	l.origins.names = map[string]string{}
	l.readDotenv()
	l.vars = l.variables()
	root := l.readYAML()
	if root != nil && root.kind != isMap && root.kind != isNull {
		where := fmt.Sprintf("%s:%d", src.YAMLFile, root.line)
		l.problems.Add("", where, "found %s, want groups of settings", root.kind)
		root = nil
	}
	l.group("", reflect.ValueOf(dst).Elem(), root)
	l.findUnread(dst)
	return l.origins, l.problems.Err()
}

type loader struct {
	src      Source
	dotenv   []Variable
	vars     map[string]variable
	origins  Origins
	problems Errors
}

// group fills the struct v from t, which may be nil.
func (l *loader) group(path string, v reflect.Value, t *tree) {
	var known []string
	for _, f := range fieldsOf(path, v) {
		known = append(known, f.key)
		e := t.get(f.key)
		if !f.leaf {
			l.subgroup(f, e)
			continue
		}
		var file *entry
		if f.file {
			known = append(known, f.key+"_file")
			file = t.get(f.key + "_file")
		}
		l.setting(f, e, file)
	}
	if t == nil {
		return
	}
	for _, e := range t.keys {
		if !contains(known, e.key) {
			where := fmt.Sprintf("%s:%d", l.src.YAMLFile, e.line)
			l.problems.Add("", where, "unknown key %s, want one of %s",
				Quote(join(path, e.key)), strings.Join(nearest(e.key, known), ", "))
		}
	}
}

func (l *loader) subgroup(f field, e *entry) {
	var t *tree
	if e != nil {
		l.origins.note(f.path, l.line(e))
		switch e.value.kind {
		case isMap:
			t = e.value
		case isNull:
		default:
			l.problems.Add(f.path, l.line(e).where(f.path), "found %s, want a group of keys", e.value.kind)
		}
	}
	l.group(f.path, f.value, t)
}

// setting fills one field: variables first, then YAML (e is its key, file the
// key with _file; either may be nil), then the default.
func (l *loader) setting(f field, e, file *entry) {
	if len(f.env) > 0 {
		l.origins.names[f.path] = f.env[0]
	}
	if f.def != "" {
		if err := setText(f.pointer(), f.def); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", f.path, err))
		}
	}
	if v, ok := l.variable(f); ok {
		l.origins.note(f.path, v.place)
		if f.file && strings.HasSuffix(v.name, "_FILE") && !contains(f.env, v.name) {
			l.fromFile(f, v.place, v.value)
			return
		}
		if err := setText(f.pointer(), v.value); err != nil {
			l.wrong(f, v.value, err)
		}
		return
	}
	switch {
	case e.empty() && file.empty():
	case !e.empty() && !file.empty():
		l.origins.note(f.path, l.line(e))
		l.problems.Add(f.path, l.line(e).where(f.path), "found %s_file too (line %d), want one of the two", f.key, file.line)
	case !file.empty():
		l.origins.note(f.path, l.line(file))
		if file.value.kind != isScalar {
			l.problems.Add(f.path, l.line(file).where(f.path+"_file"), "found %s, want a file's name", file.value.kind)
			return
		}
		l.fromFile(f, l.line(file), file.value.text)
	default:
		l.origins.note(f.path, l.line(e))
		l.fromYAML(f, e.value)
	}
}

// variable finds the variable that sets f: the environment's before .env's,
// then in the order of the tag.
func (l *loader) variable(f field) (found variable, ok bool) {
	for _, name := range f.env {
		v, set := l.vars[name]
		if f.file {
			fv, fset := l.vars[name+"_FILE"]
			if set && fset {
				l.problems.Add(f.path, v.where(f.path), "found %s too (%s), want one of the two", fv.name, fv)
			}
			if !set {
				v, set = fv, fset
			}
		}
		if set && (!ok || v.kind > found.kind) {
			found, ok = v, true
		}
	}
	return found, ok
}

func (l *loader) fromFile(f field, p place, name string) {
	text, err := l.src.readSecret(strings.TrimSpace(name))
	if err != nil {
		where := p.where(f.path)
		if p.kind == inYAML {
			where += "_file"
		}
		l.problems.Add(f.path, where, "%s: %v", Quote(name), err)
		return
	}
	if err := setText(f.pointer(), text); err != nil {
		l.problems.Add(f.path, p.where(f.path), "found a value that does not fit, %s", f.wanted(err))
	}
}

func (l *loader) wrong(f field, found string, err error) {
	if f.secret {
		l.problems.Add(f.path, l.origins.Where(f.path), "found a value that does not fit, %s", f.wanted(err))
		return
	}
	l.problems.Add(f.path, l.origins.Where(f.path), "found %s, %s", Quote(found), f.wanted(err))
}

func (l *loader) line(e *entry) place {
	return place{file: l.src.YAMLFile, line: e.line, kind: inYAML}
}

func (e *entry) empty() bool { return e == nil || e.value.kind == isNull }

// findUnread lists the .env file's variables that no setting reads.
func (l *loader) findUnread(dst any) {
	var known []string
	for _, s := range Describe(dst) {
		known = append(known, s.Env...)
		if s.File {
			for _, name := range s.Env {
				known = append(known, name+"_FILE")
			}
		}
	}
	for _, v := range l.dotenv {
		if !contains(known, v.Name) {
			where := fmt.Sprintf("%s:%d", l.src.EnvFile, v.Line)
			l.origins.unread = append(l.origins.unread, Unread{v.Name, where, looksLike(v.Name, known)})
		}
	}
}

var secretType = reflect.TypeFor[secret.Text]()

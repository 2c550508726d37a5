package config

import (
	"fmt"
	"strings"
)

// place is where a value was written.
type place struct {
	file string // of YAML or .env, as the user named it
	line int
	name string // the variable, or the flag
	kind placeKind
}

type placeKind uint8

const (
	inYAML placeKind = iota
	inDotenv
	inEnvironment
	inFlag
)

func (p place) String() string {
	switch p.kind {
	case inYAML:
		return fmt.Sprintf("%s:%d", p.file, p.line)
	case inDotenv:
		return p.file + " " + p.name
	case inEnvironment:
		return "environment " + p.name
	}
	return p.name
}

// where is how a problem with the setting at path begins.
func (p place) where(path string) string {
	switch p.kind {
	case inYAML:
		return fmt.Sprintf("%s:%d: %s", p.file, p.line, path)
	case inDotenv:
		return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.name)
	case inEnvironment:
		return "environment: " + p.name
	}
	return p.name
}

// Origins says where each setting's value came from. Paths are YAML keys
// joined with dots, list elements are mounts[0]. The zero value knows nothing:
// everything is a default.
type Origins struct {
	at     map[string]place
	names  map[string]string // path -> first variable
	unread []Unread
}

// Unread is a variable of the .env file that no setting reads.
type Unread struct {
	Name  string
	Where string // ".env:4"
	Like  string // the setting's variable that looks most like it, or ""
}

// Of returns "fastproxy.yml:12", ".env SESSION_IDLE", "environment
// SESSION_IDLE", a flag's name, or "default".
func (o Origins) Of(path string) string {
	if p, ok := o.at[path]; ok {
		return p.String()
	}
	return "default"
}

// IsSet reports whether somebody set path. For a variable, empty is not set.
func (o Origins) IsSet(path string) bool {
	_, ok := o.at[path]
	return ok
}

// Where returns how a problem with path begins: file, line and key, or the
// variable. A setting that nobody set is named by its variable, or by the
// nearest group or list element that somebody wrote.
func (o Origins) Where(path string) string {
	if p, ok := o.at[path]; ok {
		return p.where(path)
	}
	if name := o.names[path]; name != "" {
		return "settings: " + name
	}
	for up := path; up != ""; up = parent(up) {
		if p, ok := o.at[up]; ok {
			return p.where(path)
		}
	}
	return "settings: " + path
}

// SetByFlag notes that a command line flag, "--listen", has set path.
func (o *Origins) SetByFlag(path, flag string) {
	o.note(path, place{name: flag, kind: inFlag})
}

// Unread returns the variables of the .env file that no setting reads, in the
// file's order: the original proxies and other programs have some of their own.
func (o Origins) Unread() []Unread { return o.unread }

func (o *Origins) note(path string, p place) {
	if o.at == nil {
		o.at = map[string]place{}
	}
	o.at[path] = p
}

func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

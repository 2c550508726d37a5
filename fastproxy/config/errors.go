package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with the settings.
type Problem struct {
	Path  string // the setting, "session.idle"; "" when it is not about one
	Where string // "fastproxy.yml:12: session.idle"
	Text  string // what was found, what is wanted; never a secret
}

// Errors holds every problem that was found, in the order of finding. The
// zero value is ready. It prints one line for each.
type Errors struct{ list []Problem }

// Add notes a problem. where is what Origins.Where says of path, or a file
// and line.
func (e *Errors) Add(path, where, format string, args ...any) {
	e.list = append(e.list, Problem{path, where, fmt.Sprintf(format, args...)})
}

// Has reports whether something is wrong with path itself, so that checks
// that build on its value can be spared.
func (e *Errors) Has(path string) bool {
	for _, p := range e.list {
		if p.Path == path {
			return true
		}
	}
	return false
}

// List returns the problems. The caller must not change them.
func (e *Errors) List() []Problem { return e.list }

// Err returns e, or nil when there is no problem.
func (e *Errors) Err() error {
	if len(e.list) == 0 {
		return nil
	}
	return e
}

// Error implements error.
func (e *Errors) Error() string {
	lines := make([]string, len(e.list))
	for i, p := range e.list {
		lines[i] = p.Where + ": " + p.Text
	}
	return strings.Join(lines, "\n")
}

// Quote returns s quoted for a problem's text: cut short when long, and
// without bytes that would confuse a terminal.
func Quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
	}
	return fmt.Sprintf("%q", s)
}

// Package secret keeps values that must not be read by accident: Text cannot
// be printed, Key cannot be printed, and Box seals small values so that only
// the holder of the Key can read or make them.
package secret

import "fmt"

const hidden = "(hidden)"

// Text is a string that no formatter, encoder or logger prints: they see
// "(hidden)", or "" when it is empty. The zero value is the empty Text. Two
// Texts of the same string are not == unless one is a copy of the other.
type Text struct {
	// A pointer, because fmt prints unexported fields of other structs without
	// asking their methods, and of a pointer to a string only the address (of
	// one to an array everything, with %s).
	s *string
}

// NewText wraps s.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{s: &s}
}

// Reveal returns the string itself, for the one place that needs it.
func (t Text) Reveal() string {
	if t.s == nil {
		return ""
	}
	return *t.s
}

// IsZero reports whether the text is empty.
func (t Text) IsZero() bool { return t.s == nil }

// String implements fmt.Stringer without telling.
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return hidden
}

// Format implements fmt.Formatter, so that %#v and %x do not tell either.
func (t Text) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// MarshalText implements encoding.TextMarshaler (JSON, YAML, zap) without telling.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the secret from settings.
func (t *Text) UnmarshalText(b []byte) error {
	*t = NewText(string(b))
	return nil
}

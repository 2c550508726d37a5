package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fastproxy/fastproxy/secret"
)

// setText sets the field that p points to from text. The error says what is
// wanted and never holds the text.
func setText(p any, text string) error {
	if s, ok := p.(*secret.Text); ok {
		if !utf8.ValidString(text) {
			return errors.New("want UTF-8")
		}
		*s = secret.NewText(text)
		return nil
	}
	text = strings.TrimSpace(text)
	if !printable(text) {
		return errors.New("want UTF-8 without control characters")
	}
	var err error
	switch p := p.(type) {
	case *string:
		*p = text
	case *bool:
		*p, err = parseBool(text)
	case *int:
		if *p, err = strconv.Atoi(text); err != nil {
			err = errors.New("want a whole number")
		}
	case *time.Duration:
		*p, err = ParseDuration(text)
	case *[]string:
		*p = SplitList(text)
	case *[]netip.Prefix:
		*p, err = parsePrefixes(SplitList(text))
	case *map[string]string:
		*p, err = parsePairs(SplitList(text))
	case encoding.TextUnmarshaler:
		err = p.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: field of type %T: not a kind of setting", p))
	}
	return err
}

// setItems does the same from the elements of a YAML list.
func setItems(p any, items []string) error {
	for i := range items {
		if items[i] = strings.TrimSpace(items[i]); !printable(items[i]) {
			return errors.New("want UTF-8 without control characters")
		}
	}
	var err error
	switch p := p.(type) {
	case *[]string:
		*p = items
	case *[]netip.Prefix:
		*p, err = parsePrefixes(items)
	case *map[string]string:
		*p, err = parsePairs(items)
	default:
		err = errors.New("want a single value")
	}
	return err
}

// setPairs does the same from the keys of a YAML group.
func setPairs(p any, pairs map[string]string) error {
	m, ok := p.(*map[string]string)
	if !ok {
		return errors.New("want a single value or a list")
	}
	for k, v := range pairs {
		if k == "" || !printable(k) || !printable(v) {
			return errors.New("want names and values in UTF-8 without control characters")
		}
	}
	*m = pairs
	return nil
}

// SplitList splits at commas only; spaces around the elements and empty
// elements are dropped.
func SplitList(text string) []string {
	var list []string
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// ParseDuration reads Go's notation (1h30m) and days before it: 7d, 1d12h.
func ParseDuration(text string) (time.Duration, error) {
	want := errors.New("want a duration such as 12h, 30m or 7d")
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, want
		}
		return d, nil
	}
	n, err := strconv.ParseUint(days, 10, 16) // 65535 days fit a Duration
	if err != nil {
		return 0, want
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || d+more < d {
		return 0, want
	}
	return d + more, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, errors.New("want true or false")
}

// itemError is what is wanted in place of one element of a list.
type itemError struct {
	item, want string
}

func (e *itemError) Error() string { return e.want }

func parsePrefixes(items []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, s := range items {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, aerr := netip.ParseAddr(s)
			if aerr != nil || a.Zone() != "" {
				return nil, &itemError{s, "want addresses or ranges such as 10.0.0.0/8, separated by commas"}
			}
			a = a.Unmap()
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return nil, &itemError{s, "want IPv4 ranges written as IPv4, such as 10.0.0.0/8"}
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

func parsePairs(items []string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, s := range items {
		k, v, ok := strings.Cut(s, "=")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if _, twice := pairs[k]; !ok || k == "" || twice {
			return nil, errors.New("want name=value,name=value with each name once")
		}
		pairs[k] = v
	}
	return pairs, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0
	})
}

// isValue reports whether a struct field of type t holds one setting, rather
// than a group of them.
func isValue(t reflect.Type) bool {
	return t.Kind() != reflect.Struct || t == reflect.TypeFor[Node]() ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

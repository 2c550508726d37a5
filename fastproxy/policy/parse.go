package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	rulePublic   = "public"
	ruleSignedIn = "signed_in"

	keyGroups = "groups"
	keyUsers  = "users"
	keyEmails = "emails"

	ruleForms = "public, signed_in or {groups: [...], users: [...], emails: [...]}"
)

// ParseRule reads a rule as YAML holds it: "public", "signed_in", or a map of
// groups, users and emails, each a list, or one string that splits at commas
// like every list of the settings. Its errors say what was found and what is
// wanted; where it was found is for the caller to say.
func ParseRule(v any) (Rule, error) {
	switch v := v.(type) {
	case string:
		switch v {
		case rulePublic:
			return Rule{Public: true}, nil
		case ruleSignedIn:
			return Rule{SignedIn: true}, nil
		}
	case map[string]any:
		return parseLists(v)
	}
	return Rule{}, fmt.Errorf("policy: read rule: found %s, want %s", found(v), ruleForms)
}

func parseLists(m map[string]any) (Rule, error) {
	var r Rule
	if len(m) == 0 {
		return r, fmt.Errorf("policy: read rule: found an empty map, want %s", ruleForms)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var list *[]string
		switch key {
		case keyGroups:
			list = &r.Groups
		case keyUsers:
			list = &r.Users
		case keyEmails:
			list = &r.Emails
		default:
			return Rule{}, fmt.Errorf("policy: read rule: unknown key %q, want %s, %s or %s", key, keyGroups, keyUsers, keyEmails)
		}
		names, err := parseNames(m[key])
		if err != nil {
			return Rule{}, fmt.Errorf("policy: read rule: %s: %w", key, err)
		}
		*list = names
	}
	for _, e := range r.Emails {
		if !isEmailPattern(e) {
			return Rule{}, fmt.Errorf(`policy: read rule: emails: found %q, want an address (kim@example.org) or a domain (@example.org)`, e)
		}
	}
	return r, nil
}

func parseNames(v any) ([]string, error) {
	var names []string
	switch v := v.(type) {
	case string:
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	case []string:
		names = slices.Clone(v)
	case []any:
		for _, e := range v {
			name, ok := nameOf(e)
			if !ok {
				return nil, fmt.Errorf("found %s in the list, want names (in quotes if need be)", found(e))
			}
			names = append(names, name)
		}
	default:
		return nil, fmt.Errorf("found %s, want a list of names", found(v))
	}
	if len(names) == 0 {
		return nil, errors.New("found an empty list, want at least one name")
	}
	if slices.Contains(names, "") {
		return nil, errors.New("found an empty name")
	}
	return names, nil
}

// nameOf takes strings, and whole numbers, which some issuers use for groups.
func nameOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64: // what goccy/go-yaml makes of a whole number
		return strconv.FormatUint(v, 10), true
	}
	return "", false
}

func isEmailPattern(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && domain != "" && !strings.ContainsAny(domain, "@*") && local != "*" &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7F })
}

// found describes a value of the settings for an error.
func found(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case []any, []string:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return fmt.Sprintf("%v", v)
}

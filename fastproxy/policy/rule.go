// Package policy says which rule covers a request's target, and whom that rule
// admits. It knows nothing of sessions or connections: bytes and a principal
// go in, a mount and a yes or no come out.
package policy

import (
	"slices"
	"strconv"
	"strings"

	"fastproxy/fastproxy/identity"
)

// Rule says who may enter. Any of its parts admits; the zero Rule admits
// nobody. A machine (client credentials) enters where Public does, else only
// where Users holds its subject: "*", groups and addresses are for people.
type Rule struct {
	Public   bool     // everybody, known or not
	SignedIn bool     // every person who is known
	Users    []string // OIDC subjects, "passwd:kim" for the flat file, "*" for every person who is known
	Groups   []string // exact names
	Emails   []string // "kim@example.org" or "@example.org"; verified addresses only, ASCII case does not count

	// BarePasswdNames lets "kim" in Users mean the flat file's kim too. Set it
	// only where the flat file is the only login: elsewhere an OIDC subject
	// could be spelt the same.
	BarePasswdNames bool
}

// Admits reports whether p may enter; nil is somebody unknown. It allocates
// nothing, never blocks, and may be called by many goroutines.
func (r *Rule) Admits(p *identity.Principal) bool {
	switch {
	case r.Public:
		return true
	case p == nil:
		return false
	case r.namesUser(p):
		return true
	case p.IsClient():
		return false
	}
	return r.SignedIn || r.namesGroup(p.Groups) || r.namesEmail(p)
}

const (
	passwdPrefix = "passwd:"
	nobody       = "nobody" // what String calls the zero Rule
)

func (r *Rule) namesUser(p *identity.Principal) bool {
	flat := p.Method == identity.MethodPasswd
	for _, user := range r.Users {
		name, prefixed := strings.CutPrefix(user, passwdPrefix)
		switch {
		case user == "*":
			if !p.IsClient() {
				return true
			}
		case prefixed: // never an OIDC subject, whatever an issuer calls its users
			if flat && name == p.Subject {
				return true
			}
		case user == p.Subject && (!flat || r.BarePasswdNames):
			return true
		}
	}
	return false
}

func (r *Rule) namesGroup(groups []string) bool {
	for _, g := range r.Groups {
		if slices.Contains(groups, g) {
			return true
		}
	}
	return false
}

func (r *Rule) namesEmail(p *identity.Principal) bool {
	if len(r.Emails) == 0 || p.EmailVerified != identity.VerifiedYes {
		return false
	}
	// The last "@": a quoted local part may hold others (RFC 5321 4.1.2).
	at := strings.LastIndexByte(p.Email, '@')
	if at < 1 {
		return false
	}
	for _, want := range r.Emails {
		switch strings.LastIndexByte(want, '@') {
		case -1:
		case 0:
			if equalFoldASCII(want, p.Email[at:]) {
				return true
			}
		default:
			if equalFoldASCII(want, p.Email) {
				return true
			}
		}
	}
	return false
}

// equalFoldASCII is narrower than strings.EqualFold, to which the Kelvin sign
// is a "k".
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// String returns the rule as one writes it in the settings, "nobody" for one
// that admits nobody.
func (r *Rule) String() string {
	if r.Public {
		return rulePublic
	}
	if r.SignedIn {
		return ruleSignedIn // and whoever else is named is signed in too, or a machine
	}
	var parts []string
	for _, list := range []struct {
		key   string
		names []string
	}{{keyGroups, r.Groups}, {keyUsers, r.Users}, {keyEmails, r.Emails}} {
		if len(list.names) == 0 {
			continue
		}
		quoted := make([]string, len(list.names))
		for i, name := range list.names {
			quoted[i] = scalar(name)
		}
		parts = append(parts, list.key+": ["+strings.Join(quoted, ", ")+"]")
	}
	if parts == nil {
		return nobody
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// scalar quotes what YAML would not read back as this string.
func scalar(s string) string {
	for i := range len(s) {
		letter := 'a' <= lower(s[i]) && lower(s[i]) <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789_-./|@", rune(s[i]))) {
			return strconv.Quote(s)
		}
	}
	switch strings.ToLower(s) {
	case "", "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return strconv.Quote(s)
	}
	return s
}

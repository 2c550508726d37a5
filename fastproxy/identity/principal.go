// Package identity holds who someone is, once proven, and the header bytes
// that say so to Shiny.
package identity

import "strings"

// Method is how a principal proved who they are.
type Method string

const (
	MethodOIDC   Method = "oidc"   // the issuer's word: ID token at login, or a bearer JWT
	MethodPasswd Method = "passwd" // the flat file
)

// Verified is what is known of an e-mail address (OpenID Connect Core 5.1,
// email_verified).
type Verified uint8

const (
	VerifiedUnknown Verified = iota // the claim was not there
	VerifiedYes
	VerifiedNo
)

// Principal is somebody, proven. Method, Issuer and Subject together are who
// it is; the rest is what was said of them at login. It is never changed
// after it was made, so it may be shared.
type Principal struct {
	Method        Method   `json:"m"`
	Issuer        string   `json:"i,omitempty"` // exact, with its slash; empty for MethodPasswd
	Subject       string   `json:"s"`
	Email         string   `json:"e,omitempty"`
	EmailVerified Verified `json:"v,omitempty"`
	Name          string   `json:"n,omitempty"`
	Nickname      string   `json:"k,omitempty"`
	Picture       string   `json:"p,omitempty"`
	Locale        string   `json:"l,omitempty"`
	Groups        []string `json:"g,omitempty"`

	// ClaimKeys are the names of the claims that the token held, kept only
	// when it held no groups, so that the session page can say what was there.
	ClaimKeys []string `json:"c,omitempty"`
}

// Key is (method, issuer, subject): two principals are the same person if and
// only if their keys are equal.
type Key struct {
	Method  Method
	Issuer  string
	Subject string
}

// Key returns who p is.
func (p *Principal) Key() Key { return Key{p.Method, p.Issuer, p.Subject} }

// passwdPrefix tells flat-file people from OIDC subjects in rules.
const passwdPrefix = "passwd:"

// FromPasswd makes the principal of a flat-file user. Groups are copied.
func FromPasswd(user string, groups []string) Principal {
	var set groupSet
	for _, g := range groups {
		set.add(g)
	}
	return Principal{Method: MethodPasswd, Subject: user, Groups: set.list}
}

// RuleName is what a rule's users list calls this principal: the subject, and
// for flat-file people "passwd:" and their name.
func (p *Principal) RuleName() string {
	if p.Method == MethodPasswd {
		return passwdPrefix + p.Subject
	}
	return p.Subject
}

// AppendRuleName is RuleName, appended to b.
func (p *Principal) AppendRuleName(b []byte) []byte {
	if p.Method == MethodPasswd {
		b = append(b, passwdPrefix...)
	}
	return append(b, p.Subject...)
}

// IsClient reports whether the principal is a machine: Auth0 ends the subject
// of a client-credentials token in "@clients".
func (p *Principal) IsClient() bool {
	return p.Method == MethodOIDC && strings.HasSuffix(p.Subject, "@clients")
}

// DisplayName is how a page addresses the principal: by name, else e-mail
// address, else nickname, else subject. It is raw text from outside: escape it.
func (p *Principal) DisplayName() string {
	for _, s := range [...]string{p.Name, p.Email, p.Nickname} {
		if s != "" {
			return s
		}
	}
	return p.Subject
}

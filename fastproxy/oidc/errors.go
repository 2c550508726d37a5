package oidc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fastproxy/jwks"
)

// Kind is why somebody could not sign in, in the words that a page or a log
// needs.
type Kind uint8

const (
	KindUnknown      Kind = iota
	KindUnavailable       // the issuer does not answer, or not with sense: try again later
	KindRefused           // the issuer said no: an *IDPError
	KindAttempt           // the attempt is too old, or there is no code to redeem: start again
	KindAlgorithm         // the ID token is signed with something else than RS256 or ES256: a *jwks.AlgorithmError
	KindClock             // the clocks of issuer and this machine differ: a *ClockError
	KindToken             // the ID token is not for us, or forged
	KindOrganization      // the person signed in with another organization
	KindSubject           // the person's sub cannot be used
)

// String returns a word for logs and metrics.
func (k Kind) String() string {
	words := [...]string{"unknown", "unavailable", "refused", "attempt", "algorithm", "clock", "token", "organization", "subject"}
	return words[k]
}

// ErrUnavailable is in every error of KindUnavailable.
var ErrUnavailable = errors.New("oidc: the issuer is unavailable")

// KindOf returns the kind of an error of this package.
func KindOf(err error) Kind {
	var f *failure
	var refused *IDPError
	var clock *ClockError
	var algorithm *jwks.AlgorithmError
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, jwks.ErrUnavailable):
		return KindUnavailable
	case errors.As(err, &refused):
		return KindRefused
	case errors.As(err, &clock):
		return KindClock
	case errors.As(err, &algorithm):
		return KindAlgorithm
	case errors.As(err, &f):
		return f.kind
	}
	return KindUnknown
}

// failure is an error with a kind.
type failure struct {
	kind Kind
	err  error
}

func (f *failure) Error() string { return "oidc: " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail makes an error of a kind. Arguments must not come from a token, but for
// times.
func fail(kind Kind, reason string, args ...any) error {
	return &failure{kind, fmt.Errorf(reason, args...)}
}

func unavailable(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{ErrUnavailable}, args...)...)
}

// ClockError says that an ID token made a moment ago is of another time.
type ClockError struct {
	Claim string    // exp, iat, nbf or auth_time
	There time.Time // what the claim says, by the issuer's clock
	Here  time.Time // this machine's clock
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("oidc: check ID token: claim %s is %s, and here it is %s (clocks may differ by %v)",
		e.Claim, e.There.UTC().Format(time.RFC3339), e.Here.UTC().Format(time.RFC3339), jwks.DefaultLeeway)
}

// IDPError is the issuer's own no (RFC 6749 sections 4.1.2.1 and 5.2, OpenID
// Connect Core 3.1.2.6). Both fields may hold anything that a stranger wrote
// into a link.
type IDPError struct {
	Code        string // such as access_denied
	Description string // for people; may be empty
}

func (e *IDPError) Error() string {
	text := "oidc: the issuer refused: " + e.SafeCode()
	if d := e.SafeDescription(); d != "" {
		text += ": " + d
	}
	return text
}

// SafeCode returns Code if it is a plain word, else "unknown_error".
func (e *IDPError) SafeCode() string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.'
	}
	if e.Code == "" || len(e.Code) > 64 || strings.ContainsFunc(e.Code, func(r rune) bool { return !plain(r) }) {
		return "unknown_error"
	}
	return e.Code
}

// SafeDescription returns Description as one line of at most 300 bytes.
func (e *IDPError) SafeDescription() string { return line(e.Description, 300) }

// line cuts text to one printable line of at most limit bytes.
func line(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.TrimSpace(text)
}

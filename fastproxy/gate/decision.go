package gate

import (
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/session"
)

// Request is what counts of a request. All bytes are borrowed for the call.
type Request struct {
	Rule *policy.Rule // of the mount; nil admits nobody

	// Cookies are the values of our session cookies in their order, as many
	// as NumCookies says, without gaps.
	Cookies    [session.ValuesMax][]byte
	NumCookies int
	// CookieConflict says that two cookies had one name: then none counts, as
	// one of them may have been planted by another host of the domain.
	CookieConflict bool

	// Bearer is the token of "Authorization: Bearer". Where HasBearer, it
	// alone counts, good or bad.
	Bearer    []byte
	HasBearer bool

	Now time.Time
}

// Verdict is what is to be done with a request.
type Verdict uint8

const (
	SignIn      Verdict = iota // nobody is proven: no, a bad, an expired or an ended credential
	Forbid                     // somebody is proven, and the rule does not admit them
	Allow                      // go on; where the rule is public, perhaps with nobody proven
	Unavailable                // the issuer's keys cannot be fetched: ask again later (503)
)

// String returns the verdict for logs.
func (v Verdict) String() string {
	switch v {
	case Forbid:
		return "forbid"
	case Allow:
		return "allow"
	case Unavailable:
		return "unavailable"
	}
	return "sign_in"
}

// Credential is a way to prove who one is.
type Credential uint8

const (
	None Credential = iota
	Cookie
	Bearer
)

// String returns the credential for logs.
func (c Credential) String() string {
	switch c {
	case Cookie:
		return "cookie"
	case Bearer:
		return "bearer"
	}
	return "none"
}

// Decision is the gate's answer. What it points to is shared and must not be
// written to; it may be kept. The zero Decision lets nobody in.
type Decision struct {
	Verdict Verdict

	// Credential is what was shown and looked at, proof or not: an
	// Authorization that was looked at is not passed on.
	Credential Credential

	Principal *identity.Principal // who it is; nil: nobody is proven
	Headers   []byte              // the lines that tell Shiny, as identity.AppendHeaders writes them
	Session   *session.Session    // as it began; nil without a good cookie
	Live      *session.Live       // to bind streams to; nil without a good cookie
	Expires   time.Time           // when the credential ends at the latest

	// Reason is one of the fixed words below: why not, or with Allow why
	// nobody is proven. Else "".
	Reason string
}

// Reasons, for audit.
const (
	ReasonNoCredential      = "no_credential"
	ReasonCookieConflict    = "cookie_conflict"
	ReasonBadCookie         = "bad_cookie"
	ReasonExpired           = "expired"
	ReasonIdle              = "idle"
	ReasonEnded             = "ended"
	ReasonPasswordChanged   = "password_changed"
	ReasonIssuerChanged     = "issuer_changed" // the cookie is of another issuer than the one in force
	ReasonLoginRemoved      = "login_removed"  // the cookie is of a login method that is no longer set
	ReasonBadToken          = "bad_token"
	ReasonBearerNotAccepted = "bearer_not_accepted" // no audience is set
	ReasonKeysUnavailable   = "keys_unavailable"
	ReasonNotAdmitted       = "not_admitted"
	ReasonClientsNotNamed   = "clients_not_named" // a machine, and the rule does not name it
)

// reasonOf is the reason that a session's ending gives.
func reasonOf(why session.Why) string {
	switch why {
	case session.WhyExpired:
		return ReasonExpired
	case session.WhyIdle:
		return ReasonIdle
	case session.WhyPasswordChanged:
		return ReasonPasswordChanged
	}
	return ReasonEnded
}

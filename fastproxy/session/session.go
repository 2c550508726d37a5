// Package session holds a stay: somebody who signed in, until they leave.
//
// The cookie is the session as it began (Sealer). What happened since is a
// Live, one per session and process, kept by a Store with a journal on disk:
// ended or not, and when last active. A Registry binds the streams that people
// hold open to their Lives, so that an ending closes them at once.
//
// Who asks whether a session still holds asks its Live, every time.
package session

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"fastproxy/fastproxy/identity"
)

// ID names a session. It is no credential: the cookie is sealed, and an ID
// alone opens nothing.
type ID [16]byte

// NewID returns a random ID.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails since Go 1.24
	return id
}

// ParseID reads what String wrote.
func ParseID(s string) (id ID, err error) {
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("session: read id: found %d characters, want %d hex digits", len(s), 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("session: read id: found other characters than hex digits")
	}
	return id, nil
}

// String returns 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Session is a stay as it began. It is never changed after it was made, so it
// may be shared. Times are kept in whole seconds.
type Session struct {
	ID        ID
	IssuedAt  time.Time
	Expires   time.Time // the last moment, whatever happens
	Principal identity.Principal
	SID       string // the OIDC claim sid: the stay at the issuer, for its logout; or ""
	Line      string // flat-file people: the fingerprint of their line at login; or ""
}

// New returns a session of p that begins now and ends after stay at the
// latest. SID and Line are for the caller to fill in before it is shared.
func New(p identity.Principal, now time.Time, stay time.Duration) Session {
	begin := now.Truncate(time.Second)
	return Session{ID: NewID(), IssuedAt: begin, Expires: begin.Add(stay), Principal: p}
}

// Why says in a fixed word why a session or a stream ended, for audit.
type Why string

const (
	WhyLogout          Why = "logout"
	WhyExpired         Why = "expired"          // its last moment has come
	WhyIdle            Why = "idle"             // nobody there for too long
	WhyPasswordChanged Why = "password_changed" // the flat file's line was changed or removed
	WhyRuleChanged     Why = "rule_changed"     // the rule admits them no more
	WhyAdmin           Why = "admin"            // an operator's word
	WhyShutdown        Why = "shutdown"         // streams only: the process leaves, sessions stay

	whyOther Why = "other" // a word that the journal cannot hold
)

// ErrEnded is the answer of Registry.Bind for a session that is over.
var ErrEnded = errors.New("session: ended")

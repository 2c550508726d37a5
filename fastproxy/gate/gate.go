// Package gate turns a request's facts into a Decision: who is this, and may
// they enter.
//
// What a credential proves is remembered, together with the header bytes that
// say so to Shiny; the session's Live and the rule are asked every time. So an
// ending and a changed rule bite at once, and a request by somebody known
// costs a hash and a few compares.
package gate

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"fastproxy/cache"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
)

// Verifier says whether a bearer token is genuine and for us. Its errors are
// jwks.ErrInvalid for a token that was judged and refused; any other error
// means that it could not be judged now.
type Verifier interface {
	Verify(ctx context.Context, token string) (claims map[string]any, expires time.Time, err error)
}

// Config is what a Gate is made of. It is not changed afterwards.
type Config struct {
	Entries int // how many credentials are remembered; 0: 65536
	Sealer  *session.Sealer
	Store   session.Store

	// Bearer judges tokens; nil: none is accepted.
	Bearer Verifier
	// Issuer is the one whose people may enter: exact, with its slash. Cookies
	// of another issuer do not count, nor of any where it is "".
	Issuer      string
	GroupsClaim string // for bearer tokens; see identity.FromClaims

	// PasswdFingerprint returns the fingerprint of a user's line in the flat
	// file as it is now, and whether there is one. It must not block. nil: no
	// flat file; its people's cookies do not count.
	PasswdFingerprint func(user string) (string, bool)
	// PasswdGroups returns the groups a user of the flat file is in now; they
	// count instead of those at sign-in. It must not block. nil: no groups file.
	PasswdGroups func(user string) []string
}

// Gate decides. It is safe for use by many goroutines.
type Gate struct {
	config Config
	memos  *cache.Cache[*memo]
	epoch  atomic.Uint64

	// held is called by tests between proof and memory.
	held func()
}

// memo is what a credential proved. It is shared and never changed.
type memo struct {
	credential Credential
	principal  *identity.Principal
	headers    []byte
	session    *session.Session // nil for a bearer
	live       *session.Live    // nil for a bearer
	expires    time.Time
}

// New returns a gate. The caller closes it when no request is under way.
func New(config Config) (*Gate, error) {
	if config.Entries == 0 {
		config.Entries = 1 << 16
	}
	if config.Sealer == nil || config.Store == nil {
		return nil, fmt.Errorf("gate: make gate: want a sealer and a store")
	}
	memos, err := cache.New[*memo](config.Entries)
	if err != nil {
		return nil, fmt.Errorf("gate: make gate: %w", err)
	}
	return &Gate{config: config, memos: memos}, nil
}

// BumpEpoch makes every credential prove itself anew: after the flat file or
// the issuer's keys changed. What is being proven meanwhile is not remembered.
func (g *Gate) BumpEpoch() { g.epoch.Add(1) }

// Stats counts what the memory did. Hits are Recalls that were answered.
func (g *Gate) Stats() cache.Stats { return g.memos.Stats() }

// Close ends the gate's goroutines. No other call may be under way.
func (g *Gate) Close() { g.memos.Close() }

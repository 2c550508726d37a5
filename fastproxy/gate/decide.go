package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
	"fastproxy/jwks"
)

// bearerMemory is how long a bearer token is remembered at most: nobody tells
// us when its key is withdrawn.
const bearerMemory = 5 * time.Minute

// Decide proves the credential anew, remembers what it proved, and decides. It
// may block until the issuer's keys are there or ctx ends. Nothing in the
// Decision points to the request.
func (g *Gate) Decide(ctx context.Context, r *Request) Decision {
	s := g.look(r)
	if s.reason != "" {
		return unproven(r, s.credential, s.reason)
	}
	// Before anything is validated: what is outdated meanwhile must not be
	// remembered as if it were new.
	epoch := g.epoch.Load()
	m, reason := g.prove(ctx, r, s)
	if reason != "" {
		return unproven(r, s.credential, reason)
	}
	if g.held != nil {
		g.held()
	}
	until := m.expires
	if m.credential == Bearer {
		if soon := r.Now.Add(bearerMemory); soon.Before(until) {
			until = soon
		}
	}
	g.memos.Set(s.fingerprint(r), epoch, r.Now.UnixNano(), until.UnixNano(), m)
	// Last, so that an ending during the proof bites. A memo of an ended session
	// does no harm: its Live stays ended.
	return judge(r, m)
}

func (g *Gate) prove(ctx context.Context, r *Request, s shown) (*memo, string) {
	if s.credential == Bearer {
		return g.proveBearer(ctx, r)
	}
	return g.proveCookie(r, s.cookies)
}

func (g *Gate) proveCookie(r *Request, n int) (*memo, string) {
	v, err := g.config.Sealer.Open(r.Cookies[:n], r.Now)
	switch {
	case errors.Is(err, session.ErrExpired):
		return nil, ReasonExpired
	case err != nil:
		return nil, ReasonBadCookie
	}
	if reason := g.closed(&v); reason != "" {
		return nil, reason
	}
	// First the Live, then the line: when the line changes, Registry.EndWhere
	// either finds this Live, or the line is already the new one here.
	l := g.config.Store.Live(&v)
	if g.lineChanged(&v) {
		return nil, ReasonPasswordChanged
	}
	if g.config.PasswdGroups != nil && v.Principal.Method == identity.MethodPasswd {
		v.Principal.Groups = g.config.PasswdGroups(v.Principal.Subject) // v is still nobody else's
	}
	return &memo{
		credential: Cookie,
		principal:  &v.Principal,
		headers:    slices.Clip(v.Principal.AppendHeaders(nil)),
		session:    &v,
		live:       l,
		expires:    l.Expires(),
	}, ""
}

// closed returns why the login that began v is no login here now.
func (g *Gate) closed(v *session.Session) string {
	if v.Principal.Method == identity.MethodPasswd {
		if g.config.PasswdFingerprint == nil {
			return ReasonLoginRemoved
		}
		return ""
	}
	switch {
	case g.config.Issuer == "":
		return ReasonLoginRemoved
	case v.Principal.Issuer != g.config.Issuer:
		return ReasonIssuerChanged
	}
	return ""
}

// lineChanged reports whether v began with another line of the flat file than
// is there now.
func (g *Gate) lineChanged(v *session.Session) bool {
	if v.Principal.Method != identity.MethodPasswd {
		return false
	}
	line, found := g.config.PasswdFingerprint(v.Principal.Subject)
	return !found || line != v.Line
}

func (g *Gate) proveBearer(ctx context.Context, r *Request) (*memo, string) {
	claims, expires, err := g.config.Bearer.Verify(ctx, string(r.Bearer))
	switch {
	case errors.Is(err, jwks.ErrInvalid):
		return nil, ReasonBadToken
	case err != nil:
		return nil, ReasonKeysUnavailable
	}
	p, err := identity.FromClaims(g.config.Issuer, claims, g.config.GroupsClaim)
	if err != nil {
		return nil, ReasonBadToken
	}
	return &memo{
		credential: Bearer,
		principal:  &p,
		headers:    slices.Clip(p.AppendHeaders(nil)),
		expires:    expires,
	}, ""
}

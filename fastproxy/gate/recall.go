package gate

import (
	"fastproxy/cache"
	"fastproxy/fastproxy/session"
)

// Recall decides at once, if it can: without a credential, or with one that
// was proven before. It never blocks and allocates nothing (0.65 us for a
// cookie, 0.33 us for a short token, most of it SHA-256), so it may be called on
// an event loop. With false the caller asks Decide.
func (g *Gate) Recall(r *Request) (Decision, bool) {
	s := g.look(r)
	if s.reason != "" {
		return unproven(r, s.credential, s.reason), true
	}
	m, ok := g.memos.Get(s.fingerprint(r), g.epoch.Load(), r.Now.UnixNano())
	if !ok {
		return Decision{}, false
	}
	return judge(r, m), true
}

// shown is the one credential of a request that counts.
type shown struct {
	credential Credential
	cookies    int    // how many of Cookies it is made of
	reason     string // why it cannot be good, by its outside; else ""
}

func (s *shown) fingerprint(r *Request) cache.Fingerprint {
	if s.credential == Bearer {
		return cache.FingerprintOf('b', r.Bearer)
	}
	return cache.FingerprintOf('c', r.Cookies[:s.cookies]...)
}

func (g *Gate) look(r *Request) shown {
	switch {
	case r.HasBearer && g.config.Bearer == nil:
		return shown{Bearer, 0, ReasonBearerNotAccepted}
	case r.HasBearer && len(r.Bearer) == 0:
		return shown{Bearer, 0, ReasonBadToken}
	case r.HasBearer:
		return shown{Bearer, 0, ""}
	case r.CookieConflict:
		return shown{Cookie, 0, ReasonCookieConflict}
	case r.NumCookies <= 0:
		return shown{None, 0, ReasonNoCredential}
	}
	n := session.Span(r.Cookies[:min(r.NumCookies, len(r.Cookies))])
	if n == 0 {
		return shown{Cookie, 0, ReasonBadCookie}
	}
	// Only what belongs to the session, or somebody signed in could fill the
	// memory with leftovers beside one good cookie.
	return shown{Cookie, n, ""}
}

// judge asks what may have changed since m was proven: has the session ended,
// and does the rule admit them.
func judge(r *Request, m *memo) Decision {
	if m.live != nil {
		if why := m.live.Check(r.Now); why != "" {
			return unproven(r, m.credential, reasonOf(why))
		}
		m.live.Touch(r.Now)
	}
	d := Decision{
		Verdict:    Allow,
		Credential: m.credential,
		Principal:  m.principal,
		Headers:    m.headers,
		Session:    m.session,
		Live:       m.live,
		Expires:    m.expires,
	}
	if r.Rule == nil || !r.Rule.Admits(m.principal) {
		d.Verdict, d.Reason = Forbid, ReasonNotAdmitted
		if m.principal.IsClient() {
			d.Reason = ReasonClientsNotNamed
		}
	}
	return d
}

// unproven decides about somebody unknown.
func unproven(r *Request, c Credential, reason string) Decision {
	d := Decision{Verdict: SignIn, Credential: c, Reason: reason}
	switch {
	case r.Rule != nil && r.Rule.Admits(nil):
		d.Verdict = Allow
	case reason == ReasonKeysUnavailable:
		d.Verdict = Unavailable
	}
	return d
}

package gate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/jwks"
)

func TestACookieProvesWhoItWasSealedFor(t *testing.T) {
	h := build(t)
	s, cookies := h.login(t, kim)
	r := h.withCookies(signedIn, cookies...)
	if _, ok := h.Recall(r); ok {
		t.Fatal("recalled what was never proven")
	}
	first := h.Decide(t.Context(), r)
	h.memos.Wait()
	second, ok := h.Recall(r)
	if !ok {
		t.Fatal("not recalled")
	}
	for _, d := range []Decision{first, second} {
		want(t, d, Allow, Cookie, "")
		if d.Principal.Key() != kim.Key() || d.Session.ID != s.ID || d.Live == nil || !d.Expires.Equal(s.Expires) {
			t.Errorf("decided %+v", d)
		}
		if got := string(d.Headers); got != string(kim.AppendHeaders(nil)) || cap(d.Headers) != len(d.Headers) {
			t.Errorf("headers %q", got)
		}
	}
}

func TestABearerTokenProvesItsSubject(t *testing.T) {
	h := build(t)
	r := h.withBearer(admins, "kims-token")
	for range 2 {
		d := h.decide(t, r)
		want(t, d, Allow, Bearer, "")
		if d.Principal.Key() != kim.Key() || d.Session != nil || d.Live != nil || !d.Expires.Equal(begun.Add(time.Hour)) {
			t.Errorf("decided %+v", d)
		}
	}
	if h.verifier.calls != 1 {
		t.Errorf("verified %d times, want once", h.verifier.calls)
	}
}

// A road is a request, and what must be decided under each kind of rule.
func TestEveryCredentialUnderEveryRule(t *testing.T) {
	h := build(t)
	_, kims := h.login(t, kim)
	_, sams := h.login(t, sam)
	_, strangers := h.login(t, identity.Principal{Method: identity.MethodOIDC, Issuer: "https://other.example/", Subject: "auth0|kim"})
	robot := identity.Principal{Method: identity.MethodOIDC, Issuer: issuer, Subject: "robot@clients", Groups: []string{"Admin"}}
	_, robotic := h.login(t, robot)
	cookie := func(c ...[]byte) Request { return *h.withCookies(nil, c...) }
	bearer := func(s string) Request { return *h.withBearer(nil, s) }
	both := cookie(kims...)
	both.Bearer, both.HasBearer = []byte("bad"), true
	twice := cookie(kims...)
	twice.CookieConflict = true
	conflictButBearer := twice
	conflictButBearer.Bearer, conflictButBearer.HasBearer = []byte("kims-token"), true

	type answer struct {
		v      Verdict
		reason string
	}
	no := func(reason string) [4]answer {
		return [4]answer{{Allow, reason}, {SignIn, reason}, {SignIn, reason}, {SignIn, reason}}
	}
	for name, c := range map[string]struct {
		r    Request
		cred Credential
		want [4]answer // public, signed in, admins, robots
	}{
		"nothing":               {Request{Now: h.now}, None, no(ReasonNoCredential)},
		"kim":                   {cookie(kims...), Cookie, [4]answer{{Allow, ""}, {Allow, ""}, {Allow, ""}, {Forbid, ReasonNotAdmitted}}},
		"sam":                   {cookie(sams...), Cookie, [4]answer{{Allow, ""}, {Allow, ""}, {Forbid, ReasonNotAdmitted}, {Forbid, ReasonNotAdmitted}}},
		"robot's cookie":        {cookie(robotic...), Cookie, [4]answer{{Allow, ""}, {Forbid, ReasonClientsNotNamed}, {Forbid, ReasonClientsNotNamed}, {Allow, ""}}},
		"another issuer's kim":  {cookie(strangers...), Cookie, no(ReasonIssuerChanged)},
		"no cookie at all":      {cookie([]byte("x")), Cookie, no(ReasonBadCookie)},
		"somebody's own cookie": {cookie([]byte("1" + strings.Repeat("A", 400))), Cookie, no(ReasonBadCookie)},
		"two of one name":       {twice, Cookie, no(ReasonCookieConflict)},
		"kim's token":           {bearer("kims-token"), Bearer, [4]answer{{Allow, ""}, {Allow, ""}, {Allow, ""}, {Forbid, ReasonNotAdmitted}}},
		"robot's token":         {bearer("robots-token"), Bearer, [4]answer{{Allow, ""}, {Forbid, ReasonClientsNotNamed}, {Forbid, ReasonClientsNotNamed}, {Allow, ""}}},
		"bad token":             {bearer("bad"), Bearer, no(ReasonBadToken)},
		"empty token":           {bearer(""), Bearer, no(ReasonBadToken)},
		"odd subject":           {bearer("odd-token"), Bearer, no(ReasonBadToken)},
		"bad token, good cookie, of which the token alone counts": {both, Bearer, no(ReasonBadToken)},
		"conflict beside a good token":                            {conflictButBearer, Bearer, [4]answer{{Allow, ""}, {Allow, ""}, {Allow, ""}, {Forbid, ReasonNotAdmitted}}},
	} {
		t.Run(name, func(t *testing.T) {
			for i, rule := range []*policy.Rule{public, signedIn, admins, robots} {
				r := c.r
				r.Rule = rule
				d := h.decide(t, &r)
				want(t, d, c.want[i].v, c.cred, c.want[i].reason)
				if known := d.Principal != nil; known != (c.want[i].reason == "" || c.want[i].v == Forbid) {
					t.Errorf("rule %d: somebody known: %v", i, known)
				}
				if d.Principal == nil {
					wantNobody(t, d)
				}
			}
		})
	}
}

func TestWithoutARuleNobodyEnters(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(nil, cookies...)), Forbid, Cookie, ReasonNotAdmitted)
	want(t, h.decide(t, h.withCookies(nil)), SignIn, None, ReasonNoCredential)
	var zero Decision
	if zero.Verdict == Allow {
		t.Error("the zero Decision lets in")
	}
}

func TestAChangedRuleBitesAtOnce(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(admins, cookies...)), Allow, Cookie, "")
	d, ok := h.Recall(h.withCookies(&policy.Rule{Groups: []string{"Board"}}, cookies...))
	if !ok {
		t.Fatal("want it recalled")
	}
	want(t, d, Forbid, Cookie, ReasonNotAdmitted)
}

func TestUnreachableKeysAreNoVerdictOnTheToken(t *testing.T) {
	h := build(t)
	for _, err := range []error{fmt.Errorf("%w: timeout", jwks.ErrUnavailable), context.Canceled} {
		h.verifier.err = err
		want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), Unavailable, Bearer, ReasonKeysUnavailable)
		want(t, h.decide(t, h.withBearer(public, "kims-token")), Allow, Bearer, ReasonKeysUnavailable)
	}
	h.verifier.err = nil
	want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), Allow, Bearer, "")
	h.verifier.err = jwks.ErrUnavailable
	want(t, h.decide(t, h.withBearer(signedIn, "kims-token")), Allow, Bearer, "")
}

func TestACookieAndATokenOfTheSameBytesAreNotMixedUp(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(signedIn, cookies...)), Allow, Cookie, "")
	want(t, h.decide(t, h.withBearer(signedIn, string(cookies[0]))), SignIn, Bearer, ReasonBadToken)
}

// Whoever is signed in must not be able to fill the memory by sending one good
// cookie with ever different leftovers.
func TestLeftoverCookiesMakeNoNewMemories(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	want(t, h.decide(t, h.withCookies(signedIn, cookies[0])), Allow, Cookie, "")
	for i := range 100 {
		if _, ok := h.Recall(h.withCookies(signedIn, cookies[0], fmt.Append(nil, i))); !ok {
			t.Fatal("a leftover hides what was proven")
		}
	}
}

func TestNothingInADecisionPointsToTheRequest(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	for _, r := range []*Request{h.withCookies(signedIn, cookies...), h.withBearer(signedIn, "kims-token")} {
		d := h.decide(t, r)
		before := fmt.Sprintf("%+v %s", *d.Principal, d.Headers)
		for _, b := range append(r.Cookies[:], r.Bearer) {
			clear(b)
		}
		if after := fmt.Sprintf("%+v %s", *d.Principal, d.Headers); after != before {
			t.Errorf("%s became %s", before, after)
		}
	}
}

func TestNoSpellingOfNumCookiesHarms(t *testing.T) {
	h := build(t)
	_, cookies := h.login(t, kim)
	for n, v := range map[int]Verdict{-1: SignIn, 0: SignIn, 1: Allow, 4: Allow, 5: Allow, 1 << 30: Allow} {
		r := h.withCookies(signedIn, cookies...)
		r.NumCookies = n
		if d := h.decide(t, r); d.Verdict != v {
			t.Errorf("%d cookies: %v, want %v", n, d.Verdict, v)
		}
	}
}

func TestNewNeedsASealerAndAStore(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("want an error")
	}
}

func TestVerdictsAndCredentialsHaveNames(t *testing.T) {
	got := fmt.Sprint(SignIn, Forbid, Allow, Unavailable, None, Cookie, Bearer)
	if got != "sign_in forbid allow unavailable none cookie bearer" {
		t.Error(got)
	}
}

package demo

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"sync"
)

// grant is what a person's consent comes to: one code, then one access token.
type grant struct {
	at attempt
	st stay

	mu     sync.Mutex
	spent  bool   // the code was presented
	access string // the access token it bought
}

func (a *Auth0) newCode(at attempt, st stay) string {
	return a.codes.put(&grant{at: at, st: st})
}

// redeem turns a code into tokens, once. A code presented again takes back the
// access token of the first time, since one of the two presenters stole it (RFC
// 6749 section 4.1.2). Whatever is wrong, the code is spent.
func (a *Auth0) redeem(code, redirect, verifier string) (tokens, *tokenError) {
	g, ok := a.codes.get(code)
	if !ok {
		return tokens{}, invalidGrant("Invalid authorization code")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent {
		a.tokens.drop(g.access)
		return tokens{}, invalidGrant("Invalid authorization code")
	}
	g.spent = true
	if redirect != g.at.redirect {
		return tokens{}, invalidGrant("The redirect URI is wrong. It must be the one of the authorization request")
	}
	if !proves(verifier, g.at.challenge) {
		return tokens{}, invalidGrant("Failed to verify code verifier")
	}
	t, err := a.issue(g)
	if err != nil {
		return tokens{}, &tokenError{status: 500, Code: "server_error", Description: "cannot sign"}
	}
	g.access = t.Access
	a.tokens.keep(t.Access, g)
	return t, nil
}

// proves checks a PKCE verifier against its S256 challenge (RFC 7636 section 4.6).
func proves(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

// tokens is the answer of the token endpoint (RFC 6749 section 5.1).
type tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token,omitempty"`
	Scope   string `json:"scope,omitempty"`
	Expires int    `json:"expires_in"` // seconds
	Type    string `json:"token_type"`
}

func (a *Auth0) issue(g *grant) (tokens, error) {
	id, err := a.idToken(g)
	if err != nil {
		return tokens{}, err
	}
	access := rand.Text() // opaque where no API was named, as with Auth0
	scope := strings.Join(g.at.scope, " ")
	if g.at.audience != "" {
		access, err = a.accessToken(g.st.person.Sub, g.at.audience, scope)
	}
	return tokens{access, id, scope, int(tokenLife.Seconds()), "Bearer"}, err
}

// idToken makes the ID token (OpenID Connect Core section 2), with sid as OpenID
// Connect Front-Channel Logout section 3 defines it.
func (a *Auth0) idToken(g *grant) (string, error) {
	now := a.opts.Now()
	claims := map[string]any{}
	if !a.opts.SlimIDToken {
		claims = a.profile(g.st.person, g.at.scope)
	}
	claims["iss"] = a.opts.Issuer
	claims["sub"] = g.st.person.Sub
	claims["aud"] = a.opts.ClientID
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(tokenLife).Unix()
	claims["sid"] = g.st.sid
	if g.at.nonce != "" {
		claims["nonce"] = g.at.nonce
	}
	if g.at.maxAge >= 0 {
		claims["auth_time"] = g.st.since.Unix()
	}
	switch { // whichever organization was asked for, by id or by name
	case strings.HasPrefix(g.at.org, "org_"):
		claims["org_id"] = g.at.org
	case g.at.org != "":
		claims["org_name"] = strings.ToLower(g.at.org)
	}
	return a.keys.sign("JWT", claims)
}

// accessToken makes a JWT for an API; without scope it carries none.
func (a *Auth0) accessToken(sub, audience, scope string) (string, error) {
	now := a.opts.Now()
	claims := map[string]any{
		"iss": a.opts.Issuer, "sub": sub, "aud": audience, "azp": a.opts.ClientID,
		"iat": now.Unix(), "exp": now.Add(tokenLife).Unix(), "jti": rand.Text(),
	}
	if scope != "" {
		claims["scope"] = scope
		claims["aud"] = []string{audience, a.opts.Issuer + "userinfo"}
	}
	if p, ok := a.personBySub(sub); ok && a.opts.GroupsClaim != "" {
		claims[a.opts.GroupsClaim] = p.Groups
	}
	return a.keys.sign("JWT", claims)
}

func (a *Auth0) personBySub(sub string) (Person, bool) {
	for _, p := range a.opts.People {
		if p.Sub == sub {
			return p, true
		}
	}
	return Person{}, false
}

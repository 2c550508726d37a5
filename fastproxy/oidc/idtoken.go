package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"fastproxy/jwks"
)

// proven is go-oidc's KeySet for one token whose signature was checked: asking
// our keys ourselves keeps the type of their errors.
type proven struct {
	token   string
	payload []byte
}

func (p proven) VerifySignature(_ context.Context, token string) ([]byte, error) {
	if token != p.token {
		return nil, errors.New("another token")
	}
	return p.payload, nil
}

// checkIDToken validates an ID token (OpenID Connect Core 1.0 section 3.1.3.7)
// and returns its claims.
func (p *Provider) checkIDToken(ctx context.Context, raw, accessToken string, a Attempt) (claims map[string]any, expires time.Time, err error) {
	payload, err := p.config.Keys.VerifySignature(ctx, raw)
	if err != nil {
		return nil, time.Time{}, fail(KindToken, "check ID token: %w", err)
	}
	if claims, err = jwks.ParseObject(payload); err == nil {
		err = jwks.CheckNames(claims)
	}
	if err == nil && !isIDTokenType(raw) {
		err = errors.New("header: want typ JWT or none")
	}
	if err == nil {
		err = p.checkParties(claims)
	}
	if err != nil {
		return nil, time.Time{}, fail(KindToken, "check ID token: %w", err)
	}
	if expires, err = p.checkTimes(claims, a.Created); err != nil {
		return nil, time.Time{}, err
	}
	nonce, _ := claims["nonce"].(string)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(a.Nonce)) != 1 {
		return nil, time.Time{}, fail(KindToken, "check ID token: claim nonce: it was made for another attempt")
	}
	if err := p.checkAgain(ctx, raw, payload, accessToken); err != nil {
		return nil, time.Time{}, err
	}
	return claims, expires, p.checkOrganization(claims)
}

// isIDTokenType refuses what says that it is an access token or a logout
// token. The signature was checked, so the header is well formed.
func isIDTokenType(raw string) bool {
	head, _, _ := strings.Cut(raw, ".")
	var h struct {
		Typ string `json:"typ"`
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || json.Unmarshal(b, &h) != nil {
		return false
	}
	typ := strings.TrimPrefix(strings.ToLower(h.Typ), "application/")
	return typ == "" || typ == "jwt"
}

// checkParties checks who made the token, for whom, about whom.
func (p *Provider) checkParties(claims map[string]any) error {
	if claims["iss"] != p.config.Issuer {
		return errors.New("claim iss: want exactly " + p.config.Issuer)
	}
	audience, err := jwks.Audience(claims)
	if err != nil {
		return err
	}
	if !slices.Contains(audience, p.config.ClientID) {
		return errors.New("claim aud: want our client among it")
	}
	azp, found := claims["azp"]
	if found && azp != p.config.ClientID || !found && len(audience) > 1 {
		return errors.New("claim azp: want our client")
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return errors.New("claim sub: want a string")
	}
	return nil
}

// checkTimes wants exp and iat, and auth_time if max_age was asked for. The
// token was made a moment ago, so what is out of time shows a wrong clock.
func (p *Provider) checkTimes(claims map[string]any, asked time.Time) (expires time.Time, err error) {
	now := p.now()
	expires, err = timeOf(claims, "exp", true)
	if err != nil {
		return time.Time{}, err
	}
	if !now.Before(expires.Add(jwks.DefaultLeeway)) {
		return time.Time{}, &ClockError{"exp", expires, now}
	}
	for _, name := range []string{"iat", "nbf", "auth_time"} {
		t, err := timeOf(claims, name, name == "iat" || name == "auth_time" && p.hasMaxAge)
		if err != nil {
			return time.Time{}, err
		}
		if now.Add(jwks.DefaultLeeway).Before(t) {
			return time.Time{}, &ClockError{name, t, now}
		}
		if name == "auth_time" && p.hasMaxAge && asked.Sub(t) > p.maxAge+jwks.DefaultLeeway {
			return time.Time{}, fail(KindToken, "check ID token: claim auth_time: the issuer asked for no password, against max_age")
		}
	}
	return expires, nil
}

func timeOf(claims map[string]any, name string, required bool) (time.Time, error) {
	t, found, err := jwks.Time(claims, name)
	if err != nil {
		return t, fail(KindToken, "check ID token: %w", err)
	}
	if !found && required {
		return t, fail(KindToken, "check ID token: claim %s: want a number", name)
	}
	return t, nil
}

// checkAgain lets go-oidc judge issuer and audience too, by its own reading of
// the payload, and compares at_hash, where there is one, with the access token.
func (p *Provider) checkAgain(ctx context.Context, raw string, payload []byte, accessToken string) error {
	v := gooidc.NewVerifier(p.config.Issuer, proven{raw, payload}, &gooidc.Config{
		ClientID:             p.config.ClientID,
		SupportedSigningAlgs: []string{gooidc.RS256, gooidc.ES256},
		SkipExpiryCheck:      true, // checkTimes did, with leeway
	})
	token, err := v.Verify(ctx, raw)
	if err != nil {
		return fail(KindToken, "check ID token: %s", line(err.Error(), 300))
	}
	if token.AccessTokenHash != "" && token.VerifyAccessToken(accessToken) != nil {
		return fail(KindToken, "check ID token: claim at_hash: it belongs to another access token")
	}
	return nil
}

// checkOrganization compares as Auth0 says: an id exactly, a name in any case.
func (p *Provider) checkOrganization(claims map[string]any) error {
	want := p.config.Organization
	if want == "" {
		return nil
	}
	id, _ := claims["org_id"].(string)
	name, _ := claims["org_name"].(string)
	if strings.HasPrefix(want, "org_") && id == want || !strings.HasPrefix(want, "org_") && name != "" && strings.EqualFold(name, want) {
		return nil
	}
	return fail(KindOrganization, "check ID token: want organization %s", want)
}

package fastproxy

import (
	"context"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/oidc"
	"fastproxy/jwks"
)

// openIssuer readies sign-in at the OIDC issuer. One cache of its keys serves
// ID tokens and bearers.
func (p *Proxy) openIssuer(set *Settings) (err error) {
	p.keys = jwks.New(jwks.Config{
		Resolve: func(ctx context.Context) (string, error) { return p.provider.JWKSURL(ctx) },
		OnError: func(err error) {
			p.log.Logger().Warn("cannot fetch the issuer's keys", zap.NamedError("error.message", err))
		},
		// What a withdrawn key signed must prove itself anew.
		OnWithdrawn: func() { p.current.Load().gate.BumpEpoch() },
	})
	p.provider, err = oidc.New(oidc.Config{
		Issuer: set.Issuer(), ClientID: set.Auth0.ClientID, ClientSecret: set.Auth0.ClientSecret,
		RedirectURL: set.Auth0.CallbackURL, Scopes: set.Scopes(),
		Audience: set.Authorize.Audience, Organization: set.Authorize.Organization, Connection: set.Authorize.Connection,
		Params: set.AuthorizeParams(), GroupsClaim: set.Auth0.GroupsClaim, Keys: p.keys,
		OnError: func(err error) {
			p.log.Logger().Warn("the issuer does not answer as it should", zap.NamedError("error.message", err))
		},
	})
	return err
}

// bearer judges tokens for the gate.
type bearer struct {
	keys *jwks.Keys
	want jwks.Expect
}

// Verify implements gate.Verifier.
func (b bearer) Verify(ctx context.Context, token string) (claims map[string]any, expires time.Time, err error) {
	return b.keys.Verify(ctx, token, b.want)
}

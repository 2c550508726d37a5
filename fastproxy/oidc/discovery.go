package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	// go-oidc does discovery and reads ID tokens: written by CoreOS, used by
	// Kubernetes, and small enough to read.
	gooidc "github.com/coreos/go-oidc/v3/oidc"

	// x/oauth2 is the client that go-oidc is made for.
	"golang.org/x/oauth2"

	"fastproxy/jwks"
)

// discoveryTime bounds one discovery, which is one request.
const discoveryTime = 5 * time.Second

// metadata is what discovery found, checked. It is never changed.
type metadata struct {
	endpoint   oauth2.Endpoint
	jwksURL    string
	userinfo   string // "" if there is none
	endSession string // "" if there is none
	auth0      bool   // its paths are Auth0's, so it has /v2/logout
}

// document is what we read of OpenID Connect Discovery 1.0 section 3 beyond
// what go-oidc reads.
type document struct {
	JWKSURL     string   `json:"jwks_uri"`
	Userinfo    string   `json:"userinfo_endpoint"`
	EndSession  string   `json:"end_session_endpoint"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
}

// discover asks the issuer once.
func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTime)
	defer cancel()
	found, err := gooidc.NewProvider(gooidc.ClientContext(ctx, p.client), p.config.Issuer)
	var other *gooidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("oidc: discover %s: it says it is %q; set the issuer to exactly that, slash included, if it is the one you mean",
			p.config.Issuer, line(other.Discovered, 200))
	case err != nil:
		// go-oidc puts whole answers into its errors.
		return nil, fmt.Errorf("oidc: discover %s: %s", p.config.Issuer, line(err.Error(), 300))
	}
	var d document
	if err := found.Claims(&d); err != nil {
		return nil, fmt.Errorf("oidc: discover %s: a member is of another type than OpenID Connect Discovery says", p.config.Issuer)
	}
	m := &metadata{endpoint: found.Endpoint(), jwksURL: d.JWKSURL, userinfo: d.Userinfo, endSession: d.EndSession}
	m.auth0 = strings.HasSuffix(p.config.Issuer, "/") && m.endpoint.AuthURL == p.config.Issuer+"authorize" &&
		m.endpoint.TokenURL == p.config.Issuer+"oauth/token"
	if err := p.checkEndpoints(m); err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %w", p.config.Issuer, err)
	}
	if len(d.Algorithms) > 0 && !slices.Contains(d.Algorithms, "RS256") && !slices.Contains(d.Algorithms, "ES256") {
		return nil, fmt.Errorf("oidc: discover %s: it signs ID tokens with neither RS256 nor ES256", p.config.Issuer)
	}
	if m.endpoint.AuthStyle, err = p.authStyle(m, d.AuthMethods); err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %w", p.config.Issuer, err)
	}
	return m, nil
}

// checkEndpoints wants https everywhere. Plain http to loopback is for an
// issuer that is there itself; another one must not send our secret around
// this machine.
func (p *Provider) checkEndpoints(m *metadata) error {
	local := strings.HasPrefix(p.config.Issuer, "http:")
	for _, e := range []struct {
		name, address string
		required      bool
	}{
		{"authorization_endpoint", m.endpoint.AuthURL, true},
		{"token_endpoint", m.endpoint.TokenURL, true},
		{"jwks_uri", m.jwksURL, true},
		{"userinfo_endpoint", m.userinfo, false},
		{"end_session_endpoint", m.endSession, false},
	} {
		if e.address == "" && !e.required {
			continue
		}
		u, err := jwks.CheckURL(e.address)
		if err != nil || u.Scheme != "https" && !local {
			return fmt.Errorf("%s: found %q, want an https URL", e.name, line(withoutUser(e.address), 200))
		}
	}
	return nil
}

// withoutUser keeps a password in a URL out of a message.
func withoutUser(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		u.User = nil
		return u.String()
	}
	return address
}

// authStyle is how we prove ourselves at the token endpoint. Where the issuer
// takes both, the body it is: a new Auth0 application takes nothing else.
// Silence means Basic (OpenID Connect Discovery 1.0 section 3).
func (p *Provider) authStyle(m *metadata, methods []string) (oauth2.AuthStyle, error) {
	switch {
	case p.config.ClientSecret.IsZero(), slices.Contains(methods, "client_secret_post"), len(methods) == 0 && m.auth0:
		return oauth2.AuthStyleInParams, nil
	case slices.Contains(methods, "client_secret_basic"), len(methods) == 0:
		return oauth2.AuthStyleInHeader, nil
	}
	return 0, errors.New("its token endpoint takes neither client_secret_post nor client_secret_basic")
}

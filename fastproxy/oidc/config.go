package oidc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"fastproxy/fastproxy/secret"
	"fastproxy/jwks"
)

// Keys checks signatures; *jwks.Keys does. Its errors are jwks.ErrInvalid,
// jwks.ErrUnavailable and *jwks.AlgorithmError.
type Keys interface {
	VerifySignature(ctx context.Context, token string) (payload []byte, err error)
}

// Config says who the issuer is and what it is asked for.
type Config struct {
	// Issuer is compared exactly, slash included: Auth0's ends in one. https,
	// or http to loopback.
	Issuer       string
	ClientID     string
	ClientSecret secret.Text // empty: a public client, PKCE alone
	RedirectURL  string      // our callback, absolute

	Scopes       []string // nil: openid profile email; openid is added if it is not there
	Audience     string   // sent to /authorize, as the next two are, if not empty
	Organization string   // org_… (an id) or a name; then the ID token must name it
	Connection   string

	// Params are further parameters of /authorize (AUTHORIZE_PARAMS). scope
	// adds to Scopes; organization is the setting above; max_age is checked in
	// the ID token; prompt and login_hint are what Start sends when it is given
	// none. Parameters that the flow itself needs are refused by New.
	Params url.Values

	GroupsClaim string // see identity.FromClaims; userinfo is asked if the ID token lacks it
	Keys        Keys

	Client  *http.Client     // lends its Transport; see jwks.Client; may be nil
	Now     func() time.Time // nil: time.Now
	OnError func(error)      // hears of failed discovery and userinfo, from any goroutine; may be nil
}

// taken are the parameters that would break the flow, or its safety, if
// somebody else set them.
var taken = []string{"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "state", "nonce",
	"code_challenge", "code_challenge_method", "code_verifier", "code", "request", "request_uri", "id_token_hint", "dpop_jkt"}

// New checks c. Start Run; nothing is asked of the issuer before.
func New(c Config) (*Provider, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	p := &Provider{
		config: c, client: jwks.Client(c.Client), now: c.Now, onError: c.OnError,
		slots: make(chan struct{}, finishMax),
		wake:  make(chan struct{}, 1), round: newRound(),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.onError == nil {
		p.onError = func(error) {}
	}
	return p, p.readParams()
}

func (c *Config) check() error {
	issuer, err := jwks.CheckURL(c.Issuer)
	if err != nil || issuer.RawQuery != "" {
		return fmt.Errorf("oidc: check issuer: found %q, want an https URL without a query (http only for loopback)", line(c.Issuer, 200))
	}
	callback, err := url.Parse(c.RedirectURL)
	if err != nil || callback.Host == "" || callback.Fragment != "" || callback.Scheme != "https" && callback.Scheme != "http" {
		return fmt.Errorf("oidc: check callback URL: found %q, want an absolute URL", line(c.RedirectURL, 200))
	}
	switch {
	case c.ClientID == "":
		return errors.New("oidc: check client: want a client ID")
	case c.Keys == nil:
		return errors.New("oidc: check keys: want some")
	}
	return nil
}

// readParams sorts the parameters of /authorize.
func (p *Provider) readParams() error {
	c := &p.config
	params := url.Values{}
	for name, values := range c.Params {
		switch {
		case slices.Contains(taken, strings.ToLower(name)):
			return fmt.Errorf("oidc: check authorize parameters: found %s, which sign-in sets itself; leave it out", name)
		case name == "":
			return errors.New("oidc: check authorize parameters: found a value without a name")
		case len(values) != 1:
			return fmt.Errorf("oidc: check authorize parameters: found %s %d times, want it once (RFC 6749 section 3.1)", name, len(values))
		}
		params.Set(name, values[0])
	}
	for name, setting := range map[string]*string{"audience": &c.Audience, "organization": &c.Organization, "connection": &c.Connection} {
		switch found := params.Get(name); {
		case *setting == "":
			*setting = found
		case found != "" && found != *setting:
			return fmt.Errorf("oidc: check authorize parameters: found %s twice, as a setting and among the parameters; want one", name)
		}
		params.Del(name)
		if *setting != "" {
			params.Set(name, *setting)
		}
	}
	if age := params.Get("max_age"); age != "" {
		seconds, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return fmt.Errorf("oidc: check authorize parameters: found max_age %q, want a number of seconds", line(age, 20))
		}
		p.maxAge = time.Duration(seconds) * time.Second
		p.hasMaxAge = true
	}
	p.scopes = scopes(c.Scopes, params.Get("scope"))
	params.Del("scope")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		p.params = append(p.params, oauth2.SetAuthURLParam(name, params.Get(name)))
	}
	return nil
}

func scopes(asked []string, more string) []string {
	if asked == nil {
		asked = []string{"openid", "profile", "email"}
	}
	all := []string{"openid"}
	for _, s := range append(slices.Clone(asked), strings.Fields(more)...) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

package fastproxy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// discovery is what OpenID Connect Discovery 1.0 section 3 has that matters.
type discovery struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
}

func (c *onlineCheck) checkIssuer(ctx context.Context) {
	issuer := c.settings.Issuer()
	where := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	a, err := c.get(ctx, c.world, where, nil)
	if err != nil {
		c.wrong("issuer: %s cannot be reached: %v", where, err)
		return
	}
	var d discovery
	switch {
	case a.status != http.StatusOK:
		c.wrong("issuer: %s answers %d, want 200: is %s right?", where, a.status, c.issuerSetting())
		return
	case json.Unmarshal(a.body, &d) != nil:
		c.wrong("issuer: %s is not the JSON of OpenID Connect Discovery", where)
		return
	case d.Issuer != issuer:
		c.wrong("issuer: %s names itself %q, want exactly %q: set AUTH0_ISSUER_URL=%s", where, d.Issuer, issuer, d.Issuer)
	default:
		c.ok("issuer: %s names itself exactly so", issuer)
	}
	c.checkAlgorithms(d)
	c.checkEndpoints(ctx, d)
	c.checkClock(a)
}

func (c *onlineCheck) issuerSetting() string {
	if c.settings.Auth0.IssuerURL != "" {
		return "AUTH0_ISSUER_URL"
	}
	return "AUTH0_DOMAIN"
}

func (c *onlineCheck) checkAlgorithms(d discovery) {
	switch {
	case slices.Contains(d.Algorithms, "RS256"):
		c.ok("RS256: the issuer can sign with it; this application must be set to it too (Auth0: Advanced Settings, OAuth)")
	case slices.Contains(d.Algorithms, "ES256"):
		c.ok("ES256: the issuer can sign with it; this application must be set to it too")
	default:
		c.wrong("RS256: the issuer signs with %s only, want RS256", strings.Join(d.Algorithms, ", "))
	}
	if len(d.Challenges) > 0 && !slices.Contains(d.Challenges, "S256") {
		c.wrong("PKCE: the issuer takes %s only, want S256", strings.Join(d.Challenges, ", "))
	}
}

func (c *onlineCheck) checkEndpoints(ctx context.Context, d discovery) {
	for _, e := range []struct{ name, url string }{
		{"authorization_endpoint", d.Authorization}, {"token_endpoint", d.Token}, {"jwks_uri", d.Keys},
	} {
		u, err := parseWebURL(e.url)
		if err != nil || u.Scheme == "http" && !isLoopback(u.Host) {
			c.wrong("issuer: %s is %q, want an https URL", e.name, e.url)
			return
		}
	}
	if d.EndSession == "" && c.settings.LogoutTarget().Issuer {
		c.note("sign-out: the issuer has no end_session_endpoint; at Auth0 the older /v2/logout serves")
	}
	a, err := c.get(ctx, c.world, d.Keys, nil)
	switch n := countKeys(a.body); {
	case err != nil:
		c.wrong("keys: %s cannot be reached: %v", d.Keys, err)
	case a.status != http.StatusOK:
		c.wrong("keys: %s answers %d, want 200", d.Keys, a.status)
	case n == 0:
		c.wrong("keys: %s has no key for RS256 or ES256", d.Keys)
	default:
		c.ok("keys: %d for RS256 or ES256", n)
	}
}

// countKeys counts the keys of a JWK set (RFC 7517) that could sign a token.
func countKeys(body []byte) int {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil {
		return 0
	}
	n := 0
	text := func(k map[string]any, name string) string { s, _ := k[name].(string); return s }
	for _, k := range set.Keys {
		if use := text(k, "use"); text(k, "kid") == "" || use != "" && use != "sig" {
			continue
		}
		modulus, _ := base64.RawURLEncoding.DecodeString(text(k, "n"))
		if text(k, "kty") == "RSA" && len(modulus) >= 256 || text(k, "kty") == "EC" && text(k, "crv") == "P-256" {
			n++
		}
	}
	return n
}

// checkClock compares clocks: tokens are believed with 30 s of leeway.
func (c *onlineCheck) checkClock(a answer) {
	skew := a.skew.Round(time.Second)
	direction := "behind"
	if skew < 0 {
		direction = "ahead of"
	}
	apart := fmt.Sprintf("clock: this machine is %s %s the issuer", skew.Abs(), direction)
	switch {
	case !a.dated:
		c.note("clock: the issuer does not tell the time")
	case skew.Abs() > 25*time.Second:
		c.wrong("%s, want less than 30s: tokens would be refused; is NTP running?", apart)
	case skew.Abs() > 5*time.Second:
		c.note("%s, tokens are refused from 30s on", apart)
	default:
		c.ok("clock: within %s of the issuer's", max(skew.Abs(), time.Second))
	}
}

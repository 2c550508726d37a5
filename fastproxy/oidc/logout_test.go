package oidc

import (
	"net/url"
	"strings"
	"testing"
)

func TestLogoutGoesWhereTheIssuerWantsIt(t *testing.T) {
	const back = "https://shiny.example.org/callback?a=1&b=ü"
	auth0 := metadata{auth0: true, endSession: "https://tenant.eu.auth0.com/oidc/logout"}
	generic := metadata{endSession: "https://issuer.example/logout?ui=1"}
	escaped := url.QueryEscape(back)
	for name, c := range map[string]struct {
		issuer string
		found  *metadata
		o      LogoutOptions
		want   string
	}{
		"Auth0 with a SID": {"https://tenant.eu.auth0.com/", &auth0, LogoutOptions{ReturnTo: back, SID: "s&1"},
			"https://tenant.eu.auth0.com/oidc/logout?client_id=client-of-ours&logout_hint=s%261&post_logout_redirect_uri=" + escaped},
		"Auth0 with a SID, federated": {"https://tenant.eu.auth0.com/", &auth0, LogoutOptions{ReturnTo: back, SID: "s", Federated: true},
			"https://tenant.eu.auth0.com/oidc/logout?client_id=client-of-ours&logout_hint=s&post_logout_redirect_uri=" + escaped + "&federated"},
		"Auth0 without a SID": {"https://tenant.eu.auth0.com/", &auth0, LogoutOptions{ReturnTo: back, Federated: true},
			"https://tenant.eu.auth0.com/v2/logout?client_id=client-of-ours&returnTo=" + escaped + "&federated"},
		"Auth0 that does not publish its endpoint": {"https://login.example.org/", &metadata{auth0: true}, LogoutOptions{ReturnTo: back, SID: "s"},
			"https://login.example.org/v2/logout?client_id=client-of-ours&returnTo=" + escaped},
		"Auth0 not discovered": {"https://tenant.eu.auth0.com/", nil, LogoutOptions{ReturnTo: back, SID: "s"},
			"https://tenant.eu.auth0.com/v2/logout?client_id=client-of-ours&returnTo=" + escaped},
		"Auth0 with nowhere to return": {"https://tenant.eu.auth0.com/", &auth0, LogoutOptions{},
			"https://tenant.eu.auth0.com/v2/logout?client_id=client-of-ours"},
		"generic with a SID": {"https://issuer.example/", &generic, LogoutOptions{ReturnTo: back, SID: "s"},
			"https://issuer.example/logout?ui=1&client_id=client-of-ours&logout_hint=s&post_logout_redirect_uri=" + escaped},
		"generic without": {"https://issuer.example/", &generic, LogoutOptions{ReturnTo: back},
			"https://issuer.example/logout?ui=1&client_id=client-of-ours&post_logout_redirect_uri=" + escaped},
		"generic without an endpoint":              {"https://issuer.example/", &metadata{}, LogoutOptions{ReturnTo: back, SID: "s"}, ""},
		"generic not discovered":                   {"https://issuer.example/", nil, LogoutOptions{ReturnTo: back, SID: "s"}, ""},
		"an impostor of auth0.com, not discovered": {"https://tenant.eu.auth0.com.example/", nil, LogoutOptions{ReturnTo: back}, ""},
	} {
		p, err := New(Config{Issuer: c.issuer, ClientID: clientID, RedirectURL: callbackURL, Keys: trusting{}})
		if err != nil {
			t.Fatal(err)
		}
		if c.found != nil {
			p.found.Store(c.found)
		}
		found := p.LogoutURL(c.o)
		if found != c.want {
			t.Errorf("%s:\nfound %s\nwant  %s", name, found, c.want)
		}
		if u, err := url.Parse(found); err != nil || found != "" && !strings.HasPrefix(c.issuer, "https://"+u.Host+"/") {
			t.Errorf("%s: leads to %s", name, found)
		}
	}
}

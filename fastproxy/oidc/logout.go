package oidc

import (
	"net/url"
	"strings"
)

// LogoutOptions say who leaves, and where to.
type LogoutOptions struct {
	ReturnTo  string // absolute, and known to the issuer; "" for its own page
	SID       string // Result.SID of the session that ended; may be empty
	Federated bool   // Auth0: leave the identity provider behind it too
}

// LogoutURL returns where to send the browser so that the issuer forgets it as
// well, or "" if the issuer offers nothing. It never waits.
//
// With an end_session_endpoint that is RP-Initiated Logout 1.0, with client_id
// and, if there is a SID, logout_hint. Auth0 asks people to confirm when it
// has no hint, so without a SID, or where it does not publish that endpoint,
// it is its older /v2/logout.
func (p *Provider) LogoutURL(o LogoutOptions) string {
	m := p.found.Load()
	if m == nil {
		// Not discovered: a tenant under auth0.com is known well enough.
		u, _ := url.Parse(p.config.Issuer)
		m = &metadata{auth0: strings.HasSuffix(u.Hostname(), ".auth0.com") && u.Path == "/"}
	}
	switch {
	case m.auth0 && (o.SID == "" || m.endSession == ""):
		return logoutURL(p.config.Issuer+"v2/logout", o, url.Values{"client_id": {p.config.ClientID}}, "returnTo")
	case m.endSession == "":
		return ""
	}
	query := url.Values{"client_id": {p.config.ClientID}}
	if o.SID != "" {
		query.Set("logout_hint", o.SID)
	}
	return logoutURL(m.endSession, o, query, "post_logout_redirect_uri")
}

func logoutURL(endpoint string, o LogoutOptions, query url.Values, returnTo string) string {
	if o.ReturnTo != "" {
		query.Set(returnTo, o.ReturnTo)
	}
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	address := endpoint + separator + query.Encode()
	if o.Federated {
		address += "&federated" // Auth0 looks for the bare name
	}
	return address
}

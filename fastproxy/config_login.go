package fastproxy

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"fastproxy/fastproxy/config"
)

func (s *Settings) checkLogin(p *config.Errors) {
	s.checkIssuer(p)
	haveIssuer := s.Issuer() != ""
	haveID, haveSecret := s.Auth0.ClientID != "", !s.Auth0.ClientSecret.IsZero()
	if !haveIssuer && !haveID && !haveSecret {
		return
	}
	missing := func(path string, have bool, beside string) {
		if !have && !p.Has(path) {
			p.Add(path, s.origins.Where(path), "found none, want it beside %s (or none of AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, without Auth0)", beside)
		}
	}
	switch {
	case haveIssuer && s.Auth0.IssuerURL != "":
		missing("auth0.client_id", haveID, "AUTH0_ISSUER_URL")
		missing("auth0.client_secret", haveSecret, "AUTH0_ISSUER_URL")
	case haveIssuer:
		missing("auth0.client_id", haveID, "AUTH0_DOMAIN")
		missing("auth0.client_secret", haveSecret, "AUTH0_DOMAIN")
	default:
		missing("auth0.domain", false, "the client's ID and secret")
		missing("auth0.client_id", haveID, "AUTH0_CLIENT_SECRET")
		missing("auth0.client_secret", haveSecret, "AUTH0_CLIENT_ID")
	}
	if strings.ContainsFunc(s.Auth0.ClientID, func(r rune) bool { return r <= ' ' || r > '~' }) && !p.Has("auth0.client_id") {
		p.Add("auth0.client_id", s.origins.Where("auth0.client_id"), "found a value with spaces or letters outside ASCII, want the client ID alone")
	}
}

func (s *Settings) checkIssuer(p *config.Errors) {
	domain := s.Auth0.Domain
	if domain != "" && !isHostPort(domain) {
		want := "want the domain alone, such as example.eu.auth0.com"
		if _, rest, ok := strings.Cut(domain, "://"); ok {
			domain = rest
		}
		if host, _, _ := strings.Cut(domain, "/"); isHostPort(host) {
			want = "want the domain alone: " + host
		}
		s.bad(p, "auth0.domain", withoutUser(s.Auth0.Domain), want)
	} else if domain != "" && !strings.Contains(domain, ".") && !isLoopback(domain) {
		s.warn("%s: found %s, which has no dot: is it a whole domain, such as example.eu.auth0.com?", s.origins.Where("auth0.domain"), config.Quote(domain))
	}
	issuer := s.Auth0.IssuerURL
	if issuer == "" {
		return
	}
	u, err := parseWebURL(issuer)
	switch {
	case err != nil || strings.Contains(issuer, "?"):
		s.bad(p, "auth0.issuer_url", withoutUser(issuer), "want the issuer's URL as it names itself, such as https://login.example.org/")
	case u.Scheme == "http" && !isLoopback(u.Host):
		s.bad(p, "auth0.issuer_url", issuer, "want https://; plain http is for an issuer on this very machine (localhost, 127.0.0.1, [::1])")
	case s.Auth0.Domain != "" && !strings.EqualFold(u.Host, s.Auth0.Domain):
		s.warn("AUTH0_DOMAIN (%s) has no effect: AUTH0_ISSUER_URL (%s) wins", s.origins.Of("auth0.domain"), s.origins.Of("auth0.issuer_url"))
	}
}

// withoutUser keeps a password out of a message.
func withoutUser(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

func (s *Settings) checkPublic(p *config.Errors) {
	if s.PublicURL != "" {
		if _, err := parseOrigin(s.PublicURL); err != nil {
			s.bad(p, "public_url", withoutUser(s.PublicURL), err)
		}
	}
	for i, text := range s.AllowedOrigins {
		origin, err := parseOrigin(text)
		if err != nil {
			p.Add("allowed_origins", s.origins.Where("allowed_origins"), "found %s, %v", config.Quote(withoutUser(text)), err)
			continue
		}
		s.AllowedOrigins[i] = origin
	}
	s.checkCallback(p)
}

func (s *Settings) checkCallback(p *config.Errors) {
	const path = "auth0.callback_url"
	callback := s.Auth0.CallbackURL
	u, err := parseWebURL(callback)
	switch {
	case err != nil:
		s.bad(p, path, withoutUser(callback), err)
		return
	case u.EscapedPath() != u.Path || strings.Contains(u.Path, "//"):
		s.bad(p, path, callback, "want a path of plain letters, such as /callback")
	case slices.Contains([]string{"/login", "/logout", "/.fastproxy"}, strings.TrimSuffix(u.Path, "/")) || strings.HasPrefix(u.Path, "/.fastproxy/"):
		s.bad(p, path, callback, "want another path: this one has a use of its own")
	}
	origin, _ := parseOrigin(u.Scheme + "://" + u.Host)
	if s.HasOIDC() && s.PublicURL != "" && origin != s.PublicOrigin() {
		s.warn("AUTH0_CALLBACK_URL (%s) and PUBLIC_URL (%s) are of different origins: signing in takes a detour, or fails", s.origins.Of(path), s.origins.Of("public_url"))
	}
	if s.HasOIDC() && s.PublicURL == "" && !s.origins.IsSet(path) && s.listenOrigin() != origin {
		s.warn("neither PUBLIC_URL nor AUTH0_CALLBACK_URL is set: Auth0 will send people to %s", callback)
	}
}

// flowParams are the parameters of /authorize that the sign-in itself sets
// (OpenID Connect Core 3.1.2.1, RFC 7636), and those with settings of their own.
var flowParams = map[string]string{
	"response_type": "", "response_mode": "", "client_id": "", "redirect_uri": "", "state": "", "nonce": "", "prompt": "", "login_hint": "",
	"code_challenge": "", "code_challenge_method": "", "request": "", "request_uri": "",
	"audience": "AUTHORIZE_AUDIENCE", "organization": "AUTHORIZE_ORGANIZATION", "connection": "AUTHORIZE_CONNECTION",
}

func (s *Settings) checkAuthorize(p *config.Errors) {
	const path = "authorize.params"
	for _, name := range slices.Sorted(maps.Keys(s.Authorize.Params)) {
		value := s.Authorize.Params[name]
		switch setting, taken := flowParams[name]; {
		case setting != "":
			s.bad(p, path, name, "want it in "+setting)
		case taken:
			s.bad(p, path, name, "want other parameters: signing in sets this one itself")
		case name == "scope" && !slices.Contains(strings.Fields(value), "openid"):
			s.bad(p, path, "scope="+value, "want openid among the scopes")
		case strings.Contains(name, "&") || strings.Contains(value, "&") && !s.inYAML(path):
			s.bad(p, path, name+"="+value, "want parameters separated by commas; one with a comma or & in it fits into YAML's authorize: {params: {name: value}}")
		}
	}
}

func (s *Settings) inYAML(path string) bool {
	from := s.origins.Of(path)
	return !strings.HasPrefix(from, "environment ") && !strings.HasSuffix(from, " AUTHORIZE_PARAMS")
}

func (s *Settings) checkLogout(p *config.Errors) {
	for _, target := range [][2]string{{"logout.auth0_url", s.Logout.Auth0URL}, {"logout.url", s.Logout.URL}} {
		path, text := target[0], target[1]
		if text == "" || isLocalTarget(text) {
			continue
		}
		if _, err := parseWebURL(text); err != nil {
			s.bad(p, path, withoutUser(text), "want a URL such as https://www.example.org/bye, or a path here such as /bye")
		}
	}
}

// isLocalTarget reports whether text is a path on this origin; browsers read
// // and /\ as another host.
func isLocalTarget(text string) bool {
	if !strings.HasPrefix(text, "/") || len(text) > 1 && (text[1] == '/' || text[1] == '\\') {
		return false
	}
	_, err := url.Parse(text)
	return err == nil && !strings.Contains(text, "#")
}

package fastproxy

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Issuer returns the OpenID Connect issuer exactly as its tokens must name it:
// AUTH0_ISSUER_URL untouched, else https://AUTH0_DOMAIN/ with its slash. ""
// means that people do not sign in there.
func (s *Settings) Issuer() string {
	if s.Auth0.IssuerURL != "" || s.Auth0.Domain == "" {
		return s.Auth0.IssuerURL
	}
	return "https://" + s.Auth0.Domain + "/"
}

// HasOIDC reports whether people can sign in at an issuer.
func (s *Settings) HasOIDC() bool { return s.Issuer() != "" }

// HasPasswd reports whether people can sign in with the flat file.
func (s *Settings) HasPasswd() bool { return s.Passwd.File != "" }

// PublicOrigin returns scheme://host, or scheme://host:port where the port is
// not the scheme's own, in lower case: what browsers send as Origin. It is
// PUBLIC_URL's, else AUTH0_CALLBACK_URL's.
func (s *Settings) PublicOrigin() string {
	if s.publicOrigin != "" {
		return s.publicOrigin
	}
	if s.PublicURL != "" {
		origin, _ := parseOrigin(s.PublicURL)
		return origin
	}
	u, err := url.Parse(s.Auth0.CallbackURL)
	if err != nil {
		return ""
	}
	origin, _ := parseOrigin(u.Scheme + "://" + u.Host)
	return origin
}

// PublicHost returns the host, or host:port, of PublicOrigin: what
// browsers send as Host.
func (s *Settings) PublicHost() string {
	_, host, _ := strings.Cut(s.PublicOrigin(), "://")
	return host
}

// Secure reports whether browsers come by https, and so whether cookies are
// Secure and named __Host-.
func (s *Settings) Secure() bool { return strings.HasPrefix(s.PublicOrigin(), "https://") }

// CookieName returns the full name of one of our cookies: for "session" it is
// fastproxy_session, __Host-fastproxy_session where browsers come by https.
func (s *Settings) CookieName(name string) string {
	if s.Secure() {
		return "__Host-fastproxy_" + name
	}
	return "fastproxy_" + name
}

// OwnsOrigin reports whether an Origin header names us or one of
// ALLOWED_ORIGINS. It allocates nothing.
func (s *Settings) OwnsOrigin(header []byte) bool {
	if string(header) == s.publicOrigin {
		return true
	}
	for _, origin := range s.AllowedOrigins {
		if string(header) == origin {
			return true
		}
	}
	return false
}

// CallbackPaths returns the decoded paths that the issuer may send people
// back to: that of AUTH0_CALLBACK_URL first, and /callback.
func (s *Settings) CallbackPaths() []string {
	u, err := url.Parse(s.Auth0.CallbackURL)
	if err != nil || u.Path == "/callback" {
		return []string{"/callback"}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return []string{u.Path, "/callback"}
}

// Scopes returns what sign-in asks the issuer for: openid profile email, or
// what AUTHORIZE_PARAMS has as scope.
func (s *Settings) Scopes() []string {
	if scopes := strings.Fields(s.Authorize.Params["scope"]); len(scopes) > 0 {
		return scopes
	}
	return []string{"openid", "profile", "email"}
}

// AuthorizeParams returns AUTHORIZE_PARAMS but for scope. The caller owns it.
func (s *Settings) AuthorizeParams() url.Values {
	v := url.Values{}
	for name, value := range s.Authorize.Params {
		if name != "scope" {
			v.Set(name, value)
		}
	}
	return v
}

// LogoutTarget is where /logout leads.
type LogoutTarget struct {
	Issuer    bool // by way of the issuer's logout
	Federated bool // and of the identity provider's behind it
	// ReturnTo is where the person ends: absolute when Issuer is set, else an
	// absolute URL, a local path, or "" for our own signed-out page.
	ReturnTo string
}

// LogoutTarget returns where /logout leads, as the originals' variables say:
// to AUTH0_LOGOUT_URL, LOGOUT_URL, then (by way of Auth0) AUTH0_CALLBACK_URL.
func (s *Settings) LogoutTarget() LogoutTarget {
	t := LogoutTarget{Issuer: s.HasOIDC() && s.Logout.Auth0, ReturnTo: s.Logout.Auth0URL}
	if t.ReturnTo == "" {
		t.ReturnTo = s.Logout.URL
	}
	if !t.Issuer {
		return t
	}
	t.Federated = s.Logout.Federated
	switch {
	case t.ReturnTo == "":
		t.ReturnTo = s.Auth0.CallbackURL
	case strings.HasPrefix(t.ReturnTo, "/"):
		t.ReturnTo = s.PublicOrigin() + t.ReturnTo
	}
	return t
}

// StateDir returns the directory of the session journal and the random key:
// STATE_DIR; else systemd's $STATE_DIRECTORY; else, for root,
// /var/lib/fastproxy; else $XDG_STATE_HOME/fastproxy or
// ~/.local/state/fastproxy. It may not exist yet.
func (s *Settings) StateDir() string {
	if s.StateDirectory != "" {
		return s.StateDirectory
	}
	return s.host.stateDir
}

// ControlPath returns the control socket's path.
func (s *Settings) ControlPath() string {
	if s.ControlSocket != "" {
		return s.ControlSocket
	}
	return filepath.Join(s.StateDir(), "control.sock")
}

// TrustsProxy reports whether a's X-Forwarded-For is believed. The zero Addr
// is a peer on a Unix socket: whoever may open that is trusted.
func (s *Settings) TrustsProxy(a netip.Addr) bool {
	if !a.IsValid() {
		return true
	}
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Warnings returns what is wrong but not so wrong as not to start: sentences
// for the log and the terminal, without secrets.
func (s *Settings) Warnings() []string { return s.warnings }

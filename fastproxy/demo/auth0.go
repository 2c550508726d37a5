package demo

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Auth0Options says who the pocket Auth0 is and whom it serves.
type Auth0Options struct {
	// Issuer is the origin it is reached at, with a trailing slash as Auth0
	// has it: "http://127.0.0.1:4000/". Required.
	Issuer string
	// ClientID and ClientSecret are those of the one application. Required.
	ClientID, ClientSecret string
	// Callbacks and LogoutURLs are the allow-lists, compared exactly. At least
	// one callback is required. Without LogoutURLs nobody is sent anywhere
	// after signing out.
	Callbacks, LogoutURLs []string
	// Audiences are the APIs for which access tokens are issued as JWTs.
	Audiences []string
	// GroupsClaim is the namespaced key that carries the groups. Default
	// DefaultGroupsClaim; "-" for none.
	GroupsClaim string
	// SlimIDToken leaves profile, e-mail and groups out of the ID token, so
	// that an application has to ask /userinfo.
	SlimIDToken bool
	// People may sign in. Default: kim (Admin) and sam (DL).
	People []Person
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// DefaultGroupsClaim is shaped as Auth0 demands of a custom claim: a URL.
const DefaultGroupsClaim = "https://fastproxy.example/groups"

// How long things last. Codes as RFC 6749 section 4.1.2 wishes (well under ten
// minutes), the rest as Auth0 has them by default.
const (
	codeLife    = 60 * time.Second
	attemptLife = 15 * time.Minute
	tokenLife   = 10 * time.Hour
	stayLife    = 3 * 24 * time.Hour
)

// Auth0 is a pocket Auth0: one tenant, one application, no database. Make it
// with NewAuth0. It keeps no goroutine and needs no closing.
type Auth0 struct {
	opts Auth0Options
	born time.Time
	keys keys

	attempts *shelf[attempt] // sign-ins begun, by the state of the login page
	codes    *shelf[*grant]  // by authorization code
	tokens   *shelf[*grant]  // by access token
	stays    *shelf[stay]    // signed-in browsers, by cookie
}

// NewAuth0 makes a pocket Auth0 with a fresh RSA key.
func NewAuth0(o Auth0Options) (*Auth0, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("demo: set up pocket Auth0: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.People == nil {
		o.People = kimAndSam()
	}
	switch o.GroupsClaim {
	case "":
		o.GroupsClaim = DefaultGroupsClaim
	case "-":
		o.GroupsClaim = ""
	}
	a := &Auth0{
		opts: o, born: o.Now(),
		attempts: newShelf[attempt](attemptLife, o.Now),
		codes:    newShelf[*grant](codeLife, o.Now),
		tokens:   newShelf[*grant](tokenLife, o.Now),
		stays:    newShelf[stay](stayLife, o.Now),
	}
	return a, a.keys.rotate()
}

func (o *Auth0Options) check() error {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.Path != "/" || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("issuer: found %q, want an origin with a trailing slash such as http://127.0.0.1:4000/", o.Issuer)
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		return errors.New("client id and client secret: found an empty one, want both")
	}
	if len(o.Callbacks) == 0 {
		return errors.New("callbacks: found none, want at least one")
	}
	for _, list := range [][]string{o.Callbacks, o.LogoutURLs} {
		for _, s := range list {
			if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.Host == "" || u.Fragment != "" {
				return fmt.Errorf("allow-list: found %q, want an absolute URL without a fragment", s)
			}
		}
	}
	return nil
}

// Issuer is the issuer's exact name, trailing slash included.
func (a *Auth0) Issuer() string { return a.opts.Issuer }

// RotateKey makes a new signing key; older ones stay in the key set.
func (a *Auth0) RotateKey() error { return a.keys.rotate() }

// Handler serves everything at and below the issuer. Many goroutines may call it.
func (a *Auth0) Handler() http.Handler {
	// Forms are posted by our own pages only. RFC 9700 section 4.16 asks for
	// the frame rule, writePage sets it.
	own := http.NewCrossOriginProtection()
	form := func(h http.HandlerFunc) http.Handler { return own.Handler(h) }

	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", a.serveDiscovery)
	mux.HandleFunc("GET /.well-known/jwks.json", a.keys.serveJWKS)
	mux.HandleFunc("GET /authorize", a.serveAuthorize)
	mux.HandleFunc("POST /authorize", a.serveAuthorize) // OpenID Connect Core 3.1.2.1 wants both
	mux.HandleFunc("GET /u/login", a.serveLogin)
	mux.Handle("POST /u/login", form(a.serveChoice))
	mux.HandleFunc("POST /oauth/token", a.serveToken)
	mux.HandleFunc("GET /userinfo", a.serveUserinfo)
	mux.HandleFunc("POST /userinfo", a.serveUserinfo)
	mux.HandleFunc("GET /oidc/logout", a.serveLogout)
	mux.Handle("POST /oidc/logout", form(a.serveLogout))
	mux.HandleFunc("GET /v2/logout", a.serveLegacyLogout)
	mux.HandleFunc("GET /people/{file}", a.servePicture)
	mux.HandleFunc("GET /demo.css", serveCSS)
	mux.HandleFunc("GET /{$}", a.serveHome)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.problem(w, http.StatusNotFound, "Nothing here", "The pocket Auth0 has no page of that name.")
	})
	return mux
}

// serveDiscovery answers as OpenID Connect Discovery 1.0 section 4.2 says, with
// the members of an Auth0 tenant that this one can honour.
func (a *Auth0) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	at := func(path string) string { return a.opts.Issuer + path }
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                a.opts.Issuer,
		"authorization_endpoint":                at("authorize"),
		"token_endpoint":                        at("oauth/token"),
		"userinfo_endpoint":                     at("userinfo"),
		"jwks_uri":                              at(".well-known/jwks.json"),
		"end_session_endpoint":                  at("oidc/logout"),
		"scopes_supported":                      []string{"openid", "profile", "email"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code", "client_credentials"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"code_challenge_methods_supported":      []string{"S256"},
		"prompt_values_supported":               []string{"none", "login", "select_account"},
		"claims_supported": []string{"aud", "auth_time", "email", "email_verified", "exp", "iat", "iss",
			"locale", "name", "nickname", "nonce", "picture", "sid", "sub"},
		"request_parameter_supported":     false,
		"request_uri_parameter_supported": false,
	})
}

// problem shows a page that says what is wrong; it never sends anybody on.
func (a *Auth0) problem(w http.ResponseWriter, status int, title, detail string, hints ...string) {
	writePage(w, status, "problem.html", map[string]any{
		"Title": title, "Detail": detail, "Hints": hints,
	})
}

// serveHome shows who is signed in here, and the way out.
func (a *Auth0) serveHome(w http.ResponseWriter, r *http.Request) {
	st, _, in := a.stayOf(r)
	writePage(w, http.StatusOK, "tenant.html", map[string]any{
		"In": in, "Person": st.person, "Leave": "/v2/logout?" + url.Values{"client_id": {a.opts.ClientID}}.Encode(),
		"Issuer": strings.TrimSuffix(a.opts.Issuer, "/"),
	})
}

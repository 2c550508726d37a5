package oidc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"fastproxy/jwks"
)

func TestDiscoveryRefusesWhatIsNotTheIssuerAndSaysWhy(t *testing.T) {
	edit := func(name string, v any) func(*issuer) {
		return func(i *issuer) { i.discovery = func(d map[string]any) { d[name] = v } }
	}
	answer := func(f func(http.ResponseWriter, *http.Request)) func(*issuer) {
		return func(i *issuer) { i.document = f }
	}
	for name, c := range map[string]struct {
		lie  func(*issuer)
		want string // in the error
	}{
		"issuer without its slash": {func(i *issuer) { i.discovery = func(d map[string]any) { d["issuer"] = i.URL } }, "slash included"},
		"another issuer":           {edit("issuer", "https://other.example/"), "https://other.example/"},
		"no issuer":                {edit("issuer", nil), "it says it is"},
		"http authorize":           {edit("authorization_endpoint", "http://issuer.example/authorize"), "authorization_endpoint"},
		"http token":               {edit("token_endpoint", "http://issuer.example/token"), "token_endpoint"},
		"http keys":                {edit("jwks_uri", "http://issuer.example/jwks"), "jwks_uri"},
		"http userinfo":            {edit("userinfo_endpoint", "http://issuer.example/userinfo"), "userinfo_endpoint"},
		"javascript logout":        {edit("end_session_endpoint", "javascript:alert(1)"), "end_session_endpoint"},
		"token with a password":    {edit("token_endpoint", "https://user:canary@issuer.example/token"), "token_endpoint"},
		"relative authorize":       {edit("authorization_endpoint", "/authorize"), "authorization_endpoint"},
		"no token endpoint":        {edit("token_endpoint", nil), "token_endpoint"},
		"no authorize endpoint":    {edit("authorization_endpoint", nil), "authorization_endpoint"},
		"no keys":                  {edit("jwks_uri", nil), "jwks_uri"},
		"keys is a list":           {edit("jwks_uri", []string{"x"}), "discover"},
		"methods is a string":      {edit("token_endpoint_auth_methods_supported", "client_secret_post"), "another type"},
		"only HS256":               {edit("id_token_signing_alg_values_supported", []string{"HS256"}), "RS256"},
		"a redirect":               {answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 302) }), "302"},
		"500 with a long page":     {answer(say(500, "text/html", strings.Repeat("<p>canary\n", 1000))), "500"},
		"HTML":                     {answer(say(200, "text/html", "<html>")), "discover"},
		"empty":                    {answer(say(200, "application/json", "")), "discover"},
		"null":                     {answer(say(200, "application/json", "null")), "it says it is"},
		"endless":                  {answer(endless), "more than"},
		"a document that is cut off": {answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"issuer":`)
			panic(http.ErrAbortHandler)
		}), "discover"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			c.lie(i)
			s := start(t, i, nil)
			to, a, err := s.Start(t.Context(), StartOptions{})
			if KindOf(err) != KindUnavailable || !errors.Is(err, ErrUnavailable) || to != "" || a != (Attempt{}) {
				t.Fatalf("found %q, %v", to, err)
			}
			if !strings.Contains(err.Error(), c.want) || len(err.Error()) > 700 || strings.Contains(err.Error(), ":canary") || strings.Contains(err.Error(), "\n") {
				t.Errorf("found %q, want something about %q", err, c.want)
			}
			if s.Ready() == nil || len(s.errors()) == 0 || i.count("/elsewhere") != 0 {
				t.Errorf("ready %v, heard %q, elsewhere %d", s.Ready(), s.errors(), i.count("/elsewhere"))
			}
		})
	}
}

func TestARemoteIssuerMustNotPointToThisMachine(t *testing.T) {
	body := strings.ReplaceAll(goodDocument, "https://issuer.example/oauth/token", "http://127.0.0.1:8080/token")
	if _, err := discoverFrom(t, []byte(body)); err == nil || !strings.Contains(err.Error(), "token_endpoint") {
		t.Errorf("found %v", err)
	}
	if m, err := discoverFrom(t, []byte(goodDocument)); err != nil || !m.auth0 {
		t.Errorf("found %+v, %v", m, err)
	}
}

const goodDocument = `{"issuer":"https://issuer.example/","authorization_endpoint":"https://issuer.example/authorize",
"token_endpoint":"https://issuer.example/oauth/token","jwks_uri":"https://issuer.example/.well-known/jwks.json",
"userinfo_endpoint":"https://issuer.example/userinfo","end_session_endpoint":"https://issuer.example/oidc/logout",
"token_endpoint_auth_methods_supported":["client_secret_post"]}`

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func discoverFrom(t testing.TB, document []byte) (*metadata, error) {
	p, err := New(Config{Issuer: "https://issuer.example/", ClientID: clientID, RedirectURL: callbackURL, Keys: trusting{},
		Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(document))), Request: r}, nil
		})}})
	if err != nil {
		t.Fatal(err)
	}
	return p.discover(context.Background())
}

// FuzzDiscovery looks for a panic and for an endpoint that is not https.
func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(goodDocument))
	f.Add([]byte(`{"issuer":"https://issuer.example/"}`))
	f.Add([]byte(strings.ReplaceAll(goodDocument, `"https://issuer.example/authorize"`, `"https:\/\/issuer.example\\@evil.example\/"`)))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := discoverFrom(t, document)
		if err != nil {
			if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("found a long error: %q", err)
			}
			return
		}
		for _, address := range []string{m.endpoint.AuthURL, m.endpoint.TokenURL, m.jwksURL, m.userinfo, m.endSession} {
			if _, err := jwks.CheckURL(address); address != "" && (err != nil || !strings.HasPrefix(strings.ToLower(address), "https://")) {
				t.Errorf("accepted %q: %v", address, err)
			}
		}
	})
}

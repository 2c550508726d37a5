package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/secret"
	"fastproxy/jwks"
)

func TestSomebodySignsIn(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	r, _, err := s.signIn(t, i)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Principal{Method: identity.MethodOIDC, Issuer: i.id, Subject: "auth0|5ad", Email: "kim@example.org",
		EmailVerified: identity.VerifiedYes, Name: "Kim", Groups: []string{"Admin", "DL"}}
	if !reflect.DeepEqual(r.Principal, want) || r.SID != "sid-1" || r.Expires.Unix() != testNow.Unix()+36000 {
		t.Errorf("found %+v, want %+v", r, want)
	}
	if n := i.count("/userinfo"); n != 0 {
		t.Errorf("userinfo was asked %d times though nothing was missing", n)
	}
	if n := i.count("/oauth/token") + i.count("/jwks.json") + i.count("/.well-known/openid-configuration"); n != 3 {
		t.Errorf("found %d requests, want 3", n)
	}
}

func TestES256IDTokensAreAccepted(t *testing.T) {
	i := newIssuer(t)
	i.forge = func(c string) string { return sign(`{"alg":"ES256","kid":"e1"}`, c, ecKey()) }
	if _, _, err := start(t, i, nil).signIn(t, i); err != nil {
		t.Error(err)
	}
}

func TestStartSendsExactlyWhatIsWanted(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, func(c *Config) {
		c.Audience, c.Organization, c.Connection = "https://api.example/", "org_1", "google"
		c.Params = url.Values{"ui_locales": {"de"}, "scope": {"groups profile"}, "prompt": {"select_account"}, "max_age": {"3600"}}
	})
	to, a, err := s.Start(t.Context(), StartOptions{ReturnTo: "/x", Prompt: "login", LoginHint: "kim@example.org", Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(a.Verifier))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callbackURL}, "scope": {"openid profile email groups"},
		"state": {a.State}, "nonce": {a.Nonce}, "code_challenge": {b64(challenge[:])}, "code_challenge_method": {"S256"},
		"audience": {"https://api.example/"}, "organization": {"org_1"}, "connection": {"google"}, "ui_locales": {"de"},
		"prompt": {"login"}, "login_hint": {"kim@example.org"}, "max_age": {"3600"},
	}
	base, query, _ := strings.Cut(to, "?")
	found, _ := url.ParseQuery(query)
	if base != i.id+"authorize" || !reflect.DeepEqual(found, want) {
		t.Errorf("found %s and %v, want %v", base, found, want)
	}
	if a.ReturnTo != "/x" || a.Prompt != "login" || a.Tries != 1 || !a.Created.Equal(testNow) {
		t.Errorf("found %+v", struct{ A any }{a.ReturnTo})
	}
}

func TestEveryAttemptIsUnguessableAndItsOwn(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	seen := map[string]bool{}
	for range 100 {
		_, a, err := s.Start(t.Context(), StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{a.State[1:], a.Nonce, a.Verifier} {
			raw, err := base64.RawURLEncoding.DecodeString(v)
			if err != nil || len(raw) < 16 || seen[v] {
				t.Fatalf("found %q again, or too short", v)
			}
			seen[v] = true
		}
	}
}

func TestAnAttemptTravelsAsJSONAndDoesNotPrint(t *testing.T) {
	a := Attempt{State: "canary-s", Nonce: "canary-n", Verifier: "canary-v", ReturnTo: "/x?a=1&b", Created: testNow.UTC(), Prompt: "none", Tries: 2}
	b, _ := json.Marshal(a)
	var back Attempt
	if err := json.Unmarshal(b, &back); err != nil || back != a {
		t.Errorf("found %v from %s", err, b)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(format, a) + fmt.Sprintf(format, &a) + fmt.Sprintf(format, []Attempt{a}); strings.Contains(text, "canary") {
			t.Errorf("%s tells: %s", format, text)
		}
	}
}

func TestTriesAreReadFromTheStateAlone(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	for given, want := range map[int]int{-1: 0, 0: 0, 1: 1, 9: 9, 10: 9} {
		_, a, err := s.Start(t.Context(), StartOptions{Tries: given})
		if err != nil || Tries(a.State) != want {
			t.Errorf("%d: found %d, %v", given, Tries(a.State), err)
		}
	}
	for _, state := range []string{"", "x", "-1", "é"} {
		if Tries(state) != 0 {
			t.Errorf("%q: found %d", state, Tries(state))
		}
	}
}

func TestACodeIsRedeemedWithTheSecretWhereTheIssuerWantsIt(t *testing.T) {
	const awkward = "s:e c/r+e%t&="
	for name, c := range map[string]struct {
		methods  any
		secret   string
		inForm   bool
		inHeader bool
		fails    bool
	}{
		"both":            {[]string{"client_secret_basic", "client_secret_post"}, awkward, true, false, false},
		"only post":       {[]string{"client_secret_post"}, awkward, true, false, false},
		"only basic":      {[]string{"client_secret_basic", "private_key_jwt"}, awkward, false, true, false},
		"neither":         {[]string{"private_key_jwt"}, awkward, false, false, true},
		"silent, Auth0":   {nil, awkward, true, false, false},
		"a public client": {[]string{"none"}, "", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.discovery = func(d map[string]any) { d["token_endpoint_auth_methods_supported"] = c.methods }
			s := start(t, i, func(config *Config) { config.ClientSecret = secret.NewText(c.secret) })
			if c.fails {
				_, _, err := s.Start(t.Context(), StartOptions{})
				if KindOf(err) != KindUnavailable || !strings.Contains(err.Error(), "client_secret_post") {
					t.Errorf("found %v", err)
				}
				return
			}
			if _, _, err := s.signIn(t, i); err != nil {
				t.Fatal(err)
			}
			if found := i.form.Get("client_secret"); (found == awkward) != c.inForm || !c.inForm && found != "" {
				t.Errorf("found secret %q in the form", found)
			}
			basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"+url.QueryEscape(awkward)))
			if (i.basic == basic) != c.inHeader || !c.inHeader && i.basic != "" {
				t.Errorf("found Authorization %q", i.basic)
			}
			if !c.inHeader && i.form.Get("client_id") != clientID {
				t.Errorf("found client %q", i.form.Get("client_id"))
			}
		})
	}
}

func TestAnIssuerThatIsSilentAboutMethodsAndNotAuth0GetsBasic(t *testing.T) {
	i := newIssuer(t)
	i.discovery = func(d map[string]any) {
		d["token_endpoint_auth_methods_supported"] = nil
		d["authorization_endpoint"] = i.id + "protocol/auth"
	}
	if _, _, err := start(t, i, nil).signIn(t, i); err != nil || !strings.HasPrefix(i.basic, "Basic ") {
		t.Errorf("found %v, Authorization %q", err, i.basic)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := func() Config {
		return Config{Issuer: "https://issuer.example/", ClientID: clientID, RedirectURL: callbackURL, Keys: jwks.New(jwks.Config{}), ClientSecret: secret.NewText(clientSecret)}
	}
	for want, change := range map[string]func(*Config){
		"issuer":            func(c *Config) { c.Issuer = "" },
		"http only for":     func(c *Config) { c.Issuer = "http://issuer.example/" },
		"without a query":   func(c *Config) { c.Issuer = "https://issuer.example/?x" },
		"callback URL":      func(c *Config) { c.RedirectURL = "/callback" },
		"client ID":         func(c *Config) { c.ClientID = "" },
		"keys":              func(c *Config) { c.Keys = nil },
		"state":             func(c *Config) { c.Params = url.Values{"state": {"x"}} },
		"nonce":             func(c *Config) { c.Params = url.Values{"nonce": {"x"}} },
		"Nonce":             func(c *Config) { c.Params = url.Values{"Nonce": {"x"}} },
		"redirect_uri":      func(c *Config) { c.Params = url.Values{"redirect_uri": {"https://evil.example/"}} },
		"response_type":     func(c *Config) { c.Params = url.Values{"response_type": {"token"}} },
		"response_mode":     func(c *Config) { c.Params = url.Values{"response_mode": {"form_post"}} },
		"client_id":         func(c *Config) { c.Params = url.Values{"client_id": {"x"}} },
		"client_secret":     func(c *Config) { c.Params = url.Values{"client_secret": {"canary"}} },
		"code_challenge":    func(c *Config) { c.Params = url.Values{"code_challenge": {"x"}} },
		"_challenge_method": func(c *Config) { c.Params = url.Values{"code_challenge_method": {"plain"}} },
		"request_uri":       func(c *Config) { c.Params = url.Values{"request_uri": {"https://evil.example/"}} },
		"request,":          func(c *Config) { c.Params = url.Values{"request": {"x"}} },
		"2 times":           func(c *Config) { c.Params = url.Values{"ui_locales": {"de", "fr"}} },
		"without a name":    func(c *Config) { c.Params = url.Values{"": {"x"}} },
		"audience twice":    func(c *Config) { c.Params, c.Audience = url.Values{"audience": {"x"}}, "y" },
		"max_age":           func(c *Config) { c.Params = url.Values{"max_age": {"soon"}} },
	} {
		c := good()
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("found %v, want an error about %q", err, want)
		}
	}
	if _, err := New(good()); err != nil {
		t.Error(err)
	}
}

func TestTheOrganizationAskedForIsTheOneThatCounts(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		claims map[string]any
		good   bool
	}{
		"none asked":             {"", nil, true},
		"none asked, one given":  {"", map[string]any{"org_id": "org_1"}, true},
		"id":                     {"org_1", map[string]any{"org_id": "org_1"}, true},
		"id of another":          {"org_1", map[string]any{"org_id": "org_2"}, false},
		"id in another case":     {"org_a", map[string]any{"org_id": "ORG_A"}, false},
		"id asked, none given":   {"org_1", nil, false},
		"id asked, as name":      {"org_1", map[string]any{"org_id": "org_2", "org_name": "org_1"}, false},
		"id is a list":           {"org_1", map[string]any{"org_id": []string{"org_1"}}, false},
		"name":                   {"Acme", map[string]any{"org_id": "org_1", "org_name": "acme"}, true},
		"name of another":        {"Acme", map[string]any{"org_id": "org_1", "org_name": "emca"}, false},
		"name asked, none given": {"Acme", map[string]any{"org_id": "org_1"}, false},
		"name asked, as id":      {"acme", map[string]any{"org_id": "acme"}, false},
	} {
		i := newIssuer(t)
		i.claims = func(m map[string]any) {
			for k, v := range c.claims {
				m[k] = v
			}
		}
		s := start(t, i, func(config *Config) { config.Organization = c.want })
		if _, _, err := s.signIn(t, i); (err == nil) != c.good || err != nil && KindOf(err) != KindOrganization {
			t.Errorf("%s: found %v", name, err)
		}
	}
}

func TestAnOrganizationAmongTheParametersIsCheckedToo(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, func(c *Config) { c.Params = url.Values{"organization": {"org_1"}} })
	if _, _, err := s.signIn(t, i); KindOf(err) != KindOrganization {
		t.Errorf("found %v", err)
	}
}

func TestAnAttemptEndsAfterAQuarterOfAnHour(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	to, a, _ := s.Start(t.Context(), StartOptions{})
	code, _ := i.approve(to)
	for name, change := range map[string]func(*Attempt){
		"old":         func(a *Attempt) { a.Created = a.Created.Add(-AttemptAge - time.Second) },
		"no nonce":    func(a *Attempt) { a.Nonce = "" },
		"no verifier": func(a *Attempt) { a.Verifier = "" },
	} {
		b := a
		change(&b)
		if _, err := s.Finish(t.Context(), b, code); KindOf(err) != KindAttempt {
			t.Errorf("%s: found %v", name, err)
		}
	}
	for name, bad := range map[string]string{"no code": "", "huge code": strings.Repeat("c", 5000)} {
		if _, err := s.Finish(t.Context(), a, bad); KindOf(err) != KindAttempt {
			t.Errorf("%s: found %v", name, err)
		}
	}
	if n := i.count("/oauth/token"); n != 0 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestATokenOfAnotherAttemptIsRefused(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	first, a, _ := s.Start(t.Context(), StartOptions{})
	_, b, _ := s.Start(t.Context(), StartOptions{})
	code, _ := i.approve(first)
	// The verifier of the one with the nonce of the other: PKCE passes, nonce does not.
	b.Verifier = a.Verifier
	if _, err := s.Finish(t.Context(), b, code); KindOf(err) != KindToken || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("found %v", err)
	}
	code, _ = i.approve(first)
	if _, err := s.Finish(t.Context(), Attempt{State: a.State, Nonce: a.Nonce, Verifier: "another verifier of somebody else", Created: a.Created}, code); KindOf(err) != KindRefused {
		t.Errorf("another verifier: found %v", err)
	}
}

func TestWhatTheIssuerSaysIsShownSafely(t *testing.T) {
	e := &IDPError{Code: "<script>", Description: "a\r\nSet-Cookie: x\u2028" + strings.Repeat("é", 300)}
	if e.SafeCode() != "unknown_error" || len(e.SafeDescription()) > 300 || strings.ContainsAny(e.SafeDescription(), "\r\n\u2028") || strings.Contains(e.Error(), "script") {
		t.Errorf("found %q", e.Error())
	}
	if e := (&IDPError{Code: "access_denied"}); e.SafeCode() != "access_denied" || KindOf(fmt.Errorf("x: %w", e)) != KindRefused {
		t.Error(e)
	}
	if KindOf(errors.New("x")) != KindUnknown || KindOf(nil) != KindUnknown || KindUnavailable.String() != "unavailable" || KindSubject.String() != "subject" {
		t.Error("kinds are mixed up")
	}
}

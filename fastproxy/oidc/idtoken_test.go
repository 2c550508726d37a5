package oidc

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"fastproxy/jwks"
)

func hs256(header, payload string, key []byte) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

// idTokenFault is an ID token, straight from the token endpoint, that must be
// refused: changed claims, or another token altogether.
type idTokenFault struct {
	name   string
	claims map[string]any
	forge  func(claims string) string
	kind   Kind // KindToken if 0
}

func withHeader(header string) func(string) string {
	return func(c string) string { return sign(header, c, rsaKey()) }
}

var idTokenFaults = []idTokenFault{
	{name: "iss without its slash", claims: map[string]any{"iss": "http://127.0.0.1"}},
	{name: "iss of another tenant", claims: map[string]any{"iss": "https://canary.example/"}},
	{name: "iss missing", claims: map[string]any{"iss": nil}},
	{name: "iss is a list", claims: map[string]any{"iss": []string{"x"}}},
	{name: "iss in another case", claims: map[string]any{"ISS": "x"}},
	{name: "aud of another client", claims: map[string]any{"aud": "canary-client"}},
	{name: "aud missing", claims: map[string]any{"aud": nil}},
	{name: "aud empty", claims: map[string]any{"aud": []string{}}},
	{name: "aud with a number", claims: map[string]any{"aud": []any{clientID, 1}}},
	{name: "several aud without azp", claims: map[string]any{"aud": []string{clientID, "canary"}}},
	{name: "several aud with another azp", claims: map[string]any{"aud": []string{clientID, "canary"}, "azp": "canary"}},
	{name: "one aud with another azp", claims: map[string]any{"azp": "canary"}},
	{name: "azp is a list", claims: map[string]any{"azp": []string{clientID}}},
	{name: "sub missing", claims: map[string]any{"sub": nil}},
	{name: "sub empty", claims: map[string]any{"sub": ""}},
	{name: "sub is a number", claims: map[string]any{"sub": 5}},
	{name: "Sub beside sub", claims: map[string]any{"Sub": "canary"}},
	{name: "sub with a line feed", claims: map[string]any{"sub": "auth0|5ad\nX: y"}, kind: KindSubject},
	{name: "sub not ASCII", claims: map[string]any{"sub": "auth0|é"}, kind: KindSubject},
	{name: "exp missing", claims: map[string]any{"exp": nil}},
	{name: "exp as text", claims: map[string]any{"exp": "1900000000"}},
	{name: "exp is 1e400", claims: map[string]any{"exp": json.RawMessage("1e400")}},
	{name: "exp null", claims: map[string]any{"exp": json.RawMessage("null")}},
	{name: "expired", claims: map[string]any{"exp": testNow.Unix() - 31}, kind: KindClock},
	{name: "expired long ago", claims: map[string]any{"exp": 0}, kind: KindClock},
	{name: "iat missing", claims: map[string]any{"iat": nil}},
	{name: "iat as text", claims: map[string]any{"iat": "canary"}},
	{name: "iat in the future", claims: map[string]any{"iat": testNow.Unix() + 31}, kind: KindClock},
	{name: "nbf in the future", claims: map[string]any{"nbf": testNow.Unix() + 31}, kind: KindClock},
	{name: "nonce missing", claims: map[string]any{"nonce": nil}},
	{name: "nonce empty", claims: map[string]any{"nonce": ""}},
	{name: "nonce of another", claims: map[string]any{"nonce": "canary"}},
	{name: "nonce is a list", claims: map[string]any{"nonce": []string{"x"}}},
	{name: "NONCE beside nonce", claims: map[string]any{"NONCE": "canary"}},
	{name: "at_hash of another access token", claims: map[string]any{"at_hash": b64(make([]byte, 16))}},
	{name: "at_hash is a number", claims: map[string]any{"at_hash": 1}},
	{name: "auth_time as text", claims: map[string]any{"auth_time": "canary"}},
	{name: "auth_time in the future", claims: map[string]any{"auth_time": testNow.Unix() + 31}, kind: KindClock},
	{name: "distributed claims without a source", claims: map[string]any{"_claim_names": map[string]string{"groups": "canary"}}},
	{name: "no token", forge: func(string) string { return "" }},
	{name: "no JWT", forge: func(string) string { return "canary" }},
	{name: "five parts", forge: func(c string) string { return withHeader(`{"alg":"RS256","kid":"r1"}`)(c) + ".x.y" }},
	{name: "line feed", forge: func(c string) string { return withHeader(`{"alg":"RS256","kid":"r1"}`)(c) + "\n" }},
	{name: "sub twice", forge: func(c string) string {
		return withHeader(`{"alg":"RS256","kid":"r1"}`)(strings.Replace(c, `"sub":`, `"sub":"admin","sub":`, 1))
	}},
	{name: "payload is a list", forge: func(c string) string { return withHeader(`{"alg":"RS256","kid":"r1"}`)("[" + c + "]") }},
	{name: "alg none", forge: func(c string) string {
		return b64([]byte(`{"alg":"none","kid":"r1"}`)) + "." + b64([]byte(c)) + "."
	}, kind: KindAlgorithm},
	{name: "HS256 with the client secret", forge: func(c string) string {
		return hs256(`{"alg":"HS256","typ":"JWT","kid":"r1"}`, c, []byte(clientSecret))
	}, kind: KindAlgorithm},
	{name: "HS256 without a kid, as Auth0 makes it", forge: func(c string) string {
		return hs256(`{"alg":"HS256","typ":"JWT"}`, c, []byte(clientSecret))
	}, kind: KindAlgorithm},
	{name: "RS512", forge: withHeader(`{"alg":"RS512","kid":"r1"}`), kind: KindAlgorithm},
	{name: "no kid", forge: withHeader(`{"alg":"RS256"}`)},
	{name: "kid unknown", forge: withHeader(`{"alg":"RS256","kid":"canary"}`)},
	{name: "crit", forge: withHeader(`{"alg":"RS256","kid":"r1","crit":["x"],"x":1}`)},
	{name: "an access token, by typ", forge: withHeader(`{"alg":"RS256","kid":"r1","typ":"at+jwt"}`)},
	{name: "a logout token, by typ", forge: withHeader(`{"alg":"RS256","kid":"r1","typ":"application/logout+jwt"}`)},
	{name: "signed by a stranger", forge: func(c string) string { return sign(`{"alg":"ES256","kid":"e1"}`, c, otherKey()) }},
	{name: "a key of its own", forge: func(c string) string {
		return sign(`{"alg":"ES256","kid":"e1","jwk":{"kty":"EC"},"jku":"https://evil.example/"}`, c, otherKey())
	}},
}

func TestEveryIDTokenFaultIsRefused(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	if len(idTokenFaults) < 50 {
		t.Errorf("found %d faults, want at least 50", len(idTokenFaults))
	}
	for _, f := range idTokenFaults {
		i.set(func() {
			i.forge = f.forge
			i.claims = func(c map[string]any) {
				for name, v := range f.claims {
					c[name] = v
				}
			}
		})
		r, _, err := s.signIn(t, i)
		want := f.kind
		if want == KindUnknown {
			want = KindToken
		}
		if KindOf(err) != want {
			t.Errorf("%s: found kind %v of %v, want %v", f.name, KindOf(err), err, want)
		}
		if r.Principal.Subject != "" || r.SID != "" {
			t.Errorf("%s: somebody comes with the error", f.name)
		}
	}
}

func TestIDTokensThatAreUnusualButRightAreAccepted(t *testing.T) {
	i := newIssuer(t)
	s := start(t, i, nil)
	for name, claims := range map[string]map[string]any{
		"azp is us":            {"azp": clientID},
		"several aud with azp": {"aud": []string{clientID, "https://api.example/"}, "azp": clientID},
		"aud is a list of one": {"aud": []string{clientID}},
		"clock ahead by 29 s":  {"iat": testNow.Unix() + 29},
		"clock behind by 29 s": {"exp": testNow.Unix() - 29},
		"no at_hash":           {"at_hash": nil},
		"no sid":               {"sid": nil},
	} {
		i.set(func() {
			i.claims = func(c map[string]any) {
				for name, v := range claims {
					c[name] = v
				}
			}
		})
		if _, _, err := s.signIn(t, i); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClockErrorSaysBothTimes(t *testing.T) {
	i := newIssuer(t)
	i.claims = func(c map[string]any) { c["iat"] = testNow.Unix() + 600 }
	_, _, err := start(t, i, nil).signIn(t, i)
	var clock *ClockError
	if !errors.As(err, &clock) || clock.Claim != "iat" || clock.There.Sub(clock.Here) != 10*time.Minute ||
		!strings.Contains(err.Error(), "2027-01-15T08:10:00Z") || !strings.Contains(err.Error(), "2027-01-15T08:00:00Z") {
		t.Errorf("found %v", err)
	}
}

func TestAnHS256ApplicationIsNamed(t *testing.T) {
	i := newIssuer(t)
	i.forge = func(c string) string { return hs256(`{"alg":"HS256","typ":"JWT"}`, c, []byte(clientSecret)) }
	_, _, err := start(t, i, nil).signIn(t, i)
	var algorithm *jwks.AlgorithmError
	if !errors.As(err, &algorithm) || algorithm.Alg != "HS256" {
		t.Errorf("found %v", err)
	}
}

func TestMaxAgeIsHeldAgainstAuthTime(t *testing.T) {
	for authTime, want := range map[any]Kind{testNow.Unix() - 3600: KindUnknown, testNow.Unix() - 3700: KindToken, nil: KindToken} {
		i := newIssuer(t)
		i.claims = func(c map[string]any) { c["auth_time"] = authTime }
		s := start(t, i, func(c *Config) { c.Params = url.Values{"max_age": {"3600"}} })
		if _, _, err := s.signIn(t, i); KindOf(err) != want {
			t.Errorf("auth_time %v: found %v", authTime, err)
		}
	}
}

// trusting takes every signature for good, so that fuzzing is about claims.
type trusting struct{}

func (trusting) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
}

// FuzzIDTokenClaims signs what the fuzzer makes, and judges again what was
// accepted.
func FuzzIDTokenClaims(f *testing.F) {
	p, err := New(Config{Issuer: "https://issuer.example/", ClientID: clientID, RedirectURL: callbackURL, Keys: trusting{},
		GroupsClaim: "groups", Now: func() time.Time { return testNow }})
	if err != nil {
		f.Fatal(err)
	}
	base := (&issuer{id: "https://issuer.example/"}).goodClaims("nonce-1")
	for _, fault := range idTokenFaults {
		c := map[string]any{}
		for name, v := range base {
			c[name] = v
		}
		for name, v := range fault.claims {
			c[name] = v
		}
		b, _ := json.Marshal(c)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, payload string) {
		raw := sign(`{"alg":"ES256","kid":"e1"}`, payload, ecKey())
		claims, expires, err := p.checkIDToken(t.Context(), raw, accessToken, Attempt{Nonce: "nonce-1", Created: testNow})
		if err != nil {
			if KindOf(err) == KindUnknown {
				t.Errorf("an error without kind: %v", err)
			}
			return
		}
		var c struct {
			Iss, Sub, Nonce string
			Exp, Iat        float64
		}
		if err := json.Unmarshal([]byte(payload), &c); err != nil {
			t.Fatalf("accepted %q: %v", payload, err)
		}
		if c.Iss != "https://issuer.example/" || c.Nonce != "nonce-1" || c.Sub == "" || c.Sub != claims["sub"] ||
			c.Exp < float64(testNow.Unix()-30) || c.Iat > float64(testNow.Unix()+30) || expires.Unix() != int64(c.Exp) {
			t.Errorf("accepted %q", payload)
		}
	})
}

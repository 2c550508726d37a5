package jwks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGenuineTokensAreAccepted(t *testing.T) {
	s := newKeyServer(t, goodSet())
	k := startReady(t, Config{URL: s.URL})
	for name, token := range map[string]string{
		"RS256":                 sign(headRS, claims(nil), rsaKey()),
		"ES256 at+jwt":          sign(headES, claims(nil), ecKey()),
		"no typ":                sign(`{"alg":"RS256","kid":"r1"}`, claims(nil), rsaKey()),
		"application/AT+jwt":    sign(`{"alg":"RS256","kid":"r1","typ":"application/AT+jwt"}`, claims(nil), rsaKey()),
		"several audiences":     sign(headRS, claims(map[string]any{"aud": []any{testAudience, testIssuer + "userinfo"}}), rsaKey()),
		"expired within leeway": sign(headRS, claims(map[string]any{"exp": testNow.Unix() - 29}), rsaKey()),
		"issued within leeway":  sign(headRS, claims(map[string]any{"iat": testNow.Unix() + 29, "nbf": testNow.Unix() + 29}), rsaKey()),
		"fraction of a second":  sign(headRS, claims(map[string]any{"exp": float64(testNow.Unix()) + 0.5}), rsaKey()),
		"no iat":                sign(headRS, claims(map[string]any{"iat": nil}), rsaKey()),
		"the client beside us":  sign(headRS, claims(map[string]any{"aud": []any{testAudience, testClient}}), rsaKey()),
		"Keycloak's typ claim":  sign(headRS, claims(map[string]any{"typ": "Bearer"}), rsaKey()),
	} {
		got, expires, err := k.Verify(t.Context(), token, expect)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got["sub"] != "auth0|5ad" || expires.Unix() < testNow.Unix()-30 {
			t.Errorf("%s: claims %v expire at %v", name, got, expires)
		}
	}
}

func TestNumbersInClaimsAreNotRounded(t *testing.T) {
	s := newKeyServer(t, goodSet())
	k := startReady(t, Config{URL: s.URL})
	got, expires, err := k.Verify(t.Context(), sign(headRS, claims(map[string]any{"groups": []any{json.Number("9007199254740993")}}), rsaKey()), expect)
	if err != nil || got["groups"].([]any)[0] != json.Number("9007199254740993") || expires.Unix() != testNow.Unix()+3600 {
		t.Errorf("found %v, %v, %v", got, expires, err)
	}
}

func TestEveryTokenFaultIsRefusedAsBearer(t *testing.T) {
	var visits atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer evil.Close()
	s := newKeyServer(t, faultySet())
	k := startReady(t, Config{URL: s.URL})
	fill(k)
	faults := append(append(wireFaults(), headerFaults(evil.URL)...), claimFaults()...)
	if len(faults) < 120 {
		t.Errorf("found %d faults, want at least 120", len(faults))
	}
	for _, f := range faults {
		got, expires, err := k.Verify(t.Context(), f.token, expect)
		f.check(t, err)
		if got != nil || !expires.IsZero() {
			t.Errorf("%s: claims come with the error", f.name)
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("addresses in headers were visited %d times", n)
	}
}

func TestEveryWireAndHeaderFaultIsRefusedForIDTokens(t *testing.T) {
	s := newKeyServer(t, faultySet())
	k := startReady(t, Config{URL: s.URL})
	for _, f := range append(wireFaults(), headerFaults(s.URL)...) {
		// One fresh budget each: 60 unknown key ids in a row are a flood.
		k.mu.Lock()
		k.throttle = throttle{}
		k.mu.Unlock()
		if payload, err := k.VerifySignature(t.Context(), f.token); err == nil || payload != nil {
			t.Errorf("%s: accepted, or a payload comes with the error", f.name)
		} else {
			f.check(t, err)
		}
	}
}

// fill marks the kids that the faults use as missing, so that no test waits
// for the throttle.
func fill(k *Keys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, kid := range []string{"o1", "small", "enc", "p384", "mine", "../../../../dev/null", "x' UNION SELECT 'r1", marked} {
		k.missing.add(kid, time.Now())
	}
}

func TestATokenForOthersNeverCausesAFetch(t *testing.T) {
	s := newKeyServer(t, goodSet())
	k := startReady(t, Config{URL: s.URL})
	before := s.fetches.Load()
	for _, f := range claimFaults() {
		p := strings.Split(f.token, ".")
		strange := b64([]byte(`{"alg":"RS256","kid":"unheard of"}`)) + "." + p[1] + "." + p[2]
		if _, _, err := k.Verify(t.Context(), strange, expect); err == nil {
			t.Errorf("%s: accepted", f.name)
		}
	}
	// The two that are only wrong by media type are good tokens under the new header.
	if n := s.fetches.Load() - before; n > 1 {
		t.Errorf("found %d fetches, want at most 1", n)
	}
}

func TestKnownKeysNeedNoWaiting(t *testing.T) {
	s := newKeyServer(t, goodSet())
	k := startReady(t, Config{URL: s.URL})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := k.Verify(ctx, sign(headRS, claims(nil), rsaKey()), expect); err != nil {
		t.Error(err)
	}
}

func BenchmarkVerifyRS256(b *testing.B) { benchmarkVerify(b, sign(headRS, claims(nil), rsaKey())) }
func BenchmarkVerifyES256(b *testing.B) { benchmarkVerify(b, sign(headES, claims(nil), ecKey())) }

func benchmarkVerify(b *testing.B, token string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(goodSet())) }))
	defer s.Close()
	k := startReady(b, Config{URL: s.URL})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Verify(context.Background(), token, expect); err != nil {
			b.Fatal(err)
		}
	}
}

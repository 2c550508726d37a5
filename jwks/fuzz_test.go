package jwks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// fixed are Keys that never fetch, for fuzzing.
func fixed(t testing.TB) *Keys {
	set, _, err := readDocument([]byte(faultySet()))
	if err != nil {
		t.Fatal(err)
	}
	k := New(Config{Now: func() time.Time { return testNow }})
	k.set.Store(set)
	now := time.Now()
	for range fetchesMax {
		k.throttle.note(now.Add(time.Hour), true) // unknown keys are refused at once
	}
	return k
}

// FuzzToken looks for a panic, a byte of the token in an error, and for bytes
// that pass as a token though they are not one's own spelling.
func FuzzToken(f *testing.F) {
	for _, fault := range slices.Concat(wireFaults(), headerFaults("https://evil.example"), claimFaults()) {
		f.Add(fault.token)
	}
	good := sign(headRS, claims(nil), rsaKey())
	f.Add(good)
	k := fixed(f)
	f.Fuzz(func(t *testing.T, raw string) {
		_, _, err := k.Verify(context.Background(), raw, expect)
		if err == nil {
			// Only this process's keys sign, so only its seeds can pass.
			if strings.Trim(raw, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
				t.Errorf("accepted %q", raw)
			}
		} else if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnavailable) {
			t.Errorf("an error of no kind: %v", err)
		}
	})
}

// FuzzHeaderAndClaims signs what the fuzzer makes, so that everything behind
// the signature is reached, and judges again whatever was accepted, with
// other means.
func FuzzHeaderAndClaims(f *testing.F) {
	f.Add(headES, claims(nil))
	f.Add(`{"alg":"ES256","kid":"e1"}`, claims(map[string]any{"aud": []any{testAudience, testClient}}))
	for _, fault := range slices.Concat(wireFaults(), headerFaults("https://evil.example"), claimFaults()) {
		p := strings.Split(fault.token, ".")
		if len(p) != 3 {
			continue
		}
		header, err1 := strict.DecodeString(p[0])
		payload, err2 := strict.DecodeString(p[1])
		if err1 == nil && err2 == nil {
			f.Add(strings.Replace(strings.Replace(string(header), "RS256", "ES256", 1), `"r1"`, `"e1"`, 1), string(payload))
		}
	}
	k := fixed(f)
	f.Fuzz(func(t *testing.T, header, payload string) {
		got, expires, err := k.Verify(context.Background(), sign(header, payload, ecKey()), expect)
		if err != nil {
			return
		}
		var h struct {
			Alg, Kid string
			Crit     json.RawMessage
		}
		var c struct {
			Iss, Sub string
			Aud      any
			Exp      float64
			Nonce    json.RawMessage
		}
		if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(payload), &c) != nil {
			t.Fatalf("accepted what encoding/json refuses: %q %q", header, payload)
		}
		if h.Alg != "ES256" || h.Kid != "e1" || h.Crit != nil {
			t.Errorf("accepted header %q", header)
		}
		audience, _ := json.Marshal(c.Aud)
		if c.Iss != testIssuer || c.Sub == "" || c.Sub != got["sub"] || c.Nonce != nil || !strings.Contains(string(audience), testAudience) ||
			c.Exp <= float64(testNow.Unix()-30) || expires.Unix() != int64(c.Exp) {
			t.Errorf("accepted claims %q, expiring %v", payload, expires)
		}
	})
}

// FuzzDocument looks for a panic in reading keys, and for a weak key that
// came through.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(goodSet()))
	f.Add([]byte(faultySet()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"","y":"AA"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		set, _, err := readDocument(document)
		if (err == nil) != (set != nil) {
			t.Fatalf("found %v, %v", set, err)
		}
		if err != nil {
			return
		}
		for kid := range set.kids {
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodES256} {
				key, err := set.find(&jwt.Token{Method: method, Header: map[string]any{"alg": method.Alg(), "kid": kid}})
				if err != nil {
					continue
				}
				switch key := key.(type) {
				case *rsa.PublicKey:
					if key.N.BitLen() < 2048 || key.E < 3 {
						t.Errorf("kid %q is a weak key", kid)
					}
				case *ecdsa.PublicKey:
					if key.Curve != elliptic.P256() {
						t.Errorf("kid %q is on another curve", kid)
					}
				default:
					t.Errorf("kid %q is a %T", kid, key)
				}
				_ = method.Verify("text", make([]byte, 256), key)
				_ = method.Verify("text", make([]byte, 64), key)
			}
		}
	})
}

package jwks

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestOneBadKeyDoesNotSpoilTheOthers(t *testing.T) {
	many := strings.Repeat(`{"kty":"oct","k":"AA"},`, keysMax-2)
	for name, c := range map[string]struct {
		bad        string
		complained string // "" for keys that are simply not for us
	}{
		"oct":                   {`{"kty":"oct","kid":"x","k":"c2VjcmV0","alg":"HS256"}`, ""},
		"Ed25519":               {`{"kty":"OKP","crv":"Ed25519","kid":"x","x":"AAAA"}`, ""},
		"for encryption":        {jwk("x", otherRSA(), map[string]any{"use": "enc"}), ""},
		"for RSA-OAEP":          {jwk("x", otherRSA(), map[string]any{"alg": "RSA-OAEP"}), ""},
		"for RS512":             {jwk("x", otherRSA(), map[string]any{"alg": "RS512"}), ""},
		"only to sign":          {jwk("x", otherRSA(), map[string]any{"key_ops": []string{"sign"}}), ""},
		"P-384":                 {jwk("x", p384Key(), map[string]any{"alg": "ES384"}), ""},
		"of unknown kty":        {`{"kty":"AKP","kid":"x"}`, ""},
		"no object":             {`7`, "object"},
		"kid is a number":       {jwk("x", otherRSA(), map[string]any{"kid": 7}), "object"},
		"no kid":                {jwk("x", otherRSA(), map[string]any{"kid": nil}), "kid"},
		"empty kid":             {jwk("", otherRSA(), nil), "kid"},
		"long kid":              {jwk(strings.Repeat("k", 257), otherRSA(), nil), "kid"},
		"no n":                  {jwk("x", otherRSA(), map[string]any{"n": nil}), "valid RSA"},
		"n is no base64url":     {jwk("x", otherRSA(), map[string]any{"n": "!!!"}), "valid RSA"},
		"1024 bits":             {jwk("x", smallRSA(), nil), "1024 bits"},
		"16384 bits":            {jwk("x", otherRSA(), map[string]any{"n": b64(append([]byte{0x80}, make([]byte, 2047)...))}), "16384 bits"},
		"even n":                {jwk("x", otherRSA(), map[string]any{"n": b64(append([]byte{0x80}, make([]byte, 255)...))}), "even"},
		"e of 1":                {jwk("x", otherRSA(), map[string]any{"e": "AQ"}), "valid RSA"},
		"e of 2":                {jwk("x", otherRSA(), map[string]any{"e": "Ag"}), "even"},
		"e that 64 bits cut":    {jwk("x", otherRSA(), map[string]any{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}), "exponent"},
		"a point off the curve": {jwk("x", otherEC(), map[string]any{"x": b64([]byte{1})}), "valid EC"},
		"a point beyond":        {jwk("x", otherEC(), map[string]any{"x": b64([]byte(strings.Repeat("\xff", 32)))}), "valid EC"},
		"no y":                  {jwk("x", otherEC(), map[string]any{"y": nil}), "valid EC"},
		"its private half":      {jwk("x", otherEC(), map[string]any{"d": "c2VjcmV0"}), "private"},
		"kid of another":        {jwk("r1", otherRSA(), nil), "another key"},
		"key_ops unheard of":    {jwk("x", otherRSA(), map[string]any{"key_ops": []string{"verify", "bake"}}), "valid RSA"},
		"a hundred":             {many[:len(many)-1], "first 100"},
	} {
		set, complaint, err := readDocument([]byte(jwkSet(jwk("r1", rsaKey(), nil), c.bad, jwk("e1", ecKey(), nil), jwk("e2", otherEC(), nil))))
		if err != nil || !set.has("r1") || !set.has("e1") || set.has("x") || set.has("") {
			t.Errorf("%s: found %v, %v", name, set, err)
			continue
		}
		if found := fmt.Sprint(complaint); c.complained == "" && complaint != nil || !strings.Contains(found, c.complained) {
			t.Errorf("%s: found complaint %v, want one about %q", name, complaint, c.complained)
		}
		key, err := set.find(&jwt.Token{Method: jwt.SigningMethodRS256, Header: map[string]any{"alg": "RS256", "kid": "r1"}})
		if err != nil || !rsaKey().PublicKey.Equal(key.(*rsa.PublicKey)) {
			t.Errorf("%s: r1 is another key: %v", name, err)
		}
	}
}

func TestCertificatesInKeysAreLeftOut(t *testing.T) {
	set, complaint, err := readDocument([]byte(jwkSet(jwk("x", rsaKey(), map[string]any{
		"x5c": []string{"not a certificate"}, "x5u": "https://elsewhere.example/", "x5t": "AA", "x5t#S256": "AA",
	}))))
	if err != nil || complaint != nil || !set.has("x") {
		t.Errorf("found %v, %v, %v", set, complaint, err)
	}
}

// lies are answers of an issuer that must leave the old keys in place.
var lies = map[string]func(w http.ResponseWriter, r *http.Request){
	"empty object":       write(200, `{}`),
	"no keys":            write(200, `{"keys":[]}`),
	"keys is null":       write(200, `{"keys":null}`),
	"keys is an object":  write(200, `{"keys":{"r1":{}}}`),
	"only oct":           write(200, `{"keys":[{"kty":"oct","kid":"r1","k":"AA"}]}`),
	"only a small RSA":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jwkSet(jwk("r1", smallRSA(), nil))) },
	"null":               write(200, `null`),
	"array":              write(200, `[]`),
	"empty body":         write(200, ``),
	"HTML":               write(200, `<html>maintenance</html>`),
	"half a document":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, goodSet()[:100]) },
	"500 with good keys": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, goodSet()) },
	"404":                write(404, `{"keys":[]}`),
	"204":                write(204, ``),
	"cut off":            cutOff,
	"not HTTP":           garbage,
	"more than 1 MiB":    endless,
	"a redirect":         func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	"a temporary redirect": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	},
}

func write(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100000")
	io.WriteString(w, goodSet())
	panic(http.ErrAbortHandler)
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	c, _, _ := http.NewResponseController(w).Hijack()
	c.Write([]byte("\x16\x03\x01 this is not HTTP\r\n\r\n"))
	c.Close()
}

func endless(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, `{"keys":[`)
	block := strings.Repeat(" ", 64<<10)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
}

func TestALyingIssuerLeavesTheOldKeysInPlace(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lying atomic.Bool
			var visits atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/elsewhere":
					visits.Add(1)
					fmt.Fprint(w, jwkSet(jwk("unknown", otherEC(), nil)))
				case lying.Load():
					lie(w, r)
				default:
					fmt.Fprint(w, goodSet())
				}
			}))
			t.Cleanup(s.Close)
			var heard atomic.Int64
			k := startReady(t, Config{URL: s.URL, OnError: func(error) { heard.Add(1) }})
			lying.Store(true)
			_, err := k.VerifySignature(t.Context(), withKid("unknown"))
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("an unknown key: found %v, want ErrUnavailable", err)
			}
			if err := k.LastError(); err == nil || len(err.Error()) > 500 {
				t.Errorf("last error: %v", err)
			}
			if _, err := k.VerifySignature(t.Context(), sign(headRS, claims(nil), rsaKey())); err != nil || !k.Ready() {
				t.Errorf("a known key: ready %v, %v", k.Ready(), err)
			}
			if visits.Load() != 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestABadKeyIsReportedOnce(t *testing.T) {
	s := newKeyServer(t, jwkSet(jwk("e1", ecKey(), nil), jwk("small", smallRSA(), nil)))
	heard := make(chan error, 10)
	k := startReady(t, Config{URL: s.URL, OnError: func(err error) { heard <- err }})
	if _, err := k.VerifySignature(t.Context(), withKid("unknown")); !errors.Is(err, ErrInvalid) {
		t.Errorf("found %v", err)
	}
	if s.fetches.Load() != 2 || len(heard) != 1 {
		t.Errorf("found %d fetches and %d reports, want 2 and 1", s.fetches.Load(), len(heard))
	}
}

func TestKeysAreFetchedOverHTTPSOnly(t *testing.T) {
	var visits atomic.Int64
	client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		visits.Add(1)
		return nil, errors.New("no")
	})}
	for _, address := range []string{"http://issuer.example/jwks.json", "http://127.0.0.1.example/", "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/",
		"ftp://issuer.example/", "file:///etc/passwd", "//issuer.example/", "/jwks.json", "", "https:jwks", "https://user:secret@issuer.example/", "https://issuer.example/#x", "\x00"} {
		heard := make(chan error, 1)
		k := New(Config{URL: address, Client: client, OnError: func(err error) { heard <- err }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx) }()
		if err := <-heard; strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error shows user information: %v", address, err)
		}
		cancel()
		<-done
	}
	if visits.Load() != 0 {
		t.Errorf("found %d visits, want none", visits.Load())
	}
	for _, address := range []string{"https://issuer.example/jwks.json", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost:3000/jwks"} {
		if _, err := CheckURL(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAnAnswerOfExactlyOneMiBIsRead(t *testing.T) {
	for size, want := range map[int]bool{answerMax: true, answerMax + 1: false} {
		body := &capped{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: answerMax}
		b, err := io.ReadAll(body)
		if (err == nil) != want || want && len(b) != size {
			t.Errorf("%d bytes: found %d, %v", size, len(b), err)
		}
	}
}

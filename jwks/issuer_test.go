package jwks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Real keys, made once: RSA takes its time under -race.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	smallRSA = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	otherEC  = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC(c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public half of key as RFC 7517 JSON; more adds or replaces
// members, and removes those that are nil.
func jwk(kid string, key crypto.Signer, more map[string]any) string {
	m := map[string]any{"kid": kid, "use": "sig"}
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["alg"] = "RSA", "RS256"
		m["n"], m["e"] = b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		point, _ := k.Bytes() // 4 | X | Y
		m["kty"], m["alg"], m["crv"] = "EC", "ES256", k.Curve.Params().Name
		m["x"], m["y"] = b64(point[1:1+size]), b64(point[1+size:])
	}
	for name, v := range more {
		m[name] = v
		if v == nil {
			delete(m, name)
		}
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func jwkSet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// sign makes a compact JWS of exactly these bytes with the key's own method,
// whatever the header says.
func sign(header, payload string, key crypto.Signer) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(signature(text, key))
}

func signature(text string, key crypto.Signer) []byte {
	digest := sha256.Sum256([]byte(text))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		s, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
		if err != nil {
			panic(err)
		}
		return s
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			panic(err)
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	panic("no such key")
}

const (
	testIssuer   = "https://issuer.example/"
	testAudience = "https://api.example/"
	testClient   = "client-of-ours"
	headRS       = `{"alg":"RS256","typ":"JWT","kid":"r1"}`
	headES       = `{"alg":"ES256","typ":"at+jwt","kid":"e1"}`
)

var (
	testNow = time.Unix(1_800_000_000, 0)
	expect  = Expect{Issuer: testIssuer, Audience: []string{"https://other.example/", testAudience}, ClientID: testClient}
)

// claims returns good access token claims; more is as in jwk.
func claims(more map[string]any) string {
	m := map[string]any{"iss": testIssuer, "aud": testAudience, "sub": "auth0|5ad", "exp": testNow.Unix() + 3600, "iat": testNow.Unix() - 5}
	for name, v := range more {
		m[name] = v
		if v == nil {
			delete(m, name)
		}
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// keyServer publishes a key document over real HTTP; tests swap the handler.
type keyServer struct {
	*httptest.Server
	fetches atomic.Int64
	handler atomic.Value // http.HandlerFunc
}

func newKeyServer(t *testing.T, document string) *keyServer {
	s := &keyServer{}
	s.publish(document)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		s.handler.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) publish(document string) {
	s.handler.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) }))
}

// start runs Keys until the test ends, and waits for their end.
func start(t testing.TB, c Config) *Keys {
	t.Helper()
	if c.Now == nil {
		c.Now = func() time.Time { return testNow }
	}
	k := New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return k
}

// startReady is start with a document, and waits for the first fetch.
func startReady(t testing.TB, c Config) *Keys {
	t.Helper()
	k := start(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := k.VerifySignature(ctx, sign(headES, claims(nil), ecKey())); err != nil {
		t.Fatalf("wait for keys: %v", err)
	}
	return k
}

func goodSet() string { return jwkSet(jwk("r1", rsaKey(), nil), jwk("e1", ecKey(), nil)) }

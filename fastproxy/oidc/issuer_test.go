package oidc

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
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fastproxy/fastproxy/secret"
	"fastproxy/jwks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID     = "client-of-ours"
	clientSecret = "canary-client-secret"
	accessToken  = "canary-access-token"
	callbackURL  = "https://shiny.example.org/callback"
)

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
	ecKey    = sync.OnceValue(newEC)
	otherKey = sync.OnceValue(newEC)
)

func newEC() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign makes a compact JWS of exactly these bytes.
func sign(header, payload string, key crypto.Signer) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		signature, _ = rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, s, _ := ecdsa.Sign(rand.Reader, k, digest[:])
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	return text + "." + b64(signature)
}

// issuer is an OpenID provider on loopback with real keys, which lies where a
// test tells it to. The functions may be nil.
type issuer struct {
	*httptest.Server
	id string // with its slash

	mu        sync.Mutex
	discovery func(map[string]any)                     // changes the document
	document  func(http.ResponseWriter, *http.Request) // answers instead
	token     func(http.ResponseWriter, *http.Request) // answers instead
	userinfo  func(http.ResponseWriter, *http.Request) // answers; nil: 404
	claims    func(map[string]any)                     // changes the ID token's claims
	forge     func(claims string) string               // makes the ID token instead
	grants    map[string]url.Values                    // code → the query of /authorize
	form      url.Values                               // of the last token request
	basic     string                                   // its Authorization
	asked     map[string]int                           // requests by path
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{grants: map[string]url.Values{}, asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.serveDiscovery)
	mux.HandleFunc("POST /oauth/token", i.serveToken)
	mux.HandleFunc("GET /jwks.json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, keyDocument()) })
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		if answer := i.get().userinfo; answer != nil {
			answer(w, r)
			return
		}
		http.NotFound(w, r)
	})
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.set(func() { i.asked[r.URL.Path]++ })
		mux.ServeHTTP(w, r)
	}))
	i.id = i.URL + "/"
	t.Cleanup(i.Close)
	return i
}

// get copies what tests change.
func (i *issuer) get() *issuer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return &issuer{discovery: i.discovery, document: i.document, token: i.token, userinfo: i.userinfo, claims: i.claims, forge: i.forge}
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *issuer) count(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

func keyDocument() string {
	k, point := rsaKey().PublicKey, must(ecKey().PublicKey.Bytes())
	return fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"r1","use":"sig","n":%q,"e":%q},{"kty":"EC","kid":"e1","crv":"P-256","x":%q,"y":%q}]}`,
		b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()), b64(point[1:33]), b64(point[33:]))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (i *issuer) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	now := i.get()
	if now.document != nil {
		now.document(w, r)
		return
	}
	d := map[string]any{
		"issuer": i.id, "authorization_endpoint": i.id + "authorize", "token_endpoint": i.id + "oauth/token",
		"jwks_uri": i.id + "jwks.json", "userinfo_endpoint": i.id + "userinfo", "end_session_endpoint": i.id + "oidc/logout",
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"id_token_signing_alg_values_supported": []string{"HS256", "RS256", "PS256"},
	}
	if now.discovery != nil {
		now.discovery(d)
	}
	maps.DeleteFunc(d, func(_ string, v any) bool { return v == nil })
	json.NewEncoder(w).Encode(d)
}

// approve is what happens at /authorize: somebody signs in, and a code goes
// back.
func (i *issuer) approve(to string) (code, state string) {
	u := must(url.Parse(to))
	code = "canary-code-" + rand.Text()
	i.set(func() { i.grants[code] = u.Query() })
	return code, u.Query().Get("state")
}

func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	i.set(func() { i.form, i.basic = r.PostForm, r.Header.Get("Authorization") })
	now := i.get()
	if now.token != nil {
		now.token(w, r)
		return
	}
	i.mu.Lock()
	asked, ok := i.grants[r.PostForm.Get("code")]
	delete(i.grants, r.PostForm.Get("code"))
	i.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if !ok || asked.Get("code_challenge") != b64(challenge[:]) || r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`)
		return
	}
	c := i.goodClaims(asked.Get("nonce"))
	if now.claims != nil {
		now.claims(c)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	payload, _ := json.Marshal(c)
	raw := sign(`{"alg":"RS256","typ":"JWT","kid":"r1"}`, string(payload), rsaKey())
	if now.forge != nil {
		raw = now.forge(string(payload))
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": accessToken, "id_token": raw, "token_type": "Bearer", "expires_in": 86400})
}

func (i *issuer) goodClaims(nonce string) map[string]any {
	half := sha256.Sum256([]byte(accessToken))
	return map[string]any{
		"iss": i.id, "aud": clientID, "sub": "auth0|5ad", "nonce": nonce, "sid": "sid-1", "at_hash": b64(half[:16]),
		"iat": testNow.Unix() - 1, "exp": testNow.Unix() + 36000,
		"email": "kim@example.org", "email_verified": true, "name": "Kim", "https://shiny.example/groups": []string{"Admin", "DL"},
	}
}

var testNow = time.Unix(1_800_000_000, 0)

// site is a provider with its keys, running.
type site struct {
	*Provider
	mu    sync.Mutex
	heard []string // what OnError heard
}

func (s *site) errors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heard...)
}

func start(t testing.TB, i *issuer, change func(*Config)) *site {
	t.Helper()
	s := &site{}
	keys := jwks.New(jwks.Config{Resolve: func(ctx context.Context) (string, error) { return s.JWKSURL(ctx) }})
	c := Config{
		Issuer: i.id, ClientID: clientID, ClientSecret: secret.NewText(clientSecret), RedirectURL: callbackURL,
		GroupsClaim: "https://shiny.example", Keys: keys, Now: func() time.Time { return testNow },
		OnError: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.heard = append(s.heard, err.Error())
		},
	}
	if change != nil {
		change(&c)
	}
	var err error
	if s.Provider, err = New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { keys.Run(ctx) })
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s
}

// signIn goes all the way.
func (s *site) signIn(t testing.TB, i *issuer) (Result, Attempt, error) {
	t.Helper()
	to, a, err := s.Start(t.Context(), StartOptions{ReturnTo: "/reports/?_inputs_&n=200"})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	code, state := i.approve(to)
	if state != a.State {
		t.Fatalf("the issuer saw state %q, the attempt has %q", state, a.State)
	}
	r, err := s.Finish(t.Context(), a, code)
	if err != nil {
		noSecrets(t, err, code, a, i)
	}
	return r, a, err
}

// noSecrets looks for everything that must not leak in an error.
func noSecrets(t testing.TB, err error, code string, a Attempt, i *issuer) {
	t.Helper()
	text := fmt.Sprintf("%v %+v", err, a)
	for _, hidden := range []string{code, "canary", a.Verifier, a.Nonce, a.State, "eyJ", b64([]byte(clientSecret))} {
		if strings.Contains(text, hidden) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("the error is long or of several lines: %.800q", err)
	}
}

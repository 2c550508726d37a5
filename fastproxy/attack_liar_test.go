//go:build linux

package fastproxy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
)

// liar is an issuer that tells the truth until told to lie. It stands in front
// of an honest one, which knows itself by the liar's address, and changes what
// comes back.
type liar struct {
	t      testing.TB
	Issuer string // with its slash
	srv    *httptest.Server
	honest http.Handler
	fill   func(page string) url.Values // the honest one's form for kim

	mu      sync.Mutex
	lies    map[string]http.HandlerFunc        // by path; what is not here is the truth
	idToken func(claims map[string]any) string // makes the next ID tokens; nil: the truth
	keys    []string                           // published beside the honest ones
	lastID  string                             // the last true ID token
	asked   map[string]int                     // requests by path
}

const (
	audience = "https://fastproxy.test/api"
	kimSub   = "auth0|kim"
)

func newLiar(t testing.TB) *liar {
	l := &liar{t: t, lies: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	l.srv = httptest.NewServer(http.HandlerFunc(l.serve))
	t.Cleanup(l.srv.Close)
	l.Issuer = l.srv.URL + "/"
	return l
}

// startPocketLiar has the demo's pocket Auth0 behind it.
func startPocketLiar(t testing.TB, origin string) *liar {
	t.Helper()
	l := newLiar(t)
	a, err := demo.NewAuth0(demo.Auth0Options{Issuer: l.Issuer, ClientID: "shiny", ClientSecret: clientSecret,
		Callbacks: []string{origin + "/callback"}, LogoutURLs: []string{origin + "/callback"}, Audiences: []string{audience}})
	if err != nil {
		t.Fatal(err)
	}
	l.honest = a.Handler()
	state := regexp.MustCompile(`name="state" value="([^"]+)"`)
	l.fill = func(page string) url.Values {
		return url.Values{"state": {state.FindStringSubmatch(page)[1]}, "person": {"kim"}}
	}
	return l
}

// startNpmLiar has npm oidc-provider behind it.
func startNpmLiar(t testing.TB, origin string) *liar {
	t.Helper()
	node := needNode(t)
	l := newLiar(t)
	app := application("shiny", origin)
	app["client_secret"] = clientSecret
	given, err := json.Marshal(args{"issuer": l.Issuer, "audience": audience, "clients": []args{app}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "issuer.mjs", string(given))
	cmd.Dir = realworldDir
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, "oidc-provider", cmd)
	c.stdin = stdin
	var said struct{ Port int }
	if err := json.Unmarshal([]byte(c.awaitLine(t, `^\{"version"`)), &said); err != nil {
		t.Fatal(err)
	}
	back := &url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", said.Port)}
	transport := &http.Transport{DisableKeepAlives: true}
	l.honest = &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(back)
		r.Out.Host = r.In.Host
	}}
	l.fill = func(string) url.Values {
		return url.Values{"username": {"kim"}, "password": {"pass-kim"}, "action": {"default"}}
	}
	return l
}

// trust gives the settings of a fastproxy that believes this issuer, bearer
// tokens included.
func (l *liar) trust(origin string) settings {
	return settings{
		"AUTH0_ISSUER_URL": l.Issuer, "AUTH0_CLIENT_ID": "shiny", "AUTH0_CLIENT_SECRET": clientSecret,
		"AUTH0_CALLBACK_URL": origin + "/callback", "AUTH0_AUDIENCE": audience,
	}
}

func (l *liar) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked[r.URL.Path]++
	lie := l.lies[r.URL.Path]
	l.mu.Unlock()
	switch {
	case lie != nil:
		lie(w, r)
	case r.URL.Path == "/oauth/token":
		l.serveToken(w, r)
	case r.URL.Path == "/.well-known/jwks.json":
		l.serveKeys(w, r)
	default:
		l.honest.ServeHTTP(w, r)
	}
}

// serveToken hands on the honest answer, with another ID token in it where
// that is wanted.
func (l *liar) serveToken(w http.ResponseWriter, r *http.Request) {
	truth := httptest.NewRecorder()
	l.honest.ServeHTTP(truth, r)
	body := truth.Body.Bytes()
	var answer map[string]any
	if json.Unmarshal(body, &answer) == nil {
		raw, _ := answer["id_token"].(string)
		l.mu.Lock()
		if l.lastID = raw; raw != "" && l.idToken != nil {
			answer["id_token"] = l.idToken(claimsOf(raw))
			body, _ = json.Marshal(answer)
		}
		l.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(truth.Code)
	w.Write(body)
}

// serveKeys adds the liar's keys to the honest ones.
func (l *liar) serveKeys(w http.ResponseWriter, r *http.Request) {
	truth := httptest.NewRecorder()
	l.honest.ServeHTTP(truth, r)
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(truth.Body.Bytes(), &set); err != nil {
		l.t.Errorf("the honest issuer's keys: %v", err)
	}
	l.mu.Lock()
	for _, k := range l.keys {
		set.Keys = append(set.Keys, json.RawMessage(k))
	}
	l.mu.Unlock()
	json.NewEncoder(w).Encode(set)
}

// publish replaces the keys that the liar adds.
func (l *liar) publish(keys ...string) {
	l.mu.Lock()
	l.keys = keys
	l.mu.Unlock()
}

// lieAt answers a path by f; nil is the truth again.
func (l *liar) lieAt(path string, f http.HandlerFunc) {
	l.mu.Lock()
	if l.lies[path] = f; f == nil {
		delete(l.lies, path)
	}
	l.mu.Unlock()
}

// lie makes the next ID tokens; nil is the truth again.
func (l *liar) lie(f func(claims map[string]any) string) {
	l.mu.Lock()
	l.idToken = f
	l.mu.Unlock()
}

// trueID is the ID token of the last honest answer.
func (l *liar) trueID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastID
}

// count is how often a path was asked for.
func (l *liar) count(path string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked[path]
}

// accessClaims are what an honest access token of kim's says.
func (l *liar) accessClaims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": l.Issuer, "sub": kimSub, "aud": []any{audience, l.Issuer + "userinfo"},
		"azp": "shiny", "scope": "openid profile email", "iat": now - 5, "exp": now + 3600}
}

// claimsOf reads a token without any check.
func claimsOf(raw string) map[string]any {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var claims map[string]any
	if d.Decode(&claims) != nil {
		return nil
	}
	return claims
}

// changed gives claims with others laid over them; nil takes one away.
func changed(claims map[string]any, more map[string]any) map[string]any {
	claims = maps.Clone(claims)
	for name, v := range more {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	return claims
}

// callback takes a browser from our /login through the issuer's pages, and
// gives the address that the issuer sends it back to, not yet opened.
func (l *liar) callback(g *guest) string { return l.callbackFor(g, "/reports/") }

func (l *liar) callbackFor(g *guest, returnTo string) string {
	g.t.Helper()
	at := g.origin + "/login?with=issuer&return_to=" + url.QueryEscape(returnTo)
	res, page := g.open(at)
	for range 12 {
		switch {
		case res.StatusCode >= 300 && res.StatusCode < 400:
			to, err := res.Request.URL.Parse(res.Header.Get("Location"))
			if err != nil {
				g.t.Fatal(err)
			}
			if at = to.String(); strings.HasPrefix(at, g.origin+"/callback?") {
				return at
			}
			res, page = g.open(at)
		case res.StatusCode == 200 && strings.HasPrefix(at, l.Issuer):
			post := with(navigation, "Content-Type", "application/x-www-form-urlencoded")
			to := at
			if strings.Contains(page, `action="/u/login"`) {
				to = l.Issuer + "u/login"
			}
			res, page = g.ask("POST", to, post, l.fill(page).Encode())
		default:
			g.t.Fatalf("on the way to the issuer and back: %s answers %s\n%s", at, res.Status, page)
		}
	}
	g.t.Fatalf("no way back from the issuer, last at %s", at)
	return ""
}

package demo_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"

	"github.com/golang-jwt/jwt/v5"
)

const (
	callback = "http://app.example/callback"
	goodbye  = "http://app.example/bye"
	verifier = "a-verifier-that-is-long-enough-for-rfc-7636-section-4.1"
)

// tenant is a pocket Auth0 being served, and the application's side of it.
type tenant struct {
	*demo.Auth0
	issuer string
	clock  *clock
}

// sharedAuth0 serves the tests that change nothing but their own browser's
// state: an RSA key of its own for each would be most of their time.
var sharedAuth0 lazyAuth0

type lazyAuth0 struct {
	once   sync.Once
	tenant *tenant
	server *httptest.Server
}

func (l *lazyAuth0) get(t *testing.T) *tenant {
	l.once.Do(func() { l.tenant, l.server = startAuth0(t) })
	return l.tenant
}

func (l *lazyAuth0) close() {
	if l.server != nil {
		l.server.Close()
	}
}

// ownAuth0 is for tests that move the clock, rotate keys or change options.
func ownAuth0(t *testing.T, change ...func(*demo.Auth0Options)) *tenant {
	t.Helper()
	tn, server := startAuth0(t, change...)
	t.Cleanup(server.Close)
	return tn
}

func startAuth0(t *testing.T, change ...func(*demo.Auth0Options)) (*tenant, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	tn := &tenant{issuer: "http://" + server.Listener.Addr().String() + "/", clock: &clock{now: time.Now()}}
	o := demo.Auth0Options{
		Issuer: tn.issuer, ClientID: "app", ClientSecret: "app-secret-for-the-test",
		Callbacks: []string{callback, callback + "?kept=1"}, LogoutURLs: []string{goodbye},
		Audiences: []string{"https://api.example"}, Now: tn.clock.Now,
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if tn.Auth0, err = demo.NewAuth0(o); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = tn.Handler()
	server.Start()
	return tn, server
}

// authorizeURL is a good authorization request with some parameters changed;
// an empty one is left out.
func (tn *tenant) authorizeURL(change ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid profile email"}, "state": {"the state & more"}, "nonce": {"the nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		q.Set(change[i], change[i+1])
		if change[i+1] == "" {
			q.Del(change[i])
		}
	}
	return tn.issuer + "authorize?" + q.Encode()
}

var stateField = regexp.MustCompile(`name="state" value="([^"]+)"`)

// choose goes through the login page and clicks; it returns where that leads.
func (tn *tenant) choose(t *testing.T, c *http.Client, authorize, button, value string) *url.URL {
	t.Helper()
	resp, body := get(t, c, authorize)
	wants(t, resp, http.StatusFound, body)
	resp, body = get(t, c, location(t, resp).String())
	wants(t, resp, http.StatusOK, body)
	m := stateField.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no state on the login page: %s", body)
	}
	resp, body = postForm(t, c, tn.issuer+"u/login", url.Values{"state": {m[1]}, button: {value}})
	wants(t, resp, http.StatusSeeOther, body)
	return location(t, resp)
}

func location(t *testing.T, resp *http.Response) *url.URL {
	t.Helper()
	u, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// signIn returns the code for a person.
func (tn *tenant) signIn(t *testing.T, c *http.Client, person string, change ...string) string {
	t.Helper()
	return tn.choose(t, c, tn.authorizeURL(change...), "person", person).Query().Get("code")
}

// redeem asks the token endpoint; an empty change leaves the parameter out.
func (tn *tenant) redeem(t *testing.T, c *http.Client, code string, change ...string) (int, map[string]any) {
	t.Helper()
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback},
		"client_id": {"app"}, "client_secret": {"app-secret-for-the-test"}, "code_verifier": {verifier},
	}
	for i := 0; i+1 < len(change); i += 2 {
		form.Set(change[i], change[i+1])
		if change[i+1] == "" {
			form.Del(change[i])
		}
	}
	resp, body := postForm(t, c, tn.issuer+"oauth/token", form)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Error("the token answer may be stored")
	}
	return resp.StatusCode, object(t, body)
}

func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("not a JSON object: %v: %.300s", err, body)
	}
	return o
}

// readToken checks a JWT against the published keys and returns its claims.
func (tn *tenant) readToken(t *testing.T, c *http.Client, token string) jwt.MapClaims {
	t.Helper()
	_, body := get(t, c, tn.issuer+".well-known/jwks.json")
	var set struct {
		Keys []struct{ Kty, Use, Alg, Kid, N, E string }
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(tok *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k.Kid == tok.Header["kid"] && k.Kty == "RSA" && k.Alg == "RS256" && k.Use == "sig" {
				n, _ := base64.RawURLEncoding.DecodeString(k.N)
				e, _ := base64.RawURLEncoding.DecodeString(k.E)
				return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(tn.issuer), jwt.WithExpirationRequired())
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	return claims
}

func TestDiscoveryNamesTheIssuerWithItsSlashAndEveryEndpoint(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	_, body := get(t, c, tn.issuer+".well-known/openid-configuration")
	doc := object(t, body)
	if doc["issuer"] != tn.issuer || tn.Issuer() != tn.issuer || !strings.HasSuffix(tn.issuer, "/") {
		t.Errorf("issuer: got %v, want %s", doc["issuer"], tn.issuer)
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"} {
		to, _ := doc[name].(string)
		resp, body := get(t, c, to)
		if name == "token_endpoint" {
			resp, body = postForm(t, c, to, nil)
		}
		if !strings.HasPrefix(to, tn.issuer) || resp.StatusCode == http.StatusNotFound {
			t.Errorf("%s: %s answers %d: %.100s", name, to, resp.StatusCode, body)
		}
	}
}

func TestCodeFlowGivesAVerifiableIDToken(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	back := tn.choose(t, c, tn.authorizeURL(), "person", "kim")
	if got := back.Query().Get("state"); got != "the state & more" || !strings.HasPrefix(back.String(), callback+"?") {
		t.Fatalf("came back to %s", back)
	}
	status, answer := tn.redeem(t, c, back.Query().Get("code"))
	if status != http.StatusOK || answer["token_type"] != "Bearer" {
		t.Fatalf("token endpoint: %d %v", status, answer)
	}
	claims := tn.readToken(t, c, answer["id_token"].(string))
	for name, want := range map[string]any{
		"sub": "auth0|kim", "aud": "app", "nonce": "the nonce", "email": "kim@example.org", "email_verified": true, "name": "Kim Larsen",
	} {
		if claims[name] != want {
			t.Errorf("claim %s: got %v, want %v", name, claims[name], want)
		}
	}
	if groups, _ := claims[demo.DefaultGroupsClaim].([]any); len(groups) != 1 || groups[0] != "Admin" {
		t.Errorf("groups: %v", claims[demo.DefaultGroupsClaim])
	}
	if sid, _ := claims["sid"].(string); len(sid) < 20 {
		t.Errorf("sid: %v", claims["sid"])
	}
	resp, body := get(t, c, tn.issuer+"userinfo", "Authorization", "Bearer "+answer["access_token"].(string))
	wants(t, resp, http.StatusOK, body)
	if info := object(t, body); info["sub"] != "auth0|kim" || info["email"] != "kim@example.org" {
		t.Errorf("userinfo: %v", info)
	}
}

func TestScopeDecidesWhatTheIDTokenSays(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	_, answer := tn.redeem(t, c, tn.signIn(t, c, "sam", "scope", "openid"))
	claims := tn.readToken(t, c, answer["id_token"].(string))
	if claims["email"] != nil || claims["name"] != nil || claims[demo.DefaultGroupsClaim] == nil {
		t.Errorf("claims for scope openid: %v", claims)
	}
}

func TestSlimIDTokenLeavesTheRestToUserinfo(t *testing.T) {
	tn := ownAuth0(t, func(o *demo.Auth0Options) { o.SlimIDToken, o.GroupsClaim = true, "urn:roles" })
	c := browser(t)
	_, answer := tn.redeem(t, c, tn.signIn(t, c, "sam"))
	claims := tn.readToken(t, c, answer["id_token"].(string))
	if claims["email"] != nil || claims["urn:roles"] != nil || claims["sub"] != "auth0|sam" {
		t.Errorf("slim claims: %v", claims)
	}
	_, body := get(t, c, tn.issuer+"userinfo", "Authorization", "Bearer "+answer["access_token"].(string))
	if info := object(t, body); info["email"] != "sam@example.org" || info["urn:roles"] == nil || info["name"] != "Sam Müller" {
		t.Errorf("userinfo: %v", info)
	}
}

func TestPKCEMismatchIsRefusedAndSpendsTheCode(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	for _, wrong := range []string{"another-verifier-that-is-long-enough-for-rfc-7636", "short", ""} {
		code := tn.signIn(t, c, "kim", "prompt", "login")
		if status, answer := tn.redeem(t, c, code, "code_verifier", wrong); status != http.StatusForbidden || answer["error"] != "invalid_grant" {
			t.Errorf("verifier %q: %d %v", wrong, status, answer)
		}
		if status, _ := tn.redeem(t, c, code); status == http.StatusOK {
			t.Error("the code could be tried again")
		}
	}
}

func TestAuthorizationWithoutS256ChallengeIsRefused(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	for _, change := range [][]string{
		{"code_challenge", ""}, {"code_challenge_method", "plain"}, {"code_challenge_method", ""}, {"code_challenge", "tooshort"},
	} {
		resp, body := get(t, c, tn.authorizeURL(change...))
		wants(t, resp, http.StatusFound, body)
		if q := location(t, resp).Query(); q.Get("error") != "invalid_request" || q.Get("state") == "" || q.Has("code") {
			t.Errorf("%v: came back with %v", change, q)
		}
	}
}

func TestCodeReplayIsRefusedAndTakesTheTokenBack(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	code := tn.signIn(t, c, "kim")
	_, answer := tn.redeem(t, c, code)
	access := "Bearer " + answer["access_token"].(string)
	if status, again := tn.redeem(t, c, code); status != http.StatusForbidden || again["error"] != "invalid_grant" {
		t.Fatalf("replay: %d %v", status, again)
	}
	resp, body := get(t, c, tn.issuer+"userinfo", "Authorization", access)
	wants(t, resp, http.StatusUnauthorized, body)
}

func TestCodeExpiresAfterAMinute(t *testing.T) {
	tn, c := ownAuth0(t), browser(t)
	code := tn.signIn(t, c, "kim")
	tn.clock.pass(61 * time.Second)
	if status, answer := tn.redeem(t, c, code); status != http.StatusForbidden || answer["error"] != "invalid_grant" {
		t.Errorf("old code: %d %v", status, answer)
	}
}

func TestCodeBelongsToItsRedirectURI(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	code := tn.signIn(t, c, "kim")
	if status, _ := tn.redeem(t, c, code, "redirect_uri", callback+"?kept=1"); status != http.StatusForbidden {
		t.Errorf("other redirect_uri: %d", status)
	}
}

func TestUnknownRedirectURIOrClientShowsAPageAndNeverRedirects(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	for _, change := range [][]string{
		{"redirect_uri", "http://evil.example/callback"}, {"redirect_uri", callback + "/"}, {"redirect_uri", callback + "?x=1"},
		{"redirect_uri", "HTTP://app.example/callback"}, {"redirect_uri", ""}, {"client_id", "other"}, {"client_id", ""},
		{"redirect_uri", `"><script>alert(1)</script>`},
	} {
		resp, body := get(t, c, tn.authorizeURL(change...))
		if resp.StatusCode < 400 || resp.Header.Get("Location") != "" || !strings.Contains(body, "<h1>") || strings.Contains(body, "<script>") {
			t.Errorf("%v: %d, Location %q, %.80q", change, resp.StatusCode, resp.Header.Get("Location"), body)
		}
	}
	resp, _ := get(t, c, tn.authorizeURL()+"&redirect_uri="+url.QueryEscape(callback))
	if resp.StatusCode < 400 {
		t.Errorf("two redirect_uri: %d", resp.StatusCode)
	}
}

func TestOddRequestsComeBackAsErrors(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	for want, change := range map[string][]string{
		"unsupported_response_type": {"response_type", "token"},
		"invalid_scope":             {"scope", "profile"},
		"request_not_supported":     {"request", "x"},
		"access_denied":             {"audience", "https://unknown.example"},
		"invalid_request":           {"max_age", "soon"},
	} {
		resp, body := get(t, c, tn.authorizeURL(change...))
		wants(t, resp, http.StatusFound, body)
		if got := location(t, resp).Query().Get("error"); got != want {
			t.Errorf("%v: got %q, want %q", change, got, want)
		}
	}
	resp, _ := get(t, c, tn.authorizeURL()+"&nonce=second")
	if got := location(t, resp).Query().Get("error"); got != "invalid_request" {
		t.Errorf("two nonces: got %q", got)
	}
}

func TestPromptDecidesWhetherToAsk(t *testing.T) {
	tn, c := ownAuth0(t), browser(t)
	asked := func(change ...string) (string, url.Values) {
		resp, body := get(t, c, tn.authorizeURL(change...))
		wants(t, resp, http.StatusFound, body)
		return location(t, resp).Path, location(t, resp).Query()
	}
	if _, q := asked("prompt", "none"); q.Get("error") != "login_required" {
		t.Errorf("prompt=none, nobody there: %v", q)
	}
	tn.signIn(t, c, "kim")
	if path, q := asked("prompt", "none"); path != "/callback" || q.Get("code") == "" {
		t.Errorf("prompt=none, kim there: %s %v", path, q)
	}
	if _, q := asked(); q.Get("code") == "" {
		t.Errorf("no prompt, kim there: %v", q)
	}
	for _, prompt := range []string{"login", "select_account"} {
		if path, _ := asked("prompt", prompt); path != "/u/login" {
			t.Errorf("prompt=%s went to %s", prompt, path)
		}
	}
	tn.clock.pass(time.Minute)
	if path, _ := asked("max_age", "30"); path != "/u/login" {
		t.Errorf("max_age=30 after a minute went to %s", path)
	}
	if _, q := asked("max_age", "300"); q.Get("code") == "" {
		t.Errorf("max_age=300 after a minute: %v", q)
	}
}

func TestOneStayHasOneSidAndANewPersonGetsANewOne(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	sid := func(code string) any {
		_, answer := tn.redeem(t, c, code)
		return tn.readToken(t, c, answer["id_token"].(string))["sid"]
	}
	first := sid(tn.signIn(t, c, "kim"))
	resp, _ := get(t, c, tn.authorizeURL("prompt", "none"))
	if again := sid(location(t, resp).Query().Get("code")); again != first {
		t.Errorf("sid changed from %v to %v", first, again)
	}
	if other := sid(tn.signIn(t, c, "sam", "prompt", "login")); other == first {
		t.Error("sam has kim's sid")
	}
}

func TestCancelComesBackAsAccessDenied(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	back := tn.choose(t, c, tn.authorizeURL("redirect_uri", callback+"?kept=1"), "cancel", "1")
	q := back.Query()
	if q.Get("error") != "access_denied" || q.Get("state") != "the state & more" || q.Get("kept") != "1" || q.Has("code") {
		t.Errorf("came back to %s", back)
	}
}

func TestLoginCannotBeFinishedInAnotherBrowser(t *testing.T) {
	tn, kim, mallory := sharedAuth0.get(t), browser(t), browser(t)
	resp, _ := get(t, mallory, tn.authorizeURL())
	state := location(t, resp).Query().Get("state")
	for _, header := range [][]string{nil, {"Cookie", "pocket_auth0_browser=AAAAAAAAAAAAAAAAAAAAAAAAAA"}} {
		resp, body := postForm(t, kim, tn.issuer+"u/login", url.Values{"state": {state}, "person": {"kim"}}, header...)
		wants(t, resp, http.StatusForbidden, body)
	}
	resp, body := get(t, kim, tn.issuer+"u/login?state="+state)
	wants(t, resp, http.StatusForbidden, body)
	resp, body = postForm(t, mallory, tn.issuer+"u/login", url.Values{"state": {state}, "person": {"kim"}},
		"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example")
	wants(t, resp, http.StatusForbidden, body)
	resp, body = postForm(t, mallory, tn.issuer+"u/login", url.Values{"state": {"no such state"}, "person": {"kim"}})
	wants(t, resp, http.StatusBadRequest, body)
}

func TestTokenEndpointChecksTheClient(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	for _, change := range [][]string{{"client_secret", "wrong"}, {"client_secret", ""}, {"client_id", "other"}} {
		code := tn.signIn(t, c, "kim", "prompt", "login")
		if status, answer := tn.redeem(t, c, code, change...); status != http.StatusUnauthorized || answer["error"] != "invalid_client" {
			t.Errorf("%v: %d %v", change, status, answer)
		}
		if status, _ := tn.redeem(t, c, code); status != http.StatusOK {
			t.Error("a stranger could spend the code")
		}
	}
	code := tn.signIn(t, c, "kim", "prompt", "login")
	r := request(t, http.MethodPost, tn.issuer+"oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("app", "app-secret-for-the-test")
	resp, body := fetch(t, c, r)
	wants(t, resp, http.StatusOK, body)
}

func TestAPITokensAndMachines(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	_, answer := tn.redeem(t, c, tn.signIn(t, c, "kim", "audience", "https://api.example"))
	claims := tn.readToken(t, c, answer["access_token"].(string))
	if claims["sub"] != "auth0|kim" || claims["azp"] != "app" || claims["nonce"] != nil {
		t.Errorf("access token: %v", claims)
	}
	body, _ := json.Marshal(map[string]string{"grant_type": "client_credentials", "client_id": "app",
		"client_secret": "app-secret-for-the-test", "audience": "https://api.example"})
	resp, text := fetch(t, c, request(t, http.MethodPost, tn.issuer+"oauth/token", string(body), "Content-Type", "application/json"))
	wants(t, resp, http.StatusOK, text)
	claims = tn.readToken(t, c, object(t, text)["access_token"].(string))
	if claims["sub"] != "app@clients" || claims["aud"] != "https://api.example" {
		t.Errorf("machine token: %v", claims)
	}
}

func TestOldKeysStillVerifyAfterRotation(t *testing.T) {
	tn, c := ownAuth0(t), browser(t)
	_, before := tn.redeem(t, c, tn.signIn(t, c, "kim"))
	if err := tn.RotateKey(); err != nil {
		t.Fatal(err)
	}
	_, after := tn.redeem(t, c, tn.signIn(t, c, "kim", "prompt", "login"))
	tn.readToken(t, c, before["id_token"].(string))
	tn.readToken(t, c, after["id_token"].(string))
}

func TestLogoutByHintEndsTheStayAndGoesOnlyWhereListed(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	_, answer := tn.redeem(t, c, tn.signIn(t, c, "kim"))
	sid, _ := tn.readToken(t, c, answer["id_token"].(string))["sid"].(string)
	signedIn := func() bool {
		resp, _ := get(t, c, tn.authorizeURL("prompt", "none"))
		return location(t, resp).Query().Has("code")
	}
	logout := func(q url.Values) (*http.Response, string) { return get(t, c, tn.issuer+"oidc/logout?"+q.Encode()) }

	resp, body := logout(url.Values{"logout_hint": {sid}, "client_id": {"app"}, "post_logout_redirect_uri": {"http://evil.example/"}})
	wants(t, resp, http.StatusBadRequest, body)
	if !signedIn() || resp.Header.Get("Location") != "" {
		t.Fatal("an unlisted return address ended the stay or was followed")
	}
	resp, body = logout(url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {goodbye}})
	wants(t, resp, http.StatusOK, body)
	if !signedIn() || !strings.Contains(body, "Sign out?") {
		t.Fatal("without a hint it must ask")
	}
	resp, body = logout(url.Values{"id_token_hint": {answer["id_token"].(string) + "x"}, "post_logout_redirect_uri": {goodbye}})
	wants(t, resp, http.StatusBadRequest, body)
	resp, body = logout(url.Values{"logout_hint": {sid}, "client_id": {"app"}, "post_logout_redirect_uri": {goodbye}, "state": {"s"}})
	wants(t, resp, http.StatusFound, body)
	if got := location(t, resp).String(); got != goodbye+"?state=s" || signedIn() {
		t.Errorf("went to %s, signed in %v", got, signedIn())
	}
	// Nobody is there any more: it goes on without asking.
	resp, body = logout(url.Values{"logout_hint": {sid}, "client_id": {"app"}, "post_logout_redirect_uri": {goodbye}})
	wants(t, resp, http.StatusFound, body)
}

func TestLogoutAskedForIsConfirmedByPost(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	tn.signIn(t, c, "kim")
	to := tn.issuer + "oidc/logout?" + url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {goodbye}}.Encode()
	resp, body := postForm(t, c, to, nil, "Sec-Fetch-Site", "cross-site")
	wants(t, resp, http.StatusForbidden, body)
	resp, body = postForm(t, c, to, nil, "Sec-Fetch-Site", "same-origin")
	wants(t, resp, http.StatusSeeOther, body)
	resp, _ = get(t, c, tn.authorizeURL("prompt", "none"))
	if location(t, resp).Query().Get("error") != "login_required" {
		t.Error("still signed in")
	}
}

func TestLegacyLogoutChecksReturnTo(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	tn.signIn(t, c, "kim")
	resp, body := get(t, c, tn.issuer+"v2/logout?client_id=app&returnTo="+url.QueryEscape("http://evil.example/"))
	wants(t, resp, http.StatusBadRequest, body)
	resp, body = get(t, c, tn.issuer+"v2/logout?client_id=app&federated&returnTo="+url.QueryEscape(goodbye))
	wants(t, resp, http.StatusFound, body)
	if location(t, resp).String() != goodbye {
		t.Errorf("went to %s", location(t, resp))
	}
	resp, body = get(t, c, tn.issuer)
	if wants(t, resp, http.StatusOK, body); !strings.Contains(body, "Nobody is signed in") {
		t.Errorf("home says %s", body)
	}
}

func TestPagesAllowNoFramesNoStoreAndNothingFromElsewhere(t *testing.T) {
	tn, c := sharedAuth0.get(t), browser(t)
	resp, _ := get(t, c, tn.authorizeURL())
	for _, to := range []string{tn.issuer, location(t, resp).String(), tn.issuer + "nowhere"} {
		resp, body := get(t, c, to)
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", to, resp.Header)
		}
		if external.MatchString(body) {
			t.Errorf("%s loads something from elsewhere", to)
		}
	}
	for _, path := range []string{"demo.css", "people/kim.svg"} {
		resp, body := get(t, c, tn.issuer+path)
		wants(t, resp, http.StatusOK, body)
	}
}

var external = regexp.MustCompile(`(?i)(src|href|action)="?(https?:)?//`)

func TestAuth0RefusesUnusableOptions(t *testing.T) {
	good := demo.Auth0Options{Issuer: "http://127.0.0.1:4000/", ClientID: "a", ClientSecret: "b", Callbacks: []string{callback}}
	for want, spoil := range map[string]func(*demo.Auth0Options){
		"trailing slash": func(o *demo.Auth0Options) { o.Issuer = "http://127.0.0.1:4000" },
		"client":         func(o *demo.Auth0Options) { o.ClientSecret = "" },
		"callbacks":      func(o *demo.Auth0Options) { o.Callbacks = nil },
		"allow-list":     func(o *demo.Auth0Options) { o.LogoutURLs = []string{"/bye"} },
	} {
		o := good
		spoil(&o)
		if _, err := demo.NewAuth0(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
}

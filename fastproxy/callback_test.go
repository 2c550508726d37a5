package fastproxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
)

// toCallback signs in up to the callback's address, which is not opened yet.
func (b *browser) toCallback(to, person string) string {
	b.h.t.Helper()
	return b.choose(b.follow(b.visit(to)), person).location(b.h.t)
}

const crossSite = "cross-site"

func TestLostAttemptIsStartedAgainOnceThenNamesTheCause(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := b.toCallback("/reports/", "kim")
	for _, name := range b.states() {
		b.put(name, "")
	}
	a := b.visit(callback, "Sec-Fetch-Site", crossSite)
	if to := a.location(t); !strings.HasPrefix(to, h.auth0.issuer) {
		t.Fatalf("the first time it leads to %s", to)
	}
	a = b.visit(a.location(t), "Sec-Fetch-Site", crossSite) // the issuer knows kim by now
	for _, name := range b.states() {
		b.put(name, "")
	}
	a = b.visit(a.location(t), "Sec-Fetch-Site", crossSite).want(t, 400, "did not send back a cookie", "PUBLIC_URL", `href="https://apps.test/login?with=issuer&amp;return_to=%2F"`)
	if r := h.awaitRecord(t, "event.action", "login_failed"); r["event.reason"] != "cookie_not_returned" || r["http.request.id"] == nil {
		t.Errorf("record: %v", r)
	}
	if a.Header.Get("X-Frame-Options") == "" && !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Error("the page may be framed")
	}
}

func TestWithoutCookiesNothingLoops(t *testing.T) {
	for _, callback := range []string{"/callback", "/", "/reports/", "/reports/cb"} {
		t.Run(callback, func(t *testing.T) {
			h := build(t, plan{env: map[string]string{"AUTH0_CALLBACK_URL": "https://apps.test" + callback}})
			b := h.browser()
			b.toCallback("/reports/", "kim") // the issuer knows them now: no page stops a loop
			a := b.visit("/reports/")
			for range 12 {
				for name := range b.cookies() {
					b.put(name, "")
				}
				if a.StatusCode/100 != 3 {
					break
				}
				to, err := mustURL(b.last).Parse(a.location(t))
				if err != nil {
					t.Fatal(err)
				}
				a = b.visit(to.String(), "Sec-Fetch-Site", crossSite)
			}
			a.want(t, 400, "did not send back a cookie")
		})
	}
}

func TestUnknownStateWithASessionGoesOn(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for _, q := range []string{"code=x&state=0" + strings.Repeat("A", 24), "code=x&state=x", "code=x", "state=x", "error=access_denied", "error=access_denied&state=1xyz"} {
		if to := b.visit("/callback?"+q, "Sec-Fetch-Site", crossSite).location(t); to != "/" {
			t.Errorf("%s leads to %s", q, to)
		}
	}
	if e := b.fetch("/reports/").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Error("the session is gone")
	}
}

func TestOnlyAStateOfOursIsStartedAgain(t *testing.T) {
	h := build(t, plan{})
	for q, status := range map[string]int{
		"code=x&state=0" + strings.Repeat("A", 24): 302, "code=x&state=1" + strings.Repeat("A", 24): 400,
		"code=x&state=x": 400, "code=x": 400, "state=": 200, "code=x&state=": 400, "state=0" + strings.Repeat("A", 24): 302,
		"error=server_error": 403, "error=temporarily_unavailable&state=0" + strings.Repeat("A", 24): 403,
	} {
		if a := h.browser().visit("/callback?"+q, "Sec-Fetch-Site", crossSite); a.StatusCode != status {
			t.Errorf("%s: %s, want %d", q, a.Status, status)
		}
	}
	// Never for a picture on another site's page.
	b := h.browser()
	a := b.do("GET", "/callback?code=x&state=0"+strings.Repeat("A", 24), "", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Sec-Fetch-Site", crossSite)
	if a.StatusCode != 400 || len(b.cookies()) > 0 {
		t.Errorf("a picture: %s, cookies %v", a.Status, b.cookies())
	}
}

func TestReplayedCallbackSignsNobodyIn(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := b.toCallback("/reports/", "kim")
	copied := b.cookieHeader() // a thief has everything but the time
	if e := b.follow(b.visit(callback, "Sec-Fetch-Site", crossSite)).told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Fatal("not signed in")
	}
	if to := b.visit(callback, "Sec-Fetch-Site", crossSite).location(t); to != "/" {
		t.Errorf("opened again it leads to %s", to)
	}
	thief := h.browser()
	a := thief.visit(callback, "Cookie", copied, "Sec-Fetch-Site", crossSite).want(t, 502, "Signing in did not work", "invalid_grant")
	for _, c := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, h.current.Load().names.session[0]) {
			t.Error("the thief has a session")
		}
	}
}

// TestCodeOfAnotherBrowserIsNotTaken is login CSRF: a visitor is made to open
// the attacker's callback, to work in the attacker's name from then on.
func TestCodeOfAnotherBrowserIsNotTaken(t *testing.T) {
	h := build(t, plan{})
	attacker := h.browser()
	planted := attacker.toCallback("/reports/", "sam")
	victim := h.browser()
	a := victim.visit(planted, "Sec-Fetch-Site", crossSite)
	if to := a.location(t); !strings.HasPrefix(to, h.auth0.issuer) {
		t.Errorf("the victim is sent to %s", to)
	}
	victim.follow(a).want(t, 200, `name="person"`) // the issuer's own page: their choice
	// With an attempt of their own under way, too.
	victim.visit("/reports/")
	if a := victim.visit(planted, "Sec-Fetch-Site", crossSite); strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), ""), "fastproxy_session=") {
		t.Error("the victim was signed in")
	}
}

func TestMixedUpAttemptsSignNobodyIn(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	one, two := mustURL(b.toCallback("/reports/?1", "kim")), mustURL(h.browser().toCallback("/reports/?2", "sam"))
	mixed := "/callback?" + url.Values{"code": {two.Query().Get("code")}, "state": {one.Query().Get("state")}}.Encode()
	b.visit(mixed, "Sec-Fetch-Site", crossSite).want(t, 502, "Signing in did not work")
	if n := len(b.cookies()[h.current.Load().names.session[0]]); n > 0 {
		t.Error("signed in")
	}
	h.awaitRecord(t, "event.action", "login_failed", "event.reason", "code_refused")
	// The state's cookie under another's name, or another's state: neither opens.
	b = h.browser()
	one = mustURL(b.toCallback("/reports/?1", "kim"))
	name := b.states()[0]
	value := b.cookies()[name]
	other := "0" + strings.Repeat("B", 24)
	b.put(h.current.Load().stateName(other), value)
	if a := b.visit("/callback?code=" + one.Query().Get("code") + "&state=" + other); a.StatusCode != 302 || !strings.HasPrefix(a.location(t), h.auth0.issuer) {
		t.Errorf("%s", a.Status)
	}
}

func TestAttemptThatTookTooLongIsStartedAgain(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := b.toCallback("/reports/?n=1", "kim")
	s := h.current.Load()
	name := b.states()[0]
	a, ok := s.openAttempt(name, []byte(b.cookies()[name]))
	if !ok {
		t.Fatal("the attempt does not open")
	}
	a.Created = a.Created.Add(-stateAge)
	b.put(name, s.sealAttempt(name, &a))
	// After lunch: the issuer knows kim by now, and the page is still known.
	again := b.visit(callback, "Sec-Fetch-Site", crossSite)
	if to := again.location(t); !strings.HasPrefix(to, h.auth0.issuer) {
		t.Errorf("it leads to %s", to)
	}
	if e := b.follow(again).told(t); e.Target != "/?n=1" {
		t.Errorf("came to %s", e.Target)
	}
}

func TestRefusedPersonIsToldAndMayChange(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := b.toCallback("/reports/?n=1", "") // pressed Cancel
	a := b.visit(callback, "Sec-Fetch-Site", crossSite).want(t, 403, "You were not let in", "User cancelled the sign-in", "Try as someone else")
	m := strings.Split(a.body, `href="`)
	var other string
	for _, part := range m[1:] {
		if href, _, _ := strings.Cut(part, `"`); strings.Contains(href, "prompt=login") {
			other = strings.ReplaceAll(href, "&amp;", "&")
		}
	}
	to := b.visit(other, "Sec-Fetch-Site", "same-origin").location(t)
	if !strings.Contains(to, "prompt=login") {
		t.Errorf("as someone else leads to %s", to)
	}
	if e := b.follow(b.choose(b.follow(b.visit(to)), "kim")).told(t); e.Target != "/?n=1" {
		t.Errorf("came to %s", e.Target)
	}
	r := h.awaitRecord(t, "event.action", "login_failed")
	if r["event.reason"] != "access_denied" || r["fastproxy.login"] != "oidc" || r["event.outcome"] != "failure" || r["user.id"] != nil {
		t.Errorf("record: %v", r)
	}
	if strings.Contains(h.log.String(), "User cancelled") {
		t.Error("the log holds what the issuer's link said")
	}
}

func TestErrorsOfTheIssuerAreShownAsText(t *testing.T) {
	h := build(t, plan{})
	for code, want := range map[string]string{
		"server_error": "server_error", "invalid_scope": "invalid_scope", "login_required": "login_required",
		"<script>alert(1)</script>": "unknown_error", strings.Repeat("x", 100): "unknown_error", "": "did not send back",
	} {
		b := h.browser()
		state := mustURL(b.visit("/reports/").location(t)).Query().Get("state")
		q := url.Values{"error": {code}, "state": {state}, "error_description": {`"><script>alert(2)</script><a href="https://evil.test">` + "\r\n\x00" + strings.Repeat("y", 1000)}}
		a := b.visit("/callback?"+q.Encode(), "Sec-Fetch-Site", crossSite)
		if code == "" {
			continue // no error, and no code: the attempt comes to nothing
		}
		a.want(t, 403, want)
		for _, never := range []string{"<script>", `href="https://evil`, "\x00", strings.Repeat("y", 400)} {
			if strings.Contains(a.body, never) {
				t.Errorf("%s: the page holds %q", code, never)
			}
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
	}
	// What a stranger's link says is not shown at all.
	a := h.browser().visit("/callback?error=x&error_description=Call+0900+123", "Sec-Fetch-Site", crossSite).want(t, 403)
	if strings.Contains(a.body, "0900") {
		t.Error("a stranger's words are on a page of ours")
	}
}

func TestErrorWithoutStateDoesNotLoop(t *testing.T) {
	h := build(t, plan{})
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Path != "/authorize" {
			return false
		}
		http.Redirect(w, r, "https://apps.test/callback?error=invalid_request", http.StatusFound)
		return true
	})
	b := h.browser()
	b.follow(b.visit("/reports/")).want(t, 403, "invalid_request")
}

func TestSomebodyIsToldWhySignInsDoNotLast(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	name := h.current.Load().names.session[0]
	b.signIn("/reports/?n=1", "kim")
	for range 2 {
		b.put(name, "") // something on the way takes it
		a := b.follow(b.visit("/reports/?n=1"))
		if a.StatusCode == 400 {
			a.want(t, 400, "did not last", "PUBLIC_URL", `href="/login?return_to=%2Freports%2F%3Fn%3D1"`)
			h.awaitRecord(t, "event.action", "login_failed", "event.reason", "bounced")
			// Asked for, it is tried again.
			if e := b.follow(b.visit("/login?return_to=%2Freports%2F%3Fn%3D1")).told(t); e.Target != "/?n=1" {
				t.Errorf("came to %s", e.Target)
			}
			return
		}
	}
	t.Error("it was tried again and again")
}

func TestChangingWhoOneIsIsNoBounce(t *testing.T) {
	h := build(t, plan{env: map[string]string{"ADMIN_GROUPS": "Nobody"}})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for _, person := range []string{"sam", "kim", "sam"} {
		b.visit("/admin/").want(t, 403, "Sign in as someone else")
		b.follow(b.choose(b.follow(b.visit("/login?prompt=login&return_to=%2Fadmin%2F")), person)).want(t, 403, "not open to you")
	}
}

// sign makes an HS256 token of the claims of another.
func signHS256(token, secret string) string {
	payload := strings.Split(token, ".")[1]
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(head + "." + payload))
	return head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestHS256ApplicationIsToldOfTheSwitch(t *testing.T) {
	h := build(t, plan{})
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
		if r.URL.Path != "/oauth/token" {
			return false
		}
		rec := record(honest, r)
		var tokens map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &tokens); err != nil {
			t.Error(err)
		}
		tokens["id_token"] = signHS256(tokens["id_token"].(string), "a client secret")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(tokens)
		return true
	})
	b := h.browser()
	b.signIn("/reports/", "kim").want(t, 502, "HS256", "RS256", "JsonWebToken Signature Algorithm", "Advanced Settings")
	r := h.awaitRecord(t, "message", "sign-in failed")
	if advice, _ := r["fastproxy.advice"].(string); !strings.Contains(advice, "JsonWebToken Signature Algorithm to RS256") {
		t.Errorf("the log says %v", r)
	}
	if strings.Contains(h.log.String(), "eyJ") {
		t.Error("a token is in the log")
	}
}

func TestFailuresAtTheTokenEndpointNameTheCause(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int
		page         int
		words        string
	}{
		{"wrong secret at Auth0", `{"error":"access_denied","error_description":"Unauthorized"}`, 401, 502, "AUTH0_CLIENT_SECRET"},
		{"wrong secret", `{"error":"invalid_client"}`, 401, 502, "AUTH0_CLIENT_SECRET"},
		{"code used", `{"error":"invalid_grant"}`, 403, 502, "invalid_grant"},
		{"another no", `{"error":"unsupported_grant_type"}`, 400, 502, "unsupported_grant_type"},
		{"rate limit", `{"error":"too_many_requests"}`, 429, 503, "does not answer"},
		{"down", `<html>`, 502, 503, "does not answer"},
		{"no ID token", `{"access_token":"x","token_type":"Bearer"}`, 200, 502, "cannot be accepted"},
		{"no JSON", `oops`, 200, 503, "does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := build(t, plan{})
			h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if r.URL.Path != "/oauth/token" {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
				return true
			})
			a := h.browser().signIn("/reports/", "kim").want(t, c.page, c.words)
			if a.Header.Get("Retry-After") == "" && c.page == 503 {
				t.Error("a 503 without Retry-After")
			}
			if strings.Contains(a.body, "a client secret") || strings.Contains(h.log.String(), "a client secret") {
				t.Error("the secret was told")
			}
			h.awaitRecord(t, "event.action", "login_failed")
		})
	}
}

func TestClocksThatDifferAreShown(t *testing.T) {
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.Now = func() time.Time { return time.Now().Add(time.Hour) } }})
	h.browser().signIn("/reports/", "kim").want(t, 502, "clocks", "Here it is", "chrony")
}

func TestCallbackAtAnAppsPathIsOursOnlyWithItsAttempt(t *testing.T) {
	for _, path := range []string{"/", "/reports/cb", "/reports/"} {
		t.Run(path, func(t *testing.T) {
			h := build(t, plan{env: map[string]string{"AUTH0_CALLBACK_URL": "https://apps.test" + path}})
			b := h.browser()
			callback := b.toCallback("/reports/?n=1", "kim")
			if got := mustURL(callback).Path; got != path {
				t.Fatalf("the issuer sends people to %s", callback)
			}
			if e := b.follow(b.visit(callback, "Sec-Fetch-Site", crossSite)).told(t); e.Target != "/?n=1" {
				t.Errorf("came to %s", e.Target)
			}
			if path == "/" {
				if to := b.visit("/?code=1&state=2").location(t); to != "/reports/?code=1&state=2" {
					t.Errorf("/ leads to %s", to)
				}
				return
			}
			// The same path without that: the app's, code and state included.
			for _, q := range []string{"", "?code=1", "?code=1&state=2", "?state=0AAAAAAAAAAAAAAAAAAAAAAAA&error=x"} {
				if e := b.visit(path + q).told(t); e.Target != strings.TrimPrefix(path, "/reports")+q {
					t.Errorf("%s%s came to Shiny as %s", path, q, e.Target)
				}
			}
			// A stranger comes to the app's own sign-in all the same.
			if to := h.browser().visit(path + "?code=1&state=2").location(t); !strings.HasPrefix(to, h.auth0.issuer) {
				t.Errorf("a stranger is sent to %s", to)
			}
			h.browser().visit(path+"?error=server_error&error_description=x").want(t, 403, "server_error")
			// /callback serves too.
			b.visit("/callback").want(t, 200, "still signed in as Kim Larsen")
		})
	}
}

func TestHostOfAnotherNameIsSentHome(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	for from, want := range map[string]string{
		"http://apps.test:3000/reports/?_inputs_&n=%22a%22": "https://apps.test/reports/?_inputs_&n=%22a%22",
		"http://old.test/login?return_to=%2Freports%2F":     "https://apps.test/login?return_to=%2Freports%2F",
		"http://192.0.2.1/.fastproxy/session":               "https://apps.test/.fastproxy/session",
		"http://other.test/callback?code=1&state=2":         "https://apps.test/callback?code=1&state=2",
		"http://other2.test//evil.test/":                    "",
	} {
		a := b.visit(from)
		if want == "" {
			a.want(t, 400)
			continue
		}
		if to := a.location(t); a.StatusCode != 302 || to != want {
			t.Errorf("%s leads to %s", from, to)
		}
	}
	// Programs are not sent about, and get no session elsewhere.
	if a := b.fetch("http://old.test/reports/"); a.StatusCode != 401 {
		t.Errorf("a fetch: %s", a.Status)
	}
}

func TestProxyInFrontThatHidesTheHostIsNamed(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	for range 30 {
		// Every request arrives under another name, whatever people type.
		a := b.visit("https://backend.internal/reports/")
		if a.StatusCode == 302 {
			continue
		}
		a.want(t, 421, "goes by another name", "https://apps.test", "proxy_set_header Host")
		return
	}
	t.Error("it was sent home again and again")
}

func TestIssuerThatIsAwayAtStartIsWaitedFor(t *testing.T) {
	h := build(t, plan{absent: true})
	a := h.browser().visit("/reports/").want(t, 503, "Signing in is not possible right now")
	if a.Header.Get("Retry-After") == "" {
		t.Error("a 503 without Retry-After")
	}
	if ready := h.ops(t, "/readyz"); ready.StatusCode != 503 || !strings.Contains(ready.body, `"ready":false`) || !strings.Contains(ready.body, `"issuer":"oidc: `) {
		t.Errorf("/readyz says %s %s", ready.Status, ready.body)
	}
	h.awaitRecord(t, "message", "the issuer does not answer as it should")
	h.auth0.open()
	await(t, "the proxy to find the issuer", func() bool { return h.ops(t, "/readyz").StatusCode == 200 })
	if e := h.browser().signIn("/reports/", "kim").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Error("nobody signs in")
	}
}

func TestSessionsOutliveTheirIssuerAndARestart(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	h.auth0.close()
	if e := b.visit("/reports/").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Error("the session ended with its issuer")
	}
	h.stop()
	h.start(nil)
	if e := b.visit("/reports/").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|kim" {
		t.Error("the session ended with the process")
	}
	h.browser().visit("/reports/").want(t, 503, "Whoever is signed in already can go on working")
}

// TestStartUnderWayOutlivesARestart is for the people who are at the issuer's
// form just then.
func TestSignInUnderWayOutlivesARestart(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	callback := b.toCallback("/reports/?n=1", "kim")
	h.stop()
	h.start(nil)
	await(t, "the proxy to find the issuer", func() bool { return h.ops(t, "/readyz").StatusCode == 200 })
	if e := b.follow(b.visit(callback, "Sec-Fetch-Site", crossSite)).told(t); e.Target != "/?n=1" {
		t.Errorf("came to %s", e.Target)
	}
}

func TestOrganizationIsAskedForAndChecked(t *testing.T) {
	h := build(t, plan{env: map[string]string{"AUTHORIZE_ORGANIZATION": "org_right"}})
	b := h.browser()
	a := b.visit("/reports/")
	if q := mustURL(a.location(t)).Query(); q.Get("organization") != "org_right" {
		t.Errorf("asked with %v", q)
	}
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
		if r.URL.Path == "/authorize" { // whatever was asked for, one signs in without
			q := r.URL.Query()
			q.Del("organization")
			r.URL.RawQuery = q.Encode()
		}
		return false
	})
	b.follow(b.choose(b.follow(a), "kim")).want(t, 403, "another organization")
}

func TestUnknownMethodsOfTheCallback(t *testing.T) {
	h := build(t, plan{})
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		if a := h.browser().do(method, "/callback?code=1&state=2", ""); a.StatusCode != 405 || a.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %s, Allow %q", method, a.Status, a.Header.Get("Allow"))
		}
	}
}

func TestStateIsOfTheLengthThatStartMakes(t *testing.T) {
	h := build(t, plan{})
	state := mustURL(h.browser().visit("/reports/").location(t)).Query().Get("state")
	if triesOf(state) != 0 || triesOf("1"+state[1:]) != 1 || triesOf(state+"x") != -1 || triesOf("") != -1 {
		t.Errorf("state %q is not known as one of ours", state)
	}
}

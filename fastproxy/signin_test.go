package fastproxy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
	"fastproxy/fastproxy/session"
)

func TestSomebodySignsInAndShinyIsToldWho(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	a := b.visit("/reports/")
	if to := a.location(t); !strings.HasPrefix(to, h.auth0.issuer+"authorize?") {
		t.Fatalf("a stranger is sent to %s", to)
	}
	q, _ := url.ParseQuery(strings.SplitN(a.location(t), "?", 2)[1])
	for name, want := range map[string]string{"response_type": "code", "client_id": "shiny", "redirect_uri": "https://apps.test/callback",
		"scope": "openid profile email", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			t.Errorf("%s=%q, want %q", name, q.Get(name), want)
		}
	}
	if q.Get("state") == "" || q.Get("nonce") == "" || len(q.Get("code_challenge")) != 43 || q.Has("audience") {
		t.Errorf("authorize parameters: %v", q)
	}
	e := b.follow(b.choose(b.follow(a), "sam")).told(t)
	if e.Target != "/" {
		t.Errorf("Shiny was asked for %s", e.Target)
	}
	for name, want := range map[string]string{"X-Auth0-User-Id": "auth0|sam", "X-Auth0-Email": "sam@example.org", "X-Auth0-Groups": "DL",
		"X-Auth0-Name": "Sam M%C3%BCller", "Shiny-Server-Credentials": `{"user":"auth0|sam","groups":["DL"]}`} {
		if got := e.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("Shiny was told %s %q, want %q", name, got, want)
		}
	}
	if strings.Contains(fmt.Sprint(e.Header), "fastproxy_") {
		t.Error("Shiny got a cookie of ours")
	}
	for name, value := range b.cookies() {
		if !strings.HasPrefix(name, "__Host-fastproxy_") {
			t.Errorf("cookie %s=%s", name, value)
		}
	}
	if left := b.states(); len(left) > 0 {
		t.Errorf("attempts are left: %v", left)
	}
	if e := b.fetch("/reports/x.json").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|sam" {
		t.Error("the session does not last")
	}
	login := h.awaitRecord(t, "event.action", "login")
	if login["user.id"] != "auth0|sam" || login["fastproxy.login"] != "oidc" || login["http.request.id"] == nil || login["client.address"] != "127.0.0.1" {
		t.Errorf("record of the sign-in: %v", login)
	}
}

func TestSessionCookieIsAsPromised(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	a := b.choose(b.follow(b.visit("/reports/")), "kim")
	a = b.visit(a.location(t), "Sec-Fetch-Site", "cross-site")
	if a.StatusCode != 303 || a.location(t) != "/reports/" {
		t.Errorf("the callback answers %s to %s", a.Status, a.location(t))
	}
	found := 0
	for _, c := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-fastproxy_session=") {
			found++
			for _, want := range []string{"; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure", "; Max-Age=60479"} {
				if !strings.Contains(c, want) {
					t.Errorf("the cookie has no %s: %s", want, c)
				}
			}
		}
		if strings.Contains(c, "Domain") {
			t.Errorf("a cookie for other hosts: %s", c)
		}
	}
	if found != 1 {
		t.Errorf("%d session cookies", found)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestReturnIsExact walks whole sign-ins: what was asked for comes back byte
// for byte, and nothing leads elsewhere.
func TestReturnIsExact(t *testing.T) {
	h := build(t, plan{})
	for _, target := range []string{
		"/reports/?_inputs_&n=200",
		"/reports/app/?_inputs_&a=%22x%20y%22&u=%C3%BC&plus=a+b&percent=100%25&quote='&empty=&amp;=1",
		"/reports/?q=https://evil.test/&r=//evil.test",
		"/reports/deep/er/%41%2D.html?x=%2F%2F&y=a/b?c",
		"/reports/?a=<b>&\"c\"=|d|{e}^`",
		"/reports/?code=app&state=also",
		"/reports?x=1", // without its slash
	} {
		b := h.browser()
		// By hand: net/url would write some of these anew.
		raw := h.rawVisit(target, "")
		if strings.Contains(raw, "HTTP/1.1 308") { // "/reports" has a slash first
			target = "/reports/?x=1"
			raw = h.rawVisit(target, "")
		}
		for _, line := range strings.Split(raw, "\r\n") {
			if c, ok := strings.CutPrefix(line, "Set-Cookie: "); ok {
				b.client.Jar.SetCookies(mustURL(h.origin+"/"), parseCookie(c))
			}
		}
		_, to, _ := strings.Cut(raw, "\r\nLocation: ")
		to, _, _ = strings.Cut(to, "\r\n")
		a := b.choose(b.follow(b.visit(to, "Sec-Fetch-Site", "cross-site")), "kim")
		a = b.visit(a.location(t), "Sec-Fetch-Site", "cross-site")
		if got := a.location(t); got != target {
			t.Errorf("asked for\n%s, returned to\n%s", target, got)
		}
	}
}

// rawVisit opens a page with a target of any bytes.
func (h *house) rawVisit(target, cookie string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(h.origin, "https://"), "http://")
	head := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nConnection: close\r\n"
	if cookie != "" {
		head += "Cookie: " + cookie + "\r\n"
	}
	return h.roundTrip(h.t, head+"\r\n")
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func parseCookie(line string) []*http.Cookie {
	c, err := http.ParseSetCookie(line)
	if err != nil {
		panic(err)
	}
	return []*http.Cookie{c}
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for _, back := range []string{
		"https://evil.test/", "//evil.test/", "///evil.test", `/\evil.test`, `\\evil.test`, "/\t/evil.test", "/\n/evil.test", "javascript:alert(1)", "data:text/html,x",
		"reports/", "", " /reports/", "/logout", "/login", "/callback?code=1", "/.fastproxy/session", "/.fastproxy/", "/log%6fut", "/%2e/logout", "/reports/../logout", "/x/..//evil.test",
		"/%2f/evil.test", "/%5cevil.test", "/;/logout", "//logout", "/logout/", "http:/reports/", "/reports/%00", "/reports/%zz", "?/reports/", "#", "/.%2ffastproxy/session", "/LOGOUT#",
		"https://apps.test.evil.test/", "https:apps.test", "/@evil.test:80//x", "/reports/\r\nSet-Cookie: a=b",
	} {
		a := b.visit("/login?prompt=login&return_to=" + url.QueryEscape(back))
		a = b.choose(b.follow(a), "kim")
		a = b.visit(a.location(t), "Sec-Fetch-Site", "cross-site")
		to := a.location(t)
		// Odd, but a path here, and nobody's but the apps'.
		if to != "/" && to != "/@evil.test:80//x" && to != "/LOGOUT#" && to != "/logout/" {
			t.Errorf("return_to %q leads to %q", back, to)
		}
		if u, err := url.Parse(to); err != nil || u.Host != "" || u.Scheme != "" {
			t.Errorf("return_to %q leads to %q", back, to)
		}
	}
}

func TestRandomReturnsStayHere(t *testing.T) {
	h := build(t, plan{noOIDC: true, env: tinasFile(t)})
	s := h.current.Load()
	parts := []string{"/", "//", `\`, "..", ".", "%2f", "%5c", "%2e", "%00", "evil.test", "reports", "login", "logout", "callback", ".fastproxy", "?", "#", "@", ":", "https:", "\t", "\r\n", "é", ";", "%25", " "}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var back strings.Builder
		for range 1 + r.IntN(7) {
			back.WriteString(parts[r.IntN(len(parts))])
		}
		to := s.returnTo(back.String())
		u, err := url.Parse(to)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || strings.ContainsAny(to, "\r\n\t") {
			t.Fatalf("return_to %q leads to %q", back.String(), to)
		}
		m, err := s.table.Judge([]byte(strings.SplitN(to, "#", 2)[0]))
		if err == nil && m.Own {
			t.Fatalf("return_to %q leads to %q, a path of ours", back.String(), to)
		}
	}
}

func TestTabsSignInSideBySide(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	var pages []reply
	for i := range maxStates {
		pages = append(pages, b.follow(b.visit(fmt.Sprintf("/reports/?tab=%d", i))))
	}
	if n := len(b.states()); n != maxStates {
		t.Fatalf("%d attempts, want %d", n, maxStates)
	}
	// In another order than they were opened in.
	for _, i := range []int{3, 0, 7, 1, 6, 2, 5, 4} {
		a := b.choose(pages[i], "kim")
		a = b.visit(a.location(t), "Sec-Fetch-Site", "cross-site")
		if got, want := a.location(t), fmt.Sprintf("/reports/?tab=%d", i); got != want {
			t.Errorf("tab %d returned to %s", i, got)
		}
	}
	if left := b.states(); len(left) > 0 {
		t.Errorf("attempts are left: %v", left)
	}
}

func TestTheNinthTabDropsTheOldestAttempt(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	var pages []reply
	for i := range maxStates + 1 {
		pages = append(pages, b.follow(b.visit(fmt.Sprintf("/reports/?tab=%d", i))))
	}
	if n := len(b.states()); n != maxStates {
		t.Errorf("%d attempts, want %d", n, maxStates)
	}
	a := b.choose(pages[1], "kim")
	if to := b.visit(a.location(t), "Sec-Fetch-Site", "cross-site").location(t); to != "/reports/?tab=1" {
		t.Errorf("the second tab returned to %s", to)
	}
	if e := b.follow(b.choose(pages[0], "kim")).told(t); e.Target != "/" {
		t.Errorf("the tab whose attempt was dropped came to %s", e.Target)
	}
}

// TestHeadsStayUnderTheirLimit opens tabs with addresses that nothing can
// shorten, beside a session of four cookies: what the browser brings must
// always be less than what the proxy reads.
func TestHeadsStayUnderTheirLimit(t *testing.T) {
	h := build(t, plan{})
	r := rand.New(rand.NewPCG(3, 4))
	noise := func(n int) string {
		var s strings.Builder
		for s.Len() < n {
			fmt.Fprintf(&s, "%x", r.Uint64())
		}
		return s.String()[:n]
	}
	for _, held := range []int{0, 6000, 12000} {
		b := h.browser()
		name := h.current.Load().names.session
		for i, left := 0, held; left > 0; i, left = i+1, left-3000 {
			b.put(name[i], noise(min(left, 3000))) // an old session's, however large
		}
		for _, size := range []int{100, 1500, 1500, 1500, 1500, 3000, 5000, 9000} {
			target := "/reports/?x=" + noise(size)
			if len(target)+len(b.cookieHeader()) > 15<<10 {
				continue
			}
			a := b.visit(target)
			to := a.location(t)
			if n := len(b.cookieHeader()); n > 14<<10 {
				t.Errorf("with %d bytes of session and a page of %d, %d bytes of cookies", held, size, n)
			}
			for name, value := range b.cookies() {
				if strings.Contains(name, "_state_") && len(name)+len(value) > 4000 {
					t.Errorf("a cookie of %d bytes, which browsers do not keep", len(name)+len(value))
				}
			}
			// The way back is open, query or not.
			a = b.follow(b.visit(to, "Sec-Fetch-Site", "cross-site"))
			if strings.Contains(a.body, `name="person"`) { // the first time
				a = b.follow(b.choose(a, "kim"))
			}
			back := "/reports" + a.told(t).Target
			if back != target && back != "/reports/" {
				t.Errorf("returned to %.60s", back)
			}
			if held == 0 && size <= 1500 && back != target {
				t.Errorf("a page of %d bytes was shortened", size)
			}
			b.put(name[0], "")
			b.put(h.current.Load().names.bounce, "")
			for i, left := 0, held; left > 0; i, left = i+1, left-3000 {
				b.put(name[i], noise(min(left, 3000)))
			}
		}
	}
}

func TestLongBookmarkIsReturnedTo(t *testing.T) {
	h := build(t, plan{})
	var s strings.Builder
	s.WriteString("/reports/app/?_inputs_")
	for i := 0; s.Len() < 6000; i++ {
		fmt.Fprintf(&s, "&selected_column_%d=%%22Department%%20of%%20%d%%22", i, i*i)
	}
	target := s.String()
	b := h.browser()
	a := b.choose(b.follow(b.visit(target)), "kim")
	if got := b.visit(a.location(t), "Sec-Fetch-Site", "cross-site").location(t); got != target {
		t.Errorf("a bookmark of %d bytes came back with %d", len(target), len(got))
	}
}

func TestOnlyNavigationsStartASignIn(t *testing.T) {
	h := build(t, plan{})
	for _, c := range []struct {
		name   string
		header []string
		status int
		has    string
	}{
		{"fetch", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}, 401, `"login":"https://apps.test/login"`},
		{"fetch that accepts pages", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, 401, `"error":"sign_in_required"`},
		{"image", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/*"}, 401, `"error"`},
		{"script of old browsers", []string{"Accept", "*/*", "X-Requested-With", "XMLHttpRequest"}, 401, `"error"`},
		{"frame", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, 401, `target="_top"`},
		{"service worker's page", []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, 401, `"error"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := h.browser()
			a := b.do("GET", "/reports/?x=1", "", c.header...).want(t, c.status, c.has)
			if n := len(b.cookies()); n > 0 {
				t.Errorf("%d cookies were set", n)
			}
			if c.name != "frame" && a.Header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate (RFC 9110 section 15.5.2)")
			}
			if c.name == "frame" {
				if !strings.Contains(a.body, `href="https://apps.test/login?return_to=%2Freports%2F%3Fx%3D1"`) {
					t.Errorf("no way out of the frame: %s", mainOf(a.body))
				}
				if strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Error("the page in the frame does not show there")
				}
			}
		})
	}
	b := h.browser()
	for _, method := range []string{"POST", "PUT", "DELETE", "HEAD"} {
		if a := b.do(method, "/reports/", "", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); a.StatusCode != 401 {
			t.Errorf("%s: %s, want 401", method, a.Status)
		}
	}
	b.old = true
	if to := b.visit("/reports/").location(t); !strings.HasPrefix(to, h.auth0.issuer) {
		t.Errorf("a browser without Sec-Fetch fields is sent to %s", to)
	}
}

func TestUserinfoFillsWhatTheTokenLacks(t *testing.T) {
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.SlimIDToken = true }})
	e := h.browser().signIn("/reports/", "kim").told(t)
	if e.Header.Get("X-Auth0-Email") != "kim@example.org" || e.Header.Get("X-Auth0-Groups") != "Admin" {
		t.Errorf("Shiny was told %v", e.Header)
	}
}

func TestUserinfoOfSomebodyElseIsNotBelieved(t *testing.T) {
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.SlimIDToken = true }})
	h.auth0.meddle(func(w http.ResponseWriter, r *http.Request, honest http.Handler) bool {
		if r.URL.Path != "/userinfo" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"sub":"auth0|root","email":"root@example.org","https://fastproxy.example/groups":["Admin"]}`))
		return true
	})
	e := h.browser().signIn("/reports/", "sam").told(t)
	if e.Header.Get("X-Auth0-User-Id") != "auth0|sam" || e.Header.Get("X-Auth0-Email") != "" || e.Header.Get("X-Auth0-Groups") != "" {
		t.Errorf("Shiny was told %v", e.Header)
	}
}

func TestCheckSessionAsksSilentlyFirst(t *testing.T) {
	h := build(t, plan{env: map[string]string{"CHECK_SESSION": "true"}})
	b := h.browser()
	a := b.visit("/reports/?n=1")
	if !strings.Contains(a.location(t), "prompt=none") {
		t.Fatalf("it did not ask silently: %s", a.location(t))
	}
	page := b.follow(a) // login_required, then the form
	if e := b.follow(b.choose(page, "kim")).told(t); e.Target != "/?n=1" {
		t.Errorf("came to %s", e.Target)
	}
	// Signed in at the issuer, no form is seen.
	b.put(h.current.Load().names.session[0], "")
	if e := b.follow(b.visit("/reports/?n=2")).told(t); e.Target != "/?n=2" {
		t.Errorf("came to %s", e.Target)
	}
}

func TestEverySignInIsANewSession(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	name := h.current.Load().names.session[0]
	seen := map[string]bool{}
	var ids []session.ID
	for range 3 {
		b.follow(b.choose(b.follow(b.visit("/login?prompt=login")), "kim"))
		v := h.open(t, b.cookies()[name])
		if seen[b.cookies()[name]] || slices.Contains(ids, v.ID) {
			t.Error("a session was used again")
		}
		seen[b.cookies()[name]], ids = true, append(ids, v.ID)
	}
	// Tabs of the same person keep theirs; somebody else's ends.
	first := name + "=" + keys(seen)[0]
	if a := h.browser().fetch("/reports/", "Cookie", first); a.StatusCode != 200 {
		t.Errorf("kim's other session: %s", a.Status)
	}
	old := name + "=" + b.cookies()[name]
	b.follow(b.choose(b.follow(b.visit("/login?prompt=login")), "sam"))
	if a := h.browser().fetch("/reports/", "Cookie", old); a.StatusCode != 401 {
		t.Errorf("kim's session after sam signed in in its place: %s", a.Status)
	}
	r := h.awaitRecord(t, "event.action", "logout")
	if r["user.id"] != "auth0|kim" || r["event.reason"] != "signed_in_as_another" {
		t.Errorf("record: %v", r)
	}
}

func keys(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// open reads a session cookie of one part.
func (p *testProxy) open(t testing.TB, value string) session.Session {
	t.Helper()
	v, err := p.current.Load().sealer.Open([][]byte{[]byte(value)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTwoSessionCookiesOfOneNameCountForNothing(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	name := h.current.Load().names.session[0]
	mine := name + "=" + b.cookies()[name]
	thief := h.browser()
	for _, cookie := range []string{mine + "; " + mine, mine + "; " + name + "=planted", name + "=planted; " + mine} {
		if a := thief.fetch("/reports/", "Cookie", cookie); a.StatusCode != 401 {
			t.Errorf("%s: %s", cookie[:30], a.Status)
		}
	}
	if r := h.awaitRecord(t, "event.reason", "cookie_conflict"); r["user.id"] != nil {
		t.Errorf("somebody is named: %v", r)
	}
}

func TestPeopleOnPlainHTTPSignInAndOut(t *testing.T) {
	h := build(t, plan{origin: "http://apps.test"})
	b := h.browser()
	b.old = true // browsers send Sec-Fetch fields to trustworthy origins only
	if e := b.signIn("/reports/?n=1", "kim").told(t); e.Target != "/?n=1" || e.Header.Get("X-Forwarded-Proto") != "http" {
		t.Errorf("came to %s, %v", e.Target, e.Header)
	}
	for name := range b.cookies() {
		if !strings.HasPrefix(name, "fastproxy_") {
			t.Errorf("cookie %s", name)
		}
	}
	a := b.visit("/logout", "Referer", "http://apps.test/reports/?n=1")
	b.follow(a).want(t, 200, "You are signed out")
}

func TestOnlyTheSessionFollowsCookieSameSite(t *testing.T) {
	h, _ := flat(t, plan{env: map[string]string{"COOKIE_SAMESITE": "none"}})
	b := h.browser()
	page := b.follow(b.visit("/reports/"))
	a := b.fill(page, "tina", tinaPassword)
	for _, c := range append(append(page.Header.Values("Set-Cookie"), a.Header.Values("Set-Cookie")...), b.visit("/login?with=issuer").Header.Values("Set-Cookie")...) {
		want := "SameSite=Lax"
		if strings.HasPrefix(c, "__Host-fastproxy_session") {
			want = "SameSite=None"
		}
		if !strings.Contains(c, want) || !strings.Contains(c, "Secure") {
			t.Errorf("cookie %s, want %s", c, want)
		}
	}
}

func TestCallbackUnderAnotherHostIsADetour(t *testing.T) {
	h := build(t, plan{env: map[string]string{"AUTH0_CALLBACK_URL": "http://old.test/callback"},
		auth0: func(o *demo.Auth0Options) { o.Callbacks = append(o.Callbacks, "http://old.test/callback") }})
	if e := h.browser().signIn("/reports/?n=1", "kim").told(t); e.Target != "/?n=1" {
		t.Errorf("came to %s", e.Target)
	}
}

func TestBearersNeedNoCookieAndStartNoSignIn(t *testing.T) {
	h := build(t, plan{env: map[string]string{"AUTH0_AUDIENCE": "https://api.test"}, yaml: `mounts:
  - path: /machines/
    upstream: [http://127.0.0.1:1]
    allow: {users: ["shiny@clients"]}
`, auth0: func(o *demo.Auth0Options) { o.Audiences = []string{"https://api.test"} }})
	resp, err := http.PostForm(h.auth0.issuer+"oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"shiny"}, "client_secret": {"a client secret"}, "audience": {"https://api.test"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	for token, status := range map[string]int{v.Token: 502, v.Token + "x": 401, "x": 401, "": 401} { // 502: let in, and nobody is there
		if a := b.fetch("/machines/", "Authorization", "Bearer "+token); a.StatusCode != status {
			t.Errorf("bearer %.10s…: %s, want %d", token, a.Status, status)
		}
	}
	if a := b.fetch("/reports/", "Authorization", "Bearer "+v.Token); a.StatusCode != 403 {
		t.Errorf("a machine that no rule names: %s", a.Status)
	}
	if strings.Contains(h.log.String(), v.Token) {
		t.Error("the token is in the log")
	}
}

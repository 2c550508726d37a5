package fastproxy

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// clickLogout signs out by a link on a page of ours, one step.
func (b *browser) clickLogout() reply {
	b.h.t.Helper()
	return b.visit("/logout", "Sec-Fetch-Site", "same-origin")
}

func TestSigningOutEndsTheStayHereAndAtTheIssuer(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	copied := b.cookieHeader()
	c := b.tunnel("/reports/websocket/")
	a := b.clickLogout()
	to := mustURL(a.location(t))
	if q := to.Query(); a.StatusCode != 303 || to.Path != "/oidc/logout" || q.Get("client_id") != "shiny" || q.Get("logout_hint") == "" ||
		q.Get("post_logout_redirect_uri") != "https://apps.test/callback" || len(q) != 3 {
		t.Errorf("%s to %s", a.Status, to)
	}
	if code := ended(t, c); code/100 != 45 {
		t.Errorf("the tunnel ended with %d, want 45xx", code)
	}
	b.follow(a).want(t, 200, "You are signed out", `href="/login"`)
	if b.last != "https://apps.test/callback" {
		t.Errorf("ended at %s", b.last)
	}
	for name := range b.cookies() {
		t.Errorf("cookie %s is left", name)
	}
	if a := h.browser().fetch("/reports/", "Cookie", copied); a.StatusCode != 401 {
		t.Errorf("a copy of the cookie: %s", a.Status)
	}
	b.follow(b.visit("/reports/")).want(t, 200, `name="person"`) // the issuer has forgotten kim
	r := h.awaitRecord(t, "event.action", "logout")
	if r["user.id"] != "auth0|kim" || r["http.request.id"] == nil || r["fastproxy.streams_closed"] != 1.0 || r["fastproxy.issuer"] != h.auth0.issuer {
		t.Errorf("record: %v", r)
	}
	socket := h.awaitRecord(t, "event.dataset", "fastproxy.websocket")
	if socket["event.reason"] != "logout" || socket["fastproxy.closed_by"] != "proxy" || socket["user.id"] != "auth0|kim" || socket["http.request.body.bytes"] == 0.0 {
		t.Errorf("record of the tunnel: %v", socket)
	}
}

func TestCopiedCookieIsRefusedAfterARestartAndANewSecret(t *testing.T) {
	const first, second = "the first secret of this test, 0815", "the second secret of this test, 4711"
	h := build(t, plan{env: map[string]string{"COOKIE_SECRET": first}})
	b, stays := h.browser(), h.browser()
	b.signIn("/reports/", "kim")
	stays.signIn("/reports/", "sam")
	copied := b.cookieHeader()
	b.clickLogout()
	h.stop()
	h.env["COOKIE_SECRET"], h.env["COOKIE_SECRET_PREVIOUS"] = second, first
	h.start(nil)
	if a := h.browser().fetch("/reports/", "Cookie", copied); a.StatusCode != 401 {
		t.Errorf("a copy of kim's cookie: %s", a.Status)
	}
	if e := stays.fetch("/reports/").told(t); e.Header.Get("X-Auth0-User-Id") != "auth0|sam" {
		t.Error("sam's session is gone")
	}
	h.stop()
	h.env["COOKIE_SECRET_PREVIOUS"] = ""
	h.start(nil)
	if a := stays.fetch("/reports/"); a.StatusCode != 401 {
		t.Errorf("a cookie of a secret that is no more: %s", a.Status)
	}
}

func TestLogoutGoesWhereTheOriginalsVariablesSay(t *testing.T) {
	const here, bye = "https://apps.test/callback", "https://elsewhere.test/bye"
	for _, c := range []struct {
		env       string
		issuer    bool
		returnTo  string // "": the signed-out page itself
		federated bool
	}{
		{"", true, here, false},
		{"AUTH0_LOGOUT_URL=" + bye, true, bye, false},
		{"LOGOUT_URL=" + bye, false, bye, false},
		{"LOGOUT_URL=/bye", false, "/bye", false},
		{"LOGOUT_URL=" + bye + " LOGOUT_AUTH0=true", true, bye, false},
		{"LOGOUT_URL=/bye LOGOUT_AUTH0=true", true, "https://apps.test/bye", false},
		{"LOGOUT_AUTH0=false", false, "", false},
		{"LOGOUT_AUTH0=false AUTH0_LOGOUT_URL=" + bye, false, bye, false},
		{"LOGOUT_FEDERATED=true", true, here, true},
		{"FEDERATED=true LOGOUT_AUTH0=false", true, here, true},
		{"LOGOUT_URL=" + bye + " FEDERATED=true", true, bye, true},
		{"AUTH0_LOGOUT_URL=" + bye + " LOGOUT_URL=/other", true, bye, false},
	} {
		t.Run(c.env, func(t *testing.T) {
			env := map[string]string{}
			for pair := range strings.FieldsSeq(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				env[name] = value
			}
			h := build(t, plan{env: env})
			b := h.browser()
			b.signIn("/reports/", "kim")
			a := b.clickLogout()
			if !c.issuer {
				if c.returnTo == "" {
					a.want(t, 200, "You are signed out")
				} else if to := a.location(t); to != c.returnTo {
					t.Errorf("leads to %s", to)
				}
				return
			}
			to := mustURL(a.location(t))
			if to.Host != h.auth0.addr || to.Path != "/oidc/logout" || to.Query().Get("post_logout_redirect_uri") != c.returnTo || to.Query().Has("federated") != c.federated {
				t.Errorf("leads to %s", to)
			}
			if c.federated && !strings.HasSuffix(a.location(t), "&federated") {
				t.Errorf("Auth0 looks for the bare name: %s", a.location(t))
			}
			// Who is not signed in here has no hint to give: Auth0's older way.
			to = mustURL(b.clickLogout().location(t))
			if to.Path != "/v2/logout" || to.Query().Get("returnTo") != c.returnTo || to.Query().Get("client_id") != "shiny" {
				t.Errorf("without a session it leads to %s", to)
			}
		})
	}
}

func TestFlatFilePeopleSignOutHere(t *testing.T) {
	h, _ := flat(t, plan{})
	b := h.browser()
	b.password("/reports/", "tina", tinaPassword).told(t)
	b.clickLogout().want(t, 200, "You are signed out")
	h, _ = flat(t, plan{env: map[string]string{"AUTH0_LOGOUT_URL": "https://elsewhere.test/bye"}})
	b = h.browser()
	b.password("/reports/", "tina", tinaPassword).told(t)
	if to := b.clickLogout().location(t); to != "https://elsewhere.test/bye" {
		t.Errorf("leads to %s", to)
	}
}

func TestOtherSitesSignNobodyOut(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for _, c := range []struct {
		name   string
		header []string
		page   bool
	}{
		{"link", []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}, true},
		{"link of a sibling", []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-site"}, true},
		{"picture", []string{"Accept", "image/*", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Sec-Fetch-Site", "cross-site"}, false},
		{"picture on our own page", []string{"Accept", "image/*", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Sec-Fetch-Site", "same-origin"}, false},
		{"frame", []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "same-origin"}, true},
		{"script", []string{"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}, false},
		{"link in an old browser", []string{"Accept", "text/html", "Referer", "https://evil.test/"}, true},
		{"link in an old browser that hides", []string{"Accept", "text/html"}, true},
		{"look-alike", []string{"Accept", "text/html", "Referer", "https://apps.test.evil.test/"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := b.do("GET", "/logout", "", c.header...)
			if c.page {
				a.want(t, 200, "Sign out?", `action="/logout"`)
			} else if a.StatusCode != 403 || len(a.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%s, cookies %v", a.Status, a.Header.Values("Set-Cookie"))
			}
			b.fetch("/reports/").told(t)
		})
	}
	page := b.do("GET", "/logout", "", "Accept", "text/html")
	token := formToken.FindStringSubmatch(page.body)[1]
	for _, c := range []struct {
		name   string
		form   url.Values
		header []string
	}{
		{"no token", url.Values{}, nil},
		{"another's token", url.Values{"token": {token[:len(token)-4] + "AAAA"}}, nil},
		{"another site", url.Values{"token": {token}}, []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"}},
	} {
		t.Run("POST, "+c.name, func(t *testing.T) {
			b.post("/logout", c.form, c.header...).want(t, 200, "Sign out?")
			b.fetch("/reports/").told(t)
		})
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		if a := b.do(method, "/logout", ""); a.StatusCode != 405 {
			t.Errorf("%s: %s", method, a.Status)
		}
	}
	// Confirmed, it ends.
	if a := b.post("/logout", url.Values{"token": {token}}); a.StatusCode != 303 {
		t.Errorf("confirmed: %s", a.Status)
	}
	if a := b.fetch("/reports/"); a.StatusCode != 401 {
		t.Errorf("after it: %s", a.Status)
	}
}

func TestOldBrowsersSignOutByALinkOfOurs(t *testing.T) {
	for _, how := range [][]string{
		{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}, // typed
		{"Referer", "https://apps.test/reports/app/?x"}, {"Referer", "https://apps.test"},
	} {
		h := build(t, plan{})
		b := h.browser()
		b.signIn("/reports/", "kim")
		b.old = true
		if a := b.visit("/logout", how...); a.StatusCode != 303 {
			t.Errorf("%v: %s", how, a.Status)
		}
	}
}

func TestBareCallbackSaysWhoIsSignedIn(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.visit("/callback").want(t, 200, "You are signed out")
	b.signIn("/reports/", "kim")
	b.visit("/callback").want(t, 200, "still signed in as Kim Larsen", `href="/logout"`)
}

func TestSignedOutInOneTabIsSignedOutInAll(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	one, two := b.tunnel("/reports/websocket/"), b.tunnel("/reports/app/websocket/")
	b.clickLogout()
	if a, b := ended(t, one), ended(t, two); a/100 != 45 || b/100 != 45 {
		t.Errorf("the tunnels ended with %d and %d", a, b)
	}
	// Each tab's attempt to come back is told plainly.
	if a := b.do("GET", "/reports/websocket/", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="); a.StatusCode != 401 {
		t.Errorf("a new tunnel: %s", a.Status)
	}
}

func TestSecretsFromFilesSignPeopleIn(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	h := build(t, plan{env: map[string]string{
		"AUTH0_CLIENT_SECRET": "", "AUTH0_CLIENT_SECRET_FILE": file("secret", "a client secret\n"),
		"COOKIE_SECRET_FILE":       file("cookie", "a cookie secret out of a file\n"),
		"SHINY_SHARED_SECRET_FILE": file("shared", "s3cret-of-shiny"),
	}})
	e := h.browser().signIn("/reports/", "kim").told(t)
	if e.Header.Get("Shiny-Shared-Secret") != "s3cret-of-shiny" {
		t.Errorf("Shiny was told %v", e.Header)
	}
	for _, s := range []string{"a client secret", "out of a file", "s3cret-of-shiny"} {
		if strings.Contains(h.log.String(), s) {
			t.Errorf("%q is in the log", s)
		}
	}
}

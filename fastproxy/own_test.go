package fastproxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"fastproxy/fastproxy/demo"
)

func TestUnknownPathsOfOursAreNeverForwarded(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for _, path := range []string{"/.fastproxy", "/.fastproxy/", "/.fastproxy/status", "/.fastproxy/session/", "/.fastproxy/sessionx", "/.fastproxy/password/x",
		"/.fastproxy/backchannel-logout", "/.fastproxy/jwks.json", "/.fastproxy/../reports/", "/.fastproxy/%2e%2e/reports/", "/log%69n", "/%2efastproxy/session", "/.FASTPROXY/session"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			raw := h.roundTrip(t, method+" "+path+" HTTP/1.1\r\nHost: apps.test\r\nCookie: "+b.cookieHeader()+"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			if status := strings.SplitN(raw, " ", 3)[1]; status != "404" && status != "400" {
				t.Errorf("%s %s: %s", method, path, status)
			}
			if strings.Contains(raw, `"Target"`) {
				t.Errorf("%s %s came to Shiny", method, path)
			}
		}
	}
}

func TestSessionPageSaysWhoAndWhatShinyIsTold(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	if to := b.visit("/.fastproxy/session").location(t); !strings.HasPrefix(to, h.auth0.issuer) {
		t.Errorf("a stranger is sent to %s", to)
	}
	b.follow(b.choose(b.follow(b.visit("/reports/")), "sam"))
	b.visit("/.fastproxy/session").want(t, 200, "Sam Müller", "auth0|sam", h.auth0.issuer, "X-Auth0-Name", "Sam M%C3%BCller",
		"session$request$HTTP_X_AUTH0_EMAIL", "DL", "12 hours")
	a := b.fetch("/.fastproxy/session", "Accept", "application/json").want(t, 200)
	var v struct {
		SignedIn  bool   `json:"signed_in"`
		Name      string `json:"name"`
		User      string `json:"user"`
		Login     string `json:"login"`
		Issuer    string `json:"issuer"`
		Expires   string `json:"expires"`
		IdleAfter string `json:"idle_after"`
		Groups    []string
		Headers   []struct{ Name, Value, R string }
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatal(err)
	}
	if !v.SignedIn || v.Name != "Sam Müller" || v.User != "auth0|sam" || v.Login != "oidc" || v.Issuer != h.auth0.issuer || v.Expires == "" || v.IdleAfter != "12h0m0s" || len(v.Groups) != 1 || len(v.Headers) < 5 {
		t.Errorf("JSON: %s", a.body)
	}
	// What it says is what Shiny gets.
	e := b.fetch("/reports/").told(t)
	for _, header := range v.Headers {
		if got := e.Header.Get(header.Name); got != header.Value {
			t.Errorf("%s: the page says %q, Shiny gets %q", header.Name, header.Value, got)
		}
	}
	if a := h.browser().fetch("/.fastproxy/session", "Accept", "application/json").want(t, 200); !strings.Contains(a.body, `"signed_in": false`) {
		t.Errorf("a stranger's: %s", a.body)
	}
	if a := b.do("POST", "/.fastproxy/session", ""); a.StatusCode != 405 {
		t.Errorf("POST: %s", a.Status)
	}
	for _, secret := range b.cookies() {
		if strings.Contains(a.body, secret) {
			t.Error("a cookie is on the page")
		}
	}
}

func TestSessionPageNamesTheClaimsWhereGroupsAreMissing(t *testing.T) {
	h := build(t, plan{auth0: func(o *demo.Auth0Options) { o.GroupsClaim = "https://example.org/roles" }})
	b := h.browser()
	b.signIn("/reports/", "kim")
	b.visit("/.fastproxy/session").want(t, 200, "AUTH0_GROUPS_CLAIM", "https://example.org/roles", demo.DefaultGroupsClaim)
	h = build(t, plan{env: map[string]string{"AUTH0_GROUPS_CLAIM": ""}})
	b = h.browser()
	b.signIn("/reports/", "kim")
	b.visit("/.fastproxy/session").want(t, 200, "AUTH0_GROUPS_CLAIM is not set", demo.DefaultGroupsClaim)
}

func TestForbiddenPageSaysWhoYouAreAndOpensAdmin(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	b.visit("/admin/?x=1").want(t, 403, "not open to you", "Kim Larsen (auth0|kim)", "ADMIN_USERS=auth0|kim", `href="/login?prompt=login&amp;return_to=%2Fadmin%2F%3Fx%3D1"`)
	if a := b.fetch("/admin/"); a.StatusCode != 403 || !strings.Contains(a.body, `"error":"not_admitted"`) {
		t.Errorf("a script: %s %s", a.Status, a.body)
	}
	r := h.awaitRecord(t, "event.action", "denied")
	if r["user.id"] != "auth0|kim" || r["http.request.id"] == nil || r["url.path"] != "/admin/" || r["event.reason"] != "not_admitted" {
		t.Errorf("record: %v", r)
	}
	h = build(t, plan{env: map[string]string{"ADMIN_USERS": "auth0|kim"}})
	b = h.browser()
	b.signIn("/admin/x", "kim").told(t)
	b.follow(b.choose(b.follow(b.visit("/login?prompt=login&return_to=%2Fadmin%2F")), "sam")).want(t, 403, "sam")
	if strings.Contains(b.visit("/admin/").body, "ADMIN_USERS") {
		t.Error("it is open to somebody: no need to tell everybody how")
	}
}

func TestGroupsOfTheFlatFileAreThoseOfNow(t *testing.T) {
	groups := t.TempDir() + "/groups"
	write(t, groups, "Admin:tina\n")
	h, _ := flat(t, plan{noOIDC: true, env: map[string]string{"AUTH_GROUPS_FILE": groups, "ADMIN_GROUPS": "Admin"}})
	b := h.browser()
	b.password("/admin/", "tina", tinaPassword).told(t)
	admin, app := b.tunnel("/admin/websocket/"), b.tunnel("/reports/websocket/")
	write(t, groups, "Other:tina\n")
	await(t, "the door to close", func() bool { return b.fetch("/admin/").StatusCode == 403 })
	if e := b.fetch("/reports/").told(t); e.Header.Get("X-Auth0-Groups") != "Other" {
		t.Errorf("Shiny was told %q", e.Header.Get("X-Auth0-Groups"))
	}
	if code := ended(t, admin); code/100 != 45 {
		t.Errorf("the tunnel behind the door that closed ended with %d, want 45xx", code)
	}
	if err := app.WriteMessage(websocket.TextMessage, []byte("still here")); err != nil {
		t.Errorf("the other tunnel: %v", err)
	}
	if n := h.registry.Streams(); n != 1 {
		t.Errorf("%d streams, want the other tunnel alone", n)
	}
}

func TestOurPagesAreNobodyElses(t *testing.T) {
	h, _ := flat(t, plan{})
	b := h.browser()
	b.password("/reports/", "tina", tinaPassword).told(t)
	for _, path := range []string{"/login", "/logout", "/callback", "/.fastproxy/session", "/.fastproxy/none", "/none", "/admin/"} {
		a := b.visit(path, "Sec-Fetch-Site", "cross-site")
		for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
			if a.Header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, a.Header.Get(name))
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if a.Header.Get("Server") != "" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}

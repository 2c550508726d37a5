//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
)

// What happens to a stay: its end, everywhere at once, and its survival.

func (w *world) signsOut(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.signedIn(t, p, i, "kim")
	other := w.browser.open(t, "kim")
	other.visit(p.origin + "/reports/")
	sees(other, i.sub("kim"))
	copied := http.Header{"Cookie": {cookieHeader(kim)}}
	if res, _ := fetch(t, p.origin+"/reports/", copied); res.StatusCode != http.StatusOK {
		t.Fatalf("a copy of the cookie gets %s while the session lasts", res.Status)
	}

	kim.click("#signout")
	kim.arrive(p.origin + "/callback")
	kim.await("body", "igned out")
	kim.screenshot("signed-out")

	other.ask("closed", nil, nil)
	other.await("#shiny-disconnected-overlay, body", "") // greyed out
	if n := other.count("#shiny-disconnected-overlay"); n != 1 {
		t.Errorf("the other tab shows %d overlays, want Shiny's own grey one", n)
	}
	if res, _ := fetch(t, p.origin+"/reports/", copied); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a copy of the cookie gets %s after signing out, want 401", res.Status)
	}
	other.ask("goto", args{"url": p.origin + "/reports/"}, nil)
	other.arrive(i.Issuer + "u/login/") // the issuer's own session has ended, too

	// Not even a restart forgets.
	if err := p.stop(); err != nil {
		t.Errorf("asked to end, fastproxy ends with %v, want exit 0", err)
	}
	p.run(t)
	p.awaitReady(t)
	if res, _ := fetch(t, p.origin+"/reports/", copied); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a copy of the ended session's cookie gets %s after a restart, want 401", res.Status)
	}
}

func (w *world) restarts(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.signedIn(t, p, i, "kim")
	stays := http.Header{"Cookie": {cookieHeader(kim)}}

	i.stop() // people with sessions do not need the issuer
	if err := p.stop(); err != nil {
		t.Errorf("asked to end, fastproxy ends with %v, want exit 0", err)
	}
	kim.ask("closed", nil, nil)
	p.run(t)
	eventually(t, "fastproxy to serve a session without its issuer", func() error {
		return answers(p.ops+"/healthz", http.StatusOK)
	})
	if res, _ := fetch(t, p.origin+"/reports/", stays); res.StatusCode != http.StatusOK {
		t.Errorf("after a restart the session gets %s, want 200", res.Status)
	}
	kim.visit(p.origin + "/reports/")
	sees(kim, i.sub("kim"))
	movesTheSlider(kim)
}

func (w *world) issuerIsLate(t *testing.T) {
	p := newProxy(t, w.bin)
	port := freePort(t)
	absent := &issuer{Issuer: fmt.Sprintf("http://127.0.0.1:%d/", port)}
	p.write(t, w, auth0(absent, "shiny", p.origin), "")
	p.run(t)
	eventually(t, "fastproxy to say that it is not ready", func() error {
		return answers(p.ops+"/readyz", http.StatusServiceUnavailable)
	})
	kim := w.browser.open(t, "kim")
	if status := kim.visit(p.origin + "/reports/"); status != http.StatusServiceUnavailable {
		t.Errorf("without its issuer a page answers %d, want 503", status)
	}
	kim.screenshot("issuer-away")

	i := startIssuer(t, port, application("shiny", p.origin))
	p.awaitReady(t)
	kim.visit(p.origin + "/reports/")
	i.signIn(kim, "kim")
	sees(kim, i.sub("kim"))
}

// checkSession has fastproxy ask silently first: whoever is signed in at the
// issuer sees no form, whoever is not sees it as ever.
func (w *world) checksSilently(t *testing.T) {
	p := newProxy(t, w.bin)
	q := newProxy(t, w.bin)
	i := startIssuer(t, 0, application("shiny", p.origin), application("other", q.origin))
	p.serve(t, w, auth0(i, "shiny", p.origin).and(settings{"CHECK_SESSION": "true"}), "")
	q.serve(t, w, auth0(i, "other", q.origin).and(settings{"CHECK_SESSION": "true"}), "")

	kim := w.signedIn(t, p, i, "kim") // login_required, then the form
	kim.visit(q.origin + "/reports/") // no form
	if got := kim.url(); got != q.origin+"/reports/" {
		t.Fatalf("signed in at the issuer, yet the second application leads to %s", got)
	}
	sees(kim, i.sub("kim"))
}

// flatFile signs in with a file of passwords and no issuer at all.
func (w *world) flatFile(t *testing.T) {
	p := newProxy(t, w.bin)
	passwd, groups := p.dir+"/passwd", p.dir+"/groups"
	w.setPassword(t, passwd, "kim", "correct horse", "-c")
	w.setPassword(t, passwd, "sam", "battery staple")
	if err := os.WriteFile(groups, []byte("Admin:kim\nEveryone:kim,sam\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.serve(t, w, settings{
		"AUTH_PASSWD_FILE": passwd, "AUTH_GROUPS_FILE": groups,
		"PUBLIC_URL": p.origin, "COOKIE_SECRET": "correct horse battery staple, and then some",
	}, "")

	kim := w.browser.open(t, "kim")
	kim.visit(p.origin + "/reports/?_inputs_&n=77&q=%C3%BC")
	kim.screenshot("login-password")
	fillPassword(kim, "kim", "battery staple")
	wrong := kim.await("[role=alert]", "")
	kim.screenshot("login-password-wrong")
	fillPassword(kim, "nobody", "battery staple")
	if unknown := kim.await("[role=alert]", ""); unknown != wrong {
		t.Errorf("an unknown user reads %q, a wrong password %q: the page tells who exists", unknown, wrong)
	}
	fillPassword(kim, "kim", "correct horse")
	if got, want := kim.arrive("_inputs_"), p.origin+"/reports/?_inputs_&n=77&q=%C3%BC"; got != want {
		t.Errorf("returned to %s, want %s", got, want)
	}
	sees(kim, "kim")
	kim.await("#bins", "77 bins")
	for _, place := range []string{"#page_headers", "#socket_headers"} {
		expectHeaders(t, place, headersOf(kim.text(place)), "HTTP_X_AUTH0_USER_ID: kim", "HTTP_X_AUTH0_GROUPS: Admin,Everyone")
	}
	usesTheApp(kim, p.origin+"/reports/")

	// A changed line ends what was begun with the old one, and only that.
	sam := w.browser.open(t, "sam")
	sam.visit(p.origin + "/reports/")
	fillPassword(sam, "sam", "battery staple")
	sees(sam, "sam")
	w.setPassword(t, passwd, "kim", "quite another")
	kim.ask("closed", nil, nil)
	kim.visit(p.origin + "/reports/")
	fillPassword(kim, "kim", "correct horse")
	kim.await("[role=alert]", "")
	fillPassword(kim, "kim", "quite another")
	sees(kim, "kim")
	movesTheSlider(sam)

	sam.click("#signout")
	sam.await("body", "igned out")
	sam.visit(p.origin + "/reports/")
	if n := sam.count("input[type=password]"); n != 1 {
		t.Errorf("after signing out sam sees %d password fields, want the form", n)
	}
}

func fillPassword(p *tab, user, password string) {
	p.t.Helper()
	p.fill("input[autocomplete=username]", user)
	p.fill("input[type=password]", password)
	p.click("button[type=submit]")
}

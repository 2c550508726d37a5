//go:build linux

package fastproxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The pages of our own that someone meets who is not let in.

func (w *world) notAdmitted(t *testing.T) {
	p := newProxy(t, w.bin)
	i := startIssuer(t, 0, application("shiny", p.origin))
	p.serve(t, w.app, auth0(i, "shiny", p.origin).and(settings{"ADMIN_USERS": i.sub("kim")}), "")

	sam := w.signedIn(t, p, i, "sam")
	if status := sam.visit(p.origin + "/admin/"); status != http.StatusForbidden {
		t.Errorf("sam gets %d at /admin/, want 403", status)
	}
	sam.await("body", "Sam")
	sam.screenshot("forbidden")
	sam.click("a:has-text('someone else'), button:has-text('someone else')")
	i.signIn(sam, "kim")
	sam.arrive(p.origin + "/admin/")
	sees(sam, i.sub("kim"))
}

func (w *world) adminIsClosed(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.signedIn(t, p, i, "kim")
	if status := kim.visit(p.origin + "/admin/"); status != http.StatusForbidden {
		t.Errorf("with nobody named kim gets %d at /admin/, want 403", status)
	}
	kim.await("body", "ADMIN_USERS="+i.sub("kim"))
	kim.screenshot("admin-closed")
}

func (w *world) turnedAway(t *testing.T) {
	p, i := w.front(t, nil, "")
	blair := w.browser.open(t, "blair")
	blair.visit(p.origin + "/reports/")
	i.signIn(blair, "blair") // the issuer says access_denied
	blair.arrive(p.origin + "/callback")
	blair.await("body", "someone else")
	blair.screenshot("denied")
	if n := len(blair.seen()); n > 30 {
		t.Errorf("%d answers on the way to being turned away: a loop", n)
	}
	blair.click("a:has-text('someone else')")
	blair.arrive(i.Issuer + "u/login/")
	blair.click("button[value=cancel]")
	blair.arrive(p.origin + "/callback")
	blair.click("a:has-text('someone else')")
	i.signIn(blair, "kim")
	sees(blair, i.sub("kim"))
}

func (w *world) wrongAlgorithm(t *testing.T) {
	p := newProxy(t, w.bin)
	hs256 := application("shiny", p.origin)
	hs256["id_token_signed_response_alg"] = "HS256"
	i := startIssuer(t, 0, hs256)
	p.serve(t, w.app, auth0(i, "shiny", p.origin), "")
	kim := w.browser.open(t, "kim")
	kim.visit(p.origin + "/reports/")
	i.signIn(kim, "kim")
	kim.arrive(p.origin + "/callback")
	kim.await("body", "RS256")
	kim.screenshot("wrong-algorithm")
	if log := p.log.String(); !strings.Contains(log, "HS256") || !strings.Contains(log, "RS256") {
		t.Errorf("the log does not name the switch:\n%s", p.log.tail(20))
	}
}

func (w *world) shinyIsAway(t *testing.T) {
	p := newProxy(t, w.bin)
	i := startIssuer(t, 0, application("shiny", p.origin))
	yaml := fmt.Sprintf(`mounts:
  - path: /reports/
    upstream: [http://127.0.0.1:%d]
    allow: signed_in
  - path: /gone/
    upstream: [http://127.0.0.1:%d]
    allow: signed_in
`, w.app.port, freePort(t))
	p.serve(t, w.app, auth0(i, "shiny", p.origin), yaml)
	kim := w.signedIn(t, p, i, "kim")
	if status := kim.visit(p.origin + "/gone/"); status != http.StatusBadGateway {
		t.Errorf("with its Shiny away a page answers %d, want 502", status)
	}
	kim.screenshot("shiny-away")
	if status := kim.visit(p.origin + "/nothing/here"); status != http.StatusNotFound {
		t.Errorf("a path of no mount answers %d, want 404", status)
	}
	kim.screenshot("not-found")
	if status := kim.visit(p.origin + "/.fastproxy/nothing"); status != http.StatusNotFound {
		t.Errorf("a path of ours that is none answers %d, want 404", status)
	}
}

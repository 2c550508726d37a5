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
	p.serve(t, w, auth0(i, "shiny", p.origin).and(settings{"ADMIN_USERS": i.sub("kim")}), "")

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
	p.serve(t, w, auth0(i, "shiny", p.origin), "")
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
	p.serve(t, w, auth0(i, "shiny", p.origin), yaml)
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

// bothLogins offers the issuer and the flat file side by side. A name in the
// one is nobody in the other.
func (w *world) bothLogins(t *testing.T) {
	p := newProxy(t, w.bin)
	passwd := p.dir + "/passwd"
	w.setPassword(t, passwd, "kim", "correct horse", "-c")
	i := startIssuer(t, 0, application("shiny", p.origin))
	p.serve(t, w, auth0(i, "shiny", p.origin).and(settings{"AUTH_PASSWD_FILE": passwd, "ADMIN_USERS": "passwd:kim"}), "")

	one := w.browser.open(t, "one")
	one.visit(p.origin + "/reports/?_inputs_&n=7")
	one.screenshot("login-both")
	fillPassword(one, "kim", "correct horse")
	one.await("#bins", "7 bins")
	if got := one.visit(p.origin + "/admin/"); got != http.StatusOK {
		t.Errorf("the kim of the flat file gets %d at /admin/, want 200", got)
	}
	other := w.browser.open(t, "other")
	other.visit(p.origin + "/reports/?_inputs_&n=8")
	other.click("a:has-text('organization')")
	i.signIn(other, "kim")
	other.await("#bins", "8 bins")
	if got := other.visit(p.origin + "/admin/"); got != http.StatusForbidden {
		t.Errorf("the issuer's kim gets %d at /admin/, want 403", got)
	}
}

// framed has another site show the app in a frame: it gets a link out, not a
// login page that could be clicked through.
func (w *world) framed(t *testing.T) {
	p, i := w.front(t, nil, "")
	visitor := w.browser.open(t, "visitor")
	visitor.visit(i.Issuer + "nothing/here")
	visitor.say("eval", args{"text": fmt.Sprintf(`document.body.innerHTML = '<iframe width=600 height=400 src="%s/reports/"></iframe>', ""`, p.origin)})
	link := "iframe >> internal:control=enter-frame >> a"
	if got := visitor.attribute(link, "target"); got != "_top" {
		t.Errorf("inside a frame the link to sign in opens in %q, want _top", got)
	}
	visitor.screenshot("framed")
	visitor.click(link)
	i.signIn(visitor, "kim")
	sees(visitor, i.sub("kim"))
}

// signsOutFromElsewhere has another site send the visitor to /logout.
func (w *world) signsOutFromElsewhere(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.signedIn(t, p, i, "kim")
	trap := w.browser.open(t, "kim")
	trap.visit(i.Issuer + "nothing/here")
	trap.say("eval", args{"text": fmt.Sprintf(`location.href = "%s/logout"`, p.origin)})
	trap.arrive(p.origin + "/logout")
	trap.await("form[action='/logout'] button", "Sign out")
	trap.screenshot("logout-confirm")
	movesTheSlider(kim) // nothing has happened yet

	trap.click("form[action='/logout'] button")
	trap.await("body", "igned out")
	kim.ask("closed", nil, nil)
}

//go:build linux

package fastproxy_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestRealWorld has people use a real R Shiny app through fastproxy, in a real
// Chromium, signed in by a real OpenID Connect issuer.
func TestRealWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("the real-world suite takes a minute: not with -short")
	}
	w := &world{app: startShiny(t), admin: startShiny(t), browser: startBrowser(t)}
	t.Log(w.browser.version)
	w.bin = build(t)

	for _, scenario := range []struct {
		sentence string
		run      func(*testing.T)
	}{
		{"AVisitorSignsInAndUsesTheApp", w.signsInAndUsesTheApp},
		{"TwoTabsSignInAtOnceAndEachReturnsToItsOwnPage", w.twoTabsAtOnce},
		{"ABookmarkSurvivesSigningIn", w.bookmarkSurvives},
		{"ShinyIsToldWhoIsThere", w.toldWhoIsThere},
		{"GroupsAndEmailComeFromUserinfoWhenTheTokenIsBare", w.bareToken},
		{"AnUnverifiedAddressIsWithheld", w.unverifiedAddress},
		{"TheLinesOfTheSessionPageReadItInR", w.readInR},
		{"HeadersOfAVisitorsOwnInventionDoNotReachShiny", w.inventedHeaders},
		{"AMachineEntersWhereARuleNamesIt", w.machine},
		{"SigningOutEndsTheStayEverywhere", w.signsOut},
		{"ASessionSurvivesARestartEvenWithoutTheIssuer", w.restarts},
		{"AnIssuerThatComesLateIsWaitedFor", w.issuerIsLate},
		{"CheckSessionSparesTheForm", w.checksSilently},
		{"AFlatFileOfPasswordsSignsIn", w.flatFile},
		{"BothLoginsStandSideBySide", w.bothLogins},
		{"AFrameOfAnotherSiteGetsALinkOut", w.framed},
		{"AnotherSiteCannotSignAnyoneOut", w.signsOutFromElsewhere},
		{"WhoIsNotAdmittedMayChange", w.notAdmitted},
		{"AdminIsClosedUntilSomeoneIsNamed", w.adminIsClosed},
		{"WhomTheIssuerTurnsAwayIsToldSoOnce", w.turnedAway},
		{"AnHS256ApplicationIsToldOfTheSwitch", w.wrongAlgorithm},
		{"AShinyThatIsAwayIsA502", w.shinyIsAway},
		{"NginxInFrontChangesNothing", w.behindNginx},
		{"TheDemoShowsEveryoneTheirOwnRows", w.demonstrates},
		{"TheDeployedSettingsAreInOrder", w.deployedSettings},
	} {
		t.Run(scenario.sentence, scenario.run)
	}
}

// world is what the scenarios share: two R, one Chromium, the built programs.
type world struct {
	app     *shinyApp // under /reports/
	admin   *shinyApp // under /admin/, in the place of Shiny Server's own
	browser *browser
	bin     binaries
}

// front is a fastproxy in front of the app, with an issuer of its own.
func (w *world) front(t testing.TB, more settings, yaml string) (*proxy, *issuer) {
	t.Helper()
	p := newProxy(t, w.bin)
	i := startIssuer(t, 0, application("shiny", p.origin))
	p.serve(t, w, auth0(i, "shiny", p.origin).and(more), yaml)
	return p, i
}

// signIn fills the issuer's form, which the tab has been sent to.
func (i *issuer) signIn(p *tab, who string) {
	p.t.Helper()
	p.arrive(i.Issuer + "u/login/")
	p.fill("input[name=username]", who)
	p.fill("input[name=password]", i.People[who].Password)
	p.click("button[value=default]")
}

func (i *issuer) sub(who string) string { return i.People[who].Claims["sub"].(string) }

// signedIn is a new visitor's tab, signed in and in the app.
func (w *world) signedIn(t testing.TB, p *proxy, i *issuer, who string) *tab {
	t.Helper()
	tab := w.browser.open(t, who)
	tab.visit(p.origin + "/reports/")
	i.signIn(tab, who)
	tab.arrive(p.origin + "/reports/")
	sees(tab, i.sub(who))
	return tab
}

func (w *world) signsInAndUsesTheApp(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.browser.open(t, "kim")
	if status := kim.visit(p.origin + "/"); status != 200 {
		t.Errorf("the way to the issuer's form ended with status %d", status)
	}
	i.signIn(kim, "kim")
	kim.arrive(p.origin + "/reports/")
	sees(kim, i.sub("kim"))
	usesTheApp(kim, p.origin+"/reports/")
	kim.screenshot("app")
	for _, answer := range kim.seen() {
		// Debian's shiny asks for a file that Debian names otherwise.
		if answer.Status >= 400 && strings.HasPrefix(answer.URL, p.origin) && !strings.HasSuffix(answer.URL, "/strftime-min.js") && !strings.HasSuffix(answer.URL, "/favicon.ico") {
			t.Errorf("%s %s: status %d", answer.Method, answer.URL, answer.Status)
		}
	}
	loop, worker := p.figure(t, `fastproxy_engine_requests_total{engine="loop"}`), p.figure(t, `fastproxy_engine_requests_total{engine="worker"}`)
	t.Logf("event loops carried %g requests, workers %g", loop, worker)
	if loop < 9*worker {
		t.Errorf("event loops carried %g requests, workers %g: want nine of ten on loops", loop, worker)
	}
}

// figure reads one line of /metrics; 0 without it.
func (p *proxy) figure(t *testing.T, name string) (value float64) {
	resp, err := http.Get(p.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			if value, err = strconv.ParseFloat(rest, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return value
}

func (w *world) twoTabsAtOnce(t *testing.T) {
	p, i := w.front(t, nil, "")
	one, two := w.browser.open(t, "kim"), w.browser.open(t, "kim")
	one.visit(p.origin + "/reports/?_inputs_&n=101")
	two.visit(p.origin + "/reports/?_inputs_&n=102")
	i.signIn(one, "kim")
	if got, want := one.arrive(p.origin), p.origin+"/reports/?_inputs_&n=101"; got != want {
		t.Errorf("the first tab returned to %s, want %s", got, want)
	}
	one.await("#bins", "101 bins")
	i.signIn(two, "kim")
	if got, want := two.arrive(p.origin), p.origin+"/reports/?_inputs_&n=102"; got != want {
		t.Errorf("the second tab returned to %s, want %s", got, want)
	}
	two.await("#bins", "102 bins")
	movesTheSlider(one)
	movesTheSlider(two)
}

func (w *world) bookmarkSurvives(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.browser.open(t, "kim")
	// What a careless proxy decodes, encodes again or cuts.
	const query = `?_inputs_&n=200&note=%22a%20b%22&umlaut=%C3%BC&plus=a+b&percent=100%25&quote=%27&empty=`
	kim.visit(p.origin + "/reports/" + query)
	i.signIn(kim, "kim")
	if got, want := kim.arrive(p.origin), p.origin+"/reports/"+query; got != want {
		t.Errorf("returned to\n%s, want\n%s", got, want)
	}
	kim.await("#bins", "200 bins")
}

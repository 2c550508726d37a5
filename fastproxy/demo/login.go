package demo

import (
	"crypto/subtle"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
)

// serveLogin shows who may sign in.
func (a *Auth0) serveLogin(w http.ResponseWriter, r *http.Request) {
	state := r.FormValue("state")
	at, ok := a.attemptOf(w, r, state)
	if !ok {
		return
	}
	people := slices.Clone(a.opts.People)
	slices.SortStableFunc(people, func(x, y Person) int {
		return hinted(y, at.hint) - hinted(x, at.hint)
	})
	writePage(w, http.StatusOK, "login.html", map[string]any{
		"State": state, "People": people, "Application": origin(at.redirect),
	})
}

// hinted is 1 for the person whom the application expects.
func hinted(p Person, hint string) int {
	if hint != "" && (strings.EqualFold(hint, p.Email) || strings.EqualFold(hint, p.Key) || hint == p.Sub) {
		return 1
	}
	return 0
}

// serveChoice takes the click on a person or on cancel. The attempt stays
// usable until it expires: a double click or the back button must not strand
// anybody, and every choice makes a code of its own.
func (a *Auth0) serveChoice(w http.ResponseWriter, r *http.Request) {
	at, ok := a.attemptOf(w, r, r.PostFormValue("state"))
	if !ok {
		return
	}
	if r.PostForm.Has("cancel") {
		a.answer(w, r, at, refuse("access_denied", "User cancelled the sign-in"))
		return
	}
	p, ok := a.person(r.PostFormValue("person"))
	if !ok {
		a.problem(w, http.StatusBadRequest, "Nobody of that name", "Please go back and choose one of the people on the page.")
		return
	}
	a.answer(w, r, at, map[string][]string{"code": {a.newCode(at, a.settle(w, r, p))}})
}

// attemptOf finds the attempt behind a login page and makes sure that this is
// the browser it began in, so that nobody can be signed in by a link or a form
// from elsewhere. It answers with a page if not.
func (a *Auth0) attemptOf(w http.ResponseWriter, r *http.Request, state string) (attempt, bool) {
	at, ok := a.attempts.get(state)
	if !ok {
		a.problem(w, http.StatusBadRequest, "This sign-in has gone stale",
			"It took longer than a quarter of an hour, or it was begun with another pocket Auth0.",
			"Open the application again to start a new one.")
		return at, false
	}
	c, err := r.Cookie(browserCookie)
	if err != nil || subtle.ConstantTimeCompare([]byte(c.Value), []byte(at.browser)) != 1 {
		a.problem(w, http.StatusForbidden, "This sign-in was begun in another browser",
			"Or this browser did not keep the cookie that was set when it began.",
			"Open the application again to start a new one.")
		return at, false
	}
	return at, true
}

// servePicture draws the person's initials.
func (a *Auth0) servePicture(w http.ResponseWriter, r *http.Request) {
	key, svg := strings.CutSuffix(r.PathValue("file"), ".svg")
	p, ok := a.person(key)
	if !ok || !svg {
		http.NotFound(w, r)
		return
	}
	hue := 0
	for _, b := range []byte(p.Key) {
		hue = (hue*31 + int(b)*47) % 360
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=86400")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">`+
		`<rect width="64" height="64" fill="hsl(%d 48%% 30%%)"/>`+
		`<text x="32" y="34" fill="#fff" font-family="system-ui,sans-serif" font-size="26" font-weight="600" `+
		`text-anchor="middle" dominant-baseline="middle">%s</text></svg>`, hue, html.EscapeString(p.Initials()))
}

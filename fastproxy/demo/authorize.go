package demo

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attempt is one sign-in: what the application asked for at /authorize, checked,
// and the browser that asked.
type attempt struct {
	redirect  string
	state     string
	nonce     string
	challenge string // PKCE, S256
	scope     []string
	audience  string
	org       string
	prompt    []string
	hint      string // login_hint
	maxAge    int    // seconds; -1: any
	browser   string // the cookie that must come back with the choice
}

// challengeShape is a SHA-256 in base64url without padding (RFC 7636 section 4.2).
var challengeShape = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// serveAuthorize starts a sign-in: RFC 6749 section 4.1.1 with RFC 7636. Until the
// client and its redirect_uri are known, trouble is a page and never a redirect.
func (a *Auth0) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		a.problem(w, http.StatusBadRequest, "That sign-in request is broken", "Its parameters cannot be read.")
		return
	}
	client, redirect := r.Form["client_id"], r.Form["redirect_uri"]
	if len(client) != 1 || client[0] != a.opts.ClientID {
		a.problem(w, http.StatusBadRequest, "Unknown application",
			"The request names an application this pocket Auth0 does not know.",
			"Check AUTH0_CLIENT_ID on the application's side.")
		return
	}
	if len(redirect) != 1 || !slices.Contains(a.opts.Callbacks, redirect[0]) {
		found := "none at all"
		if len(redirect) > 0 {
			found = redirect[0]
		}
		a.problem(w, http.StatusForbidden, "Callback URL mismatch",
			"The application asked to be called back at "+found+", which is not on the list of allowed callback URLs.",
			"On the list: "+strings.Join(a.opts.Callbacks, ", "),
			"With a real tenant: dashboard, Applications, your application, Allowed Callback URLs.")
		return
	}
	at, oops := a.readAttempt(r.Form)
	if oops != nil {
		a.answer(w, r, at, oops)
		return
	}
	st, _, in := a.stayOf(r)
	if in && at.acceptsStay(st, a.opts.Now()) {
		a.answer(w, r, at, url.Values{"code": {a.newCode(at, st)}})
		return
	}
	if slices.Contains(at.prompt, "none") {
		a.answer(w, r, at, refuse("login_required", "Login required"))
		return
	}
	at.browser = a.browserOf(w, r)
	http.Redirect(w, r, "/u/login?state="+a.attempts.put(at), http.StatusFound)
}

// readAttempt checks everything but client and redirect_uri. On trouble it
// returns the parameters to answer with; the attempt then still knows where.
func (a *Auth0) readAttempt(q url.Values) (attempt, url.Values) {
	at := attempt{redirect: q.Get("redirect_uri"), state: q.Get("state"), maxAge: -1}
	for name, values := range q {
		if len(values) > 1 { // RFC 6749 section 3.1
			return at, refuse("invalid_request", "Parameter given twice: "+name)
		}
	}
	at.nonce, at.challenge = q.Get("nonce"), q.Get("code_challenge")
	at.scope, at.prompt = strings.Fields(q.Get("scope")), strings.Fields(q.Get("prompt"))
	at.audience, at.org, at.hint = q.Get("audience"), q.Get("organization"), q.Get("login_hint")
	switch {
	case q.Has("request"):
		return at, refuse("request_not_supported", "The request parameter is not supported")
	case q.Has("request_uri"):
		return at, refuse("request_uri_not_supported", "The request_uri parameter is not supported")
	case q.Get("response_type") != "code":
		return at, refuse("unsupported_response_type", "Only response_type=code is offered")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return at, refuse("invalid_request", "Only response_mode=query is offered")
	case !slices.Contains(at.scope, "openid"):
		return at, refuse("invalid_scope", "The scope must contain openid")
	case at.challenge == "":
		return at, refuse("invalid_request", "Parameter 'code_challenge' missing")
	case q.Get("code_challenge_method") != "S256": // absent means plain: RFC 7636 section 4.3
		return at, refuse("invalid_request", "Parameter 'code_challenge_method' must be S256")
	case !challengeShape.MatchString(at.challenge):
		return at, refuse("invalid_request", "Parameter 'code_challenge' is not a SHA-256 in base64url")
	case at.audience != "" && !slices.Contains(a.opts.Audiences, at.audience):
		return at, refuse("access_denied", "Service not found: "+at.audience)
	case slices.Contains(at.prompt, "none") && len(at.prompt) > 1:
		return at, refuse("invalid_request", "prompt=none cannot be combined")
	}
	if q.Has("max_age") {
		n, err := strconv.Atoi(q.Get("max_age"))
		if err != nil || n < 0 {
			return at, refuse("invalid_request", "Parameter 'max_age' must be a number of seconds")
		}
		at.maxAge = n
	}
	return at, nil
}

// acceptsStay reports whether a browser already signed in need not ask again.
func (at *attempt) acceptsStay(st stay, now time.Time) bool {
	if slices.Contains(at.prompt, "login") || slices.Contains(at.prompt, "select_account") {
		return false
	}
	return at.maxAge < 0 || now.Sub(st.since) <= time.Duration(at.maxAge)*time.Second
}

func refuse(code, description string) url.Values {
	return url.Values{"error": {code}, "error_description": {description}}
}

// answer goes back to the application with a code or an error, and its state.
func (a *Auth0) answer(w http.ResponseWriter, r *http.Request, at attempt, with url.Values) {
	if at.state != "" {
		with.Set("state", at.state)
	}
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, withQuery(at.redirect, with), status)
}

// withQuery adds parameters to a URL of an allow-list, which may have its own.
func withQuery(base string, more url.Values) string {
	sep := "?"
	if strings.Contains(base, "?") {
		sep = "&"
	}
	if len(more) == 0 {
		return base
	}
	return base + sep + more.Encode()
}

// browserOf returns the value that ties a login page to this browser, and sets
// it if there is none yet.
func (a *Auth0) browserOf(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(browserCookie); err == nil && len(c.Value) >= 26 {
		return c.Value
	}
	value := rand.Text()
	http.SetCookie(w, a.cookie(browserCookie, value))
	return value
}

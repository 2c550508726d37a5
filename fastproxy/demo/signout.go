package demo

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// serveLogout is OpenID Connect RP-Initiated Logout. With a hint that names
// this browser's stay it signs out at once; without one it asks, as Auth0 does.
// Where to go afterwards must be on the list, or nothing ends.
func (a *Auth0) serveLogout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	client, sid := q.Get("client_id"), q.Get("logout_hint")
	if hint := q.Get("id_token_hint"); hint != "" {
		claims, err := a.keys.verify(hint)
		if err != nil {
			a.problem(w, http.StatusBadRequest, "Cannot sign you out",
				"The application sent an ID token hint that this pocket Auth0 did not sign.")
			return
		}
		aud, _ := claims["aud"].(string)
		if client == "" {
			client = aud
		}
		if client != aud {
			a.problem(w, http.StatusBadRequest, "Cannot sign you out", "The ID token hint belongs to another application.")
			return
		}
		sid, _ = claims["sid"].(string)
	}
	back, ok := a.checkReturn(w, client, q.Get("post_logout_redirect_uri"))
	if !ok {
		return
	}
	st, _, in := a.stayOf(r)
	if in && sid != st.sid && r.Method != http.MethodPost {
		writePage(w, http.StatusOK, "leave.html", map[string]any{"Person": st.person, "Action": template.URL("/oidc/logout?" + r.URL.RawQuery)})
		return
	}
	a.leave(w, r)
	more := url.Values{}
	if q.Has("state") {
		more.Set("state", q.Get("state"))
	}
	a.sendAway(w, r, back, more)
}

// serveLegacyLogout is Auth0's older /v2/logout: no hint, no question.
func (a *Auth0) serveLegacyLogout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, ok := a.checkReturn(w, q.Get("client_id"), q.Get("returnTo"))
	if !ok {
		return
	}
	a.leave(w, r)
	a.sendAway(w, r, back, nil)
}

// checkReturn answers with a page when the client is unknown or back is not on
// the list. Without back it is the first of the list, as with Auth0.
func (a *Auth0) checkReturn(w http.ResponseWriter, client, back string) (string, bool) {
	if client != "" && client != a.opts.ClientID {
		a.problem(w, http.StatusBadRequest, "Unknown application",
			"The request names an application this pocket Auth0 does not know. You are still signed in.")
		return "", false
	}
	if back == "" {
		if len(a.opts.LogoutURLs) == 0 || client == "" {
			return "", true
		}
		return a.opts.LogoutURLs[0], true
	}
	if !slices.Contains(a.opts.LogoutURLs, back) {
		a.problem(w, http.StatusBadRequest, "Logout URL mismatch",
			"The application asked to send you to "+back+", which is not on the list of allowed logout URLs. You are still signed in.",
			"On the list: "+strings.Join(a.opts.LogoutURLs, ", "),
			"With a real tenant: dashboard, Applications, your application, Allowed Logout URLs.")
		return "", false
	}
	return back, true
}

func (a *Auth0) sendAway(w http.ResponseWriter, r *http.Request, back string, more url.Values) {
	if back == "" {
		writePage(w, http.StatusOK, "tenant.html", map[string]any{"Out": true, "Issuer": strings.TrimSuffix(a.opts.Issuer, "/")})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	http.Redirect(w, r, withQuery(back, more), status)
}

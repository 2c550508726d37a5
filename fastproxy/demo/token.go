package demo

import (
	"crypto/subtle"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// tokenError is an error answer of the token endpoint (RFC 6749 section 5.2).
type tokenError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// invalidGrant answers 403 as Auth0 does, where RFC 6749 has 400.
func invalidGrant(description string) *tokenError {
	return &tokenError{http.StatusForbidden, "invalid_grant", description}
}

// serveToken is the token endpoint: the client proves who it is, in the body or
// by Basic, then redeems a code or asks for a token of its own.
func (a *Auth0) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	form, bad := tokenForm(w, r)
	if bad == nil {
		bad = a.checkClient(r, form)
	}
	var t tokens
	if bad == nil {
		switch form.Get("grant_type") {
		case "authorization_code":
			t, bad = a.redeem(form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"))
		case "client_credentials":
			t, bad = a.machineToken(form.Get("audience"))
		default:
			bad = &tokenError{http.StatusBadRequest, "unsupported_grant_type",
				"want grant_type authorization_code or client_credentials"}
		}
	}
	if bad == nil {
		writeJSON(w, http.StatusOK, t)
		return
	}
	if bad.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="pocket Auth0"`)
	}
	writeJSON(w, bad.status, bad)
}

// tokenForm reads the body, as a form or, like Auth0, as JSON.
func tokenForm(w http.ResponseWriter, r *http.Request) (url.Values, *tokenError) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/json" {
		var fields map[string]string
		if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
			return nil, &tokenError{http.StatusBadRequest, "invalid_request", "want a JSON object of strings"}
		}
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, value)
		}
		return form, nil
	}
	if err := r.ParseForm(); err != nil || len(r.PostForm) == 0 {
		return nil, &tokenError{http.StatusBadRequest, "invalid_request", "want a form in the body"}
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, &tokenError{http.StatusBadRequest, "invalid_request", "parameter given twice: " + name}
		}
	}
	return r.PostForm, nil
}

// checkClient checks the client's secret (RFC 6749 section 2.3.1).
func (a *Auth0) checkClient(r *http.Request, form url.Values) *tokenError {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		if secret != "" { // one method a request: RFC 6749 section 2.3
			return &tokenError{http.StatusBadRequest, "invalid_request", "client secret given twice"}
		}
		// Basic carries both halves form-encoded.
		id, _ = url.QueryUnescape(user)
		secret, _ = url.QueryUnescape(pass)
	}
	idOK := subtle.ConstantTimeCompare([]byte(id), []byte(a.opts.ClientID))
	secretOK := subtle.ConstantTimeCompare([]byte(secret), []byte(a.opts.ClientSecret))
	if idOK&secretOK != 1 {
		return &tokenError{http.StatusUnauthorized, "invalid_client", "Unauthorized"}
	}
	return nil
}

// machineToken is the client credentials grant: a token for the application
// itself, whose subject Auth0 spells "<client id>@clients".
func (a *Auth0) machineToken(audience string) (tokens, *tokenError) {
	if !slices.Contains(a.opts.Audiences, audience) {
		return tokens{}, &tokenError{http.StatusForbidden, "access_denied", "Service not enabled: " + audience}
	}
	access, err := a.accessToken(a.opts.ClientID+"@clients", audience, "")
	if err != nil {
		return tokens{}, &tokenError{http.StatusInternalServerError, "server_error", "cannot sign"}
	}
	return tokens{Access: access, Expires: int(tokenLife.Seconds()), Type: "Bearer"}, nil
}

// serveUserinfo answers with the claims that the access token's scope covers
// (OpenID Connect Core section 5.3). It knows the tokens it gave for people only.
func (a *Auth0) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, ok := bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="pocket Auth0"`)
		writeJSON(w, http.StatusUnauthorized, tokenError{Code: "invalid_request", Description: "want a bearer token"})
		return
	}
	g, ok := a.tokens.get(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="pocket Auth0", error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, tokenError{Code: "invalid_token", Description: "unknown, expired or taken back"})
		return
	}
	claims := a.profile(g.st.person, g.at.scope)
	claims["sub"] = g.st.person.Sub
	writeJSON(w, http.StatusOK, claims)
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

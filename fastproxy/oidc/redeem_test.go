package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestWhatTheTokenEndpointAnswersIsToldApart(t *testing.T) {
	const json = "application/json"
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		kind   Kind
		want   string
	}{
		"invalid_grant":     {say(403, json, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`), KindRefused, "invalid_grant: Invalid authorization code"},
		"invalid_client":    {say(401, json, `{"error":"invalid_client"}`), KindRefused, "invalid_client"},
		"an error with 200": {say(200, json, `{"error":"access_denied","error_description":"no"}`), KindRefused, "access_denied: no"},
		"a form-encoded no": {say(400, "application/x-www-form-urlencoded", `error=invalid_grant&error_description=x`), KindRefused, "invalid_grant: x"},
		"markup in the no":  {say(400, json, `{"error":"<b>\r\nx","error_description":"a\u0000b"}`), KindRefused, "unknown_error: a b"},
		"an echo of the code": {func(w http.ResponseWriter, r *http.Request) {
			say(400, json, fmt.Sprintf(`{"error":"invalid_grant","error_description":"no such code %s"}`, r.PostForm.Get("code")))(w, r)
		}, KindRefused, "unknown_error"},
		"an echo of the secret": {say(400, json, `{"error":"invalid_client","error_description":"`+clientSecret+` is wrong"}`), KindRefused, "unknown_error"},
		"too many":              {say(429, json, `{"error":"too_many_requests"}`), KindUnavailable, "429"},
		"500":                   {say(500, json, `{"error":"server_error","access_token":"canary"}`), KindUnavailable, "500"},
		"502 page":              {say(502, "text/html", `<html>canary`), KindUnavailable, "502"},
		"404 page":              {say(404, "text/html", `<html>canary`), KindUnavailable, "404"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, KindUnavailable, "307"},
		"no JSON":           {say(200, json, `canary`), KindUnavailable, "redeem"},
		"empty":             {say(200, json, ``), KindUnavailable, "redeem"},
		"no access token":   {say(200, json, `{"id_token":"canary"}`), KindUnavailable, "access_token"},
		"no ID token":       {say(200, json, `{"access_token":"canary"}`), KindToken, "no ID token"},
		"ID token is a map": {say(200, json, `{"access_token":"canary","id_token":{}}`), KindToken, "no ID token"},
		"endless":           {endless, KindUnavailable, "redeem"},
		"hangs up":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, KindUnavailable, "redeem"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.token = c.answer
			s := start(t, i, nil)
			_, _, err := s.signIn(t, i)
			if KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v (%v), want %v about %q", err, KindOf(err), c.kind, c.want)
			}
			if c.kind == KindUnavailable && !errors.Is(err, ErrUnavailable) {
				t.Errorf("found %v, want ErrUnavailable", err)
			}
			if i.count("/elsewhere") != 0 || i.count("/oauth/token") > 2 {
				t.Errorf("elsewhere was asked %d times, the token endpoint %d", i.count("/elsewhere"), i.count("/oauth/token"))
			}
		})
	}
}

func TestACodeIsSentOnce(t *testing.T) {
	i := newIssuer(t)
	i.token = say(401, "application/json", `{"error":"invalid_client"}`)
	s := start(t, i, nil)
	s.signIn(t, i)
	if n := i.count("/oauth/token"); n != 1 {
		t.Errorf("found %d requests, want 1", n)
	}
}

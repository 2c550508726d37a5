package oidc

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
)

func say(status int, kind, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"sub":"auth0|5ad","x":"`)
	for block := strings.Repeat("x", 64<<10); r.Context().Err() == nil; {
		if _, err := fmt.Fprint(w, block); err != nil {
			return
		}
	}
}

const groupsClaim = "https://shiny.example/groups"

func TestUserinfoIsAskedForWhatIsMissing(t *testing.T) {
	const json = "application/json"
	for name, c := range map[string]struct {
		without  []string // claims that the ID token lacks
		answer   func(http.ResponseWriter, *http.Request)
		asked    bool
		email    string
		verified identity.Verified
		groups   []string
		heard    string // what OnError heard
	}{
		"nothing missing": {nil, nil, false, "kim@example.org", identity.VerifiedYes, []string{"Admin", "DL"}, ""},
		"e-mail": {[]string{"email"}, say(200, json, `{"sub":"auth0|5ad","email":"k@example.org","email_verified":false,"name":"Other"}`),
			true, "k@example.org", identity.VerifiedNo, []string{"Admin", "DL"}, ""},
		"e-mail, with the ID token's email_verified about nothing": {[]string{"email"}, say(200, json, `{"sub":"auth0|5ad","email":"k@example.org"}`),
			true, "k@example.org", identity.VerifiedUnknown, []string{"Admin", "DL"}, ""},
		"groups": {[]string{groupsClaim}, say(200, json, `{"sub":"auth0|5ad","email":"other@example.org","email_verified":true,"`+groupsClaim+`":["DL"]}`),
			true, "kim@example.org", identity.VerifiedYes, []string{"DL"}, ""},
		"groups, and email_verified of another address": {[]string{groupsClaim, "email_verified"}, say(200, json, `{"sub":"auth0|5ad","email":"other@example.org","email_verified":true,"`+groupsClaim+`":["DL"]}`),
			true, "kim@example.org", identity.VerifiedUnknown, []string{"DL"}, ""},
		"groups, and email_verified of the same address": {[]string{groupsClaim, "email_verified"}, say(200, json, `{"sub":"auth0|5ad","email":"kim@example.org","email_verified":true,"`+groupsClaim+`":["DL"]}`),
			true, "kim@example.org", identity.VerifiedYes, []string{"DL"}, ""},
		"groups, under the claim itself": {[]string{groupsClaim}, say(200, json, `{"sub":"auth0|5ad","https://shiny.example":"DL,Admin"}`),
			true, "kim@example.org", identity.VerifiedYes, []string{"DL", "Admin"}, ""},
		"of somebody else": {[]string{groupsClaim}, say(200, json, `{"sub":"auth0|666","`+groupsClaim+`":["Admin"]}`),
			true, "kim@example.org", identity.VerifiedYes, nil, "somebody else"},
		"of nobody": {[]string{groupsClaim}, say(200, json, `{"`+groupsClaim+`":["Admin"]}`),
			true, "kim@example.org", identity.VerifiedYes, nil, "somebody else"},
		"of an object": {[]string{groupsClaim}, say(200, json, `{"sub":{},"`+groupsClaim+`":["Admin"]}`),
			true, "kim@example.org", identity.VerifiedYes, nil, "somebody else"},
		"sub twice": {[]string{groupsClaim}, say(200, json, `{"sub":"x","sub":"auth0|5ad","`+groupsClaim+`":["Admin"]}`),
			true, "kim@example.org", identity.VerifiedYes, nil, "twice"},
		"SUB too": {[]string{groupsClaim}, say(200, json, `{"SUB":"x","sub":"auth0|5ad","`+groupsClaim+`":["Admin"]}`),
			true, "kim@example.org", identity.VerifiedYes, nil, "case"},
		"refused":     {[]string{groupsClaim}, say(429, json, `{"error":"`+accessToken+`"}`), true, "kim@example.org", identity.VerifiedYes, nil, "429"},
		"HTML":        {[]string{groupsClaim}, say(200, "text/html", `<html>`), true, "kim@example.org", identity.VerifiedYes, nil, "not JSON"},
		"signed":      {[]string{groupsClaim}, say(200, "application/jwt", `eyJ`), true, "kim@example.org", identity.VerifiedYes, nil, "signed"},
		"endless":     {[]string{groupsClaim}, endless, true, "kim@example.org", identity.VerifiedYes, nil, "more than"},
		"redirecting": {[]string{groupsClaim}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 302) }, true, "kim@example.org", identity.VerifiedYes, nil, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.userinfo = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+accessToken {
					t.Errorf("found Authorization %q", r.Header.Get("Authorization"))
				}
				c.answer(w, r)
			}
			i.claims = func(m map[string]any) {
				for _, name := range c.without {
					m[name] = nil
				}
			}
			s := start(t, i, nil)
			r, _, err := s.signIn(t, i)
			if err != nil {
				t.Fatal(err)
			}
			p := r.Principal
			if p.Email != c.email || p.EmailVerified != c.verified || !slices.Equal(p.Groups, c.groups) || p.Name != "Kim" || p.Subject != "auth0|5ad" {
				t.Errorf("found %+v", p)
			}
			if (i.count("/userinfo") == 1) != c.asked || i.count("/elsewhere") != 0 {
				t.Errorf("userinfo was asked %d times, elsewhere %d", i.count("/userinfo"), i.count("/elsewhere"))
			}
			heard := strings.Join(s.errors(), " ")
			if c.heard == "" && heard != "" || !strings.Contains(heard, c.heard) || strings.Contains(heard, accessToken) {
				t.Errorf("heard %q, want something about %q", heard, c.heard)
			}
		})
	}
}

func TestUserinfoIsNotAskedWhereThereIsNone(t *testing.T) {
	i := newIssuer(t)
	i.discovery = func(d map[string]any) { d["userinfo_endpoint"] = nil }
	i.claims = func(c map[string]any) { c["email"] = nil }
	s := start(t, i, nil)
	if r, _, err := s.signIn(t, i); err != nil || r.Principal.Email != "" || len(s.errors()) != 0 {
		t.Errorf("found %+v, %v, %q", r, err, s.errors())
	}
}

func TestWithoutTheEmailScopeNobodyAsksForOne(t *testing.T) {
	i := newIssuer(t)
	i.claims = func(c map[string]any) { c["email"] = nil }
	s := start(t, i, func(c *Config) { c.Scopes = []string{"openid"} })
	if _, _, err := s.signIn(t, i); err != nil || i.count("/userinfo") != 0 {
		t.Errorf("found %v and %d calls", err, i.count("/userinfo"))
	}
}

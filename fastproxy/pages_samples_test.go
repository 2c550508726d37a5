package fastproxy

import (
	"fmt"
	"time"

	"fastproxy/fastproxy/identity"
)

// pageSample is a page with data like that which it gets.
type pageSample struct {
	name     string
	template string
	data     any
}

const samplePublic = "https://shiny.example.org"

// pageSamples has every page with every kind of data. s makes the texts that
// come from outside, from what one would be like.
func pageSamples(s func(string) string) []pageSample {
	again := func(query string) []link {
		return []link{{Href: "/login?" + query, Label: "Try again", Primary: true}}
	}
	list := []message{
		{Status: 200, Code: "signed_out", Title: "You are signed out", Text: "Your apps here are closed. On a shared computer, please close the browser too.",
			Links: []link{{Href: "/login", Label: "Sign in again", Primary: true}}},
		{Status: 200, Code: "signed_in", Title: "You are signed in", Text: "Here you are still signed in as " + s("Kim Larsen") + ".",
			Links: []link{{Href: "/", Label: "To the apps", Primary: true}, {Href: "/logout", Label: "Sign out"}}},
		{Status: 400, Code: "bad_target", Title: "That address cannot be read", Text: "It is written in a way that two programs could read differently. Please check it."},
		{Status: 400, Code: "upload_broken", Title: "The upload broke off", Text: "It did not arrive whole. Please go back and try again."},
		{Status: 400, Code: "cookie_not_returned", Title: "Signing in did not work", Text: "Your browser did not send back a cookie that it was given a moment ago. Please allow cookies of this site, then try again.",
			Operator: "People must come to exactly " + samplePublic + ". If they come by http instead of https, or by another host name, the cookie stays away: set PUBLIC_URL to what they use.",
			Links:    []link{{Href: samplePublic + "/login", Label: "Try again", Primary: true}}},
		{Status: 400, Code: "attempt_expired", Title: "Signing in did not work", Text: "Signing in took too long, or this page was opened twice. Please try again.", Links: again("with=issuer&return_to=%2Freports%2F")},
		{Status: 400, Code: "session_not_returned", Title: "Signing in worked, but did not last", Text: "You signed in twice within a minute, and each time your browser came back as a stranger. Please allow cookies of this site, then try again.",
			Operator: "Likely causes: people come by http while PUBLIC_URL (" + samplePublic + ") says https, or by another host name; or a proxy in front removes cookies.",
			Links:    again("return_to=%2Freports%2F")},
		{Status: 401, Code: "sign_in_required", Title: "Sign in to see this app", Text: "It is part of another page. Signing in opens it in the whole window.", Framed: true,
			Links: []link{{Href: samplePublic + "/login?return_to=%2Freports%2F%3Fa%3Db", Label: "Sign in", Primary: true, Top: true}}},
		{Status: 401, Code: "sign_in_required", Title: "Sign in first", Text: "Only people who are signed in can open this.", Login: samplePublic + "/login",
			Links: []link{{Href: samplePublic + "/login", Label: "Sign in", Primary: true}}},
		{Status: 403, Code: "not_admitted", Title: "This is not open to you",
			Text:     "You are signed in as " + s("Kim Larsen") + " (" + s("auth0|5ad0c4f6e1") + "). If you need this, please ask whoever runs this server, or sign in as someone else.",
			Operator: "Nobody may enter here yet. This setting lets you in:", Line: "ADMIN_USERS=" + s("auth0|5ad0c4f6e1"),
			Links: []link{{Href: "/login?prompt=login&return_to=%2Fadmin%2F", Label: "Sign in as someone else", Primary: true}, {Href: "/.fastproxy/session", Label: "What is known of you"}}},
		{Status: 403, Code: "issuer_refused", Title: "The login service said no", Text: "Its answer was server_error. You can try again, or sign in as someone else.", Detail: s("The connection is not enabled."),
			Links: []link{{Href: "/login?with=issuer&return_to=%2F&prompt=login", Label: "Try as someone else", Primary: true}, {Href: "/login?with=issuer&return_to=%2F", Label: "Try again"}}},
		{Status: 403, Code: "no_login", Title: "Nobody can sign in here yet", Text: "This page is not public, and this server has no login. Please tell whoever runs it.", Operator: "Set up a login."},
		{Status: 403, Code: "organization", Title: "Signing in did not work", Text: "You signed in with another organization than this server asks for. Please try again with the right one.", Links: again("with=issuer")},
		{Status: 403, Code: "unusable_subject", Title: "Signing in did not work", Text: "The login service names you in a way that cannot be passed on to Shiny. Please tell whoever runs this server."},
		{Status: 403, Code: "session_too_large", Title: "You are in too many groups", Text: "The login service names more groups for you than your browser can keep.", Operator: "Let the login service send only those that matter here."},
		{Status: 403, Code: "foreign_origin", Title: "Another site asked for this", Text: "Only pages of " + samplePublic + " may do this. Please open the app there.", Operator: "Name it in ALLOWED_ORIGINS."},
		{Status: 404, Code: "not_found", Title: "There is nothing here", Text: "There is no app at this address. Please check it."},
		{Status: 405, Code: "method_not_allowed", Title: "This address takes GET only", Text: "It cannot be opened like this. Please begin at the start page."},
		{Status: 408, Code: "form_too_slow", Title: "What you typed did not arrive in time", Text: "Please go back and try again."},
		{Status: 413, Code: "form_too_large", Title: "That is more than a name and a password", Text: "Please go back and try again."},
		{Status: 421, Code: "wrong_host", Title: "This server goes by another name", Text: "Its address is " + samplePublic + ". Please open it there.", Operator: "Correct PUBLIC_URL.",
			Links: []link{{Href: samplePublic + "/", Label: samplePublic, Primary: true}}},
		{Status: 500, Code: "internal_error", Title: "Something went wrong here", Text: "The fault is ours, not yours. Please try again."},
		{Status: 502, Code: "login_failed", Title: "Signing in did not work", Text: "What the login service answered cannot be accepted.", Links: again("with=issuer")},
		{Status: 502, Code: "code_refused", Title: "Signing in did not work", Text: "What the login service answered cannot be accepted.", Operator: "The login service answered " + s("invalid_scope") + " when it was asked for tokens.", Links: again("with=issuer")},
		{Status: 502, Code: "token_algorithm", Title: "Signing in did not work", Text: "A setting of the login service does not fit. Please tell whoever runs this server.",
			Operator: "The application signs its tokens with HS256. In the Auth0 dashboard: Applications, this application, Settings, Advanced Settings, OAuth: set JsonWebToken Signature Algorithm to RS256 and keep OIDC Conformant on.", Links: again("with=issuer")},
		{Status: 502, Code: "clock", Title: "Signing in did not work", Text: "The clocks of this server and of the login service differ too much.", Detail: "Here it is Mon, 02 Jan 2006 15:04:05 UTC, there Mon, 02 Jan 2006 16:04:05 UTC.", Links: again("with=issuer")},
		{Status: 502, Code: "upstream_unreachable", Title: "The app does not answer", Text: "It is not running, or cannot be reached. Please try again in a moment. If it stays so, tell whoever runs this server the request id below."},
		{Status: 503, Code: "issuer_unavailable", Title: "Signing in is not possible right now", Text: "The login service does not answer.", RetryAfter: 5, Links: again("return_to=%2F")},
		{Status: 503, Code: "keys_unavailable", Title: "Your sign-in cannot be checked right now", Text: "The login service does not answer. Please try again in a moment.", RetryAfter: 5},
		{Status: 504, Code: "upstream_timeout", Title: "The app does not answer", Text: "It is busy for longer than this server waits. Please try again in a while."},
	}
	var samples []pageSample
	for i, m := range list {
		samples = append(samples, pageSample{fmt.Sprintf("message_%02d_%d_%s", i, m.Status, m.Code), "message.html", m})
	}

	form := passwordForm{ReturnTo: s("/reports/?_inputs_&n=200"), Token: s("sEALeD_t0ken-x"), Host: "shiny.example.org"}
	both, wrong, bothWrong, late := form, form, form, form
	both.Issuer = "/login?with=issuer&return_to=%2Freports%2F"
	wrong.User, wrong.Fault, wrong.Wrong = s("kim"), "User name or password is wrong. Please try again.", true
	bothWrong = wrong
	bothWrong.Issuer = both.Issuer
	late.Fault = "This form was open for too long, or your browser keeps no cookies of this site. Please try again."

	until := time.Date(2031, time.March, 9, 15, 4, 5, 0, time.UTC)
	kim := identity.Principal{Method: identity.MethodOIDC, Issuer: s("https://example.eu.auth0.com/"), Subject: "auth0|5ad0c4f6e1", Email: s("kim@example.org"), EmailVerified: identity.VerifiedYes,
		Name: s("Kim Larsen"), Nickname: s("kim"), Picture: "https://pictures.example.org/kim.png", Locale: "da", Groups: []string{s("Admin"), s("Café, Größe")}}
	plain := kim
	plain.Groups = nil
	many := kim
	for i := range 300 {
		many.Groups = append(many.Groups, fmt.Sprintf("department-of-%d", i))
	}
	view := func(p identity.Principal, v sessionView) sessionView {
		v.SignedIn, v.Name, v.User, v.Login, v.Issuer = true, p.DisplayName(), p.RuleName(), string(p.Method), p.Issuer
		v.Groups, v.Headers, v.Truncated = p.Groups, p.Headers(), p.HeadersTruncated()
		v.Until, v.IdleAfter = &until, "12h0m0s"
		return v
	}
	truncated := view(many, sessionView{})
	truncated.Truncated = true
	endless := view(kim, sessionView{})
	endless.Until, endless.IdleAfter = nil, ""
	return append(samples,
		pageSample{"confirm", "confirm.html", struct{ Token string }{s("sEALeD_t0ken-x")}},
		pageSample{"password", "password.html", form},
		pageSample{"password_both", "password.html", both},
		pageSample{"password_wrong", "password.html", wrong},
		pageSample{"password_both_wrong", "password.html", bothWrong},
		pageSample{"password_late", "password.html", late},
		pageSample{"session", "session.html", view(kim, sessionView{})},
		pageSample{"session_no_groups", "session.html", view(plain, sessionView{ClaimKeys: []string{s("https://example.org/roles"), "email", "name", "picture"},
			Advice: "No groups: the token has neither " + s("https://example.org/groups") + " nor the other. Let an Action in the Auth0 dashboard add that claim."})},
		pageSample{"session_many_groups", "session.html", truncated},
		pageSample{"session_endless", "session.html", endless},
		pageSample{"session_passwd", "session.html", view(identity.FromPasswd(s("kim"), []string{"Admin"}), sessionView{})},
	)
}

package fastproxy

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/session"
)

// isCallback reports a redirect from the issuer to a callback path that is
// not /callback: it may be an app's path too, so it is ours only with the
// parameters of RFC 6749 section 4.1.2 and that attempt's cookie.
func (s *snapshot) isCallback(x *exchange) bool {
	if s.callbackPath == "" || string(x.head.path()) != s.callbackPath || x.head.query() == nil {
		return false
	}
	return hasCallback(x) && x.head.hasCookie(s.stateName(string(x.ctx.QueryArgs().Peek("state"))))
}

func hasCallback(x *exchange) bool {
	args := x.ctx.QueryArgs()
	return len(args.Peek("state")) > 0 && (args.Has("code") || args.Has("error"))
}

// isLostCallback reports a stranger at such a callback path, or where "/" leads
// to, with parameters that look like the issuer's answer to us and without the
// cookie. It would go to sign in, come back and be lost again, for ever.
func (s *snapshot) isLostCallback(x *exchange) bool {
	if s.callbackPath == "" || s.provider == nil || x.head.query() == nil {
		return false
	}
	path := string(x.head.path())
	if path != s.callbackPath && (s.callbackPath != "/" || path != reportsMount) {
		return false
	}
	args := x.ctx.QueryArgs()
	if len(args.Peek("state")) == 0 {
		return args.Has("error") && args.Has("error_description")
	}
	return hasCallback(x) && triesOf(string(args.Peek("state"))) >= 0
}

// callback answers the redirect from the issuer (RFC 6749 section 4.1.2).
func (p *Proxy) callback(x *exchange, s *snapshot) {
	x.own = true
	if string(x.head.method) != "GET" {
		p.wrongMethod(x, "GET")
		return
	}
	args := x.ctx.QueryArgs()
	state, code, refused := args.Peek("state"), args.Peek("code"), args.Peek("error")
	if len(state)+len(code)+len(refused) == 0 {
		p.signedOut(x, s) // where Auth0 returns after its logout
		return
	}
	if s.provider == nil {
		p.say(x, message{Status: 404, Code: "not_found", Title: "There is nothing here", Text: "Nobody signs in to this server that way."})
		return
	}
	attempt, ok := s.takeAttempt(x, string(state))
	switch {
	case !ok:
		p.lostAttempt(x, s, attempt.ReturnTo)
	case len(refused) > 0:
		p.issuerRefused(x, s, &attempt, &oidc.IDPError{Code: string(refused), Description: string(args.Peek("error_description"))})
	default:
		p.finishAttempt(x, s, &attempt, string(code))
	}
}

// lostAttempt answers a callback whose attempt this browser does not know: an
// old tab, a bookmark, or cookies that do not come back. With a session that
// is no harm; without, it is tried once more. Whether it was tried before
// stands in the state, so what has no state of ours is not tried again. back is
// where it was to lead, "" if that is not known.
func (p *Proxy) lostAttempt(x *exchange, s *snapshot, back string) {
	back = s.returnTo(back)
	if d := p.admit(x, s, signedIn); d.Principal != nil {
		p.redirect(x, 302, back)
		return
	}
	args := x.ctx.QueryArgs()
	state := string(args.Peek("state"))
	again := loginURL(back, "with=issuer")
	switch {
	case args.Has("error"):
		// Without its description: a stranger may have written that.
		p.issuerRefused(x, s, &oidc.Attempt{ReturnTo: back}, &oidc.IDPError{Code: string(args.Peek("error"))})
	case !x.head.isNavigation() || triesOf(state) != 0:
		p.notSignedIn(x, identity.MethodOIDC, "", "cookie_not_returned")
		p.say(x, message{Status: 400, Code: x.reason, Title: "Signing in did not work",
			Text:     "Your browser did not send back a cookie that it was given a moment ago. Please allow cookies of this site, then try again.",
			Operator: "People must come to exactly " + s.publicOrigin + ". If they come by http instead of https, or by another host name, the cookie stays away: set PUBLIC_URL to what they use.",
			Links:    []link{{Href: s.publicOrigin + again, Label: "Try again", Primary: true}}})
	default:
		x.reason = "unknown_state"
		p.startAttempt(x, s, oidc.StartOptions{ReturnTo: back, Tries: 1})
	}
}

// triesOf returns how many tries came before that of a state, -1 if it is none
// that oidc.Start makes.
func triesOf(state string) int {
	if len(state) != 25 || state[0] < '0' || state[0] > '9' {
		return -1
	}
	return oidc.Tries(state)
}

// issuerRefused answers the issuer's own no. It is never answered by another
// redirect: that would be a loop.
func (p *Proxy) issuerRefused(x *exchange, s *snapshot, a *oidc.Attempt, e *oidc.IDPError) {
	if a.Prompt == "none" {
		switch e.Code {
		case "login_required", "consent_required", "interaction_required", "account_selection_required":
			p.startAttempt(x, s, oidc.StartOptions{ReturnTo: a.ReturnTo, Tries: a.Tries}) // CHECK_SESSION asked first, quietly
			return
		}
	}
	p.notSignedIn(x, identity.MethodOIDC, "", e.SafeCode())
	m := message{Status: 403, Code: "issuer_refused", Title: "The login service said no", Detail: e.SafeDescription(),
		Text: "Its answer was " + e.SafeCode() + ". You can try again, or sign in as someone else.",
		Links: []link{
			{Href: loginURL(a.ReturnTo, "with=issuer", "prompt=login"), Label: "Try as someone else", Primary: true},
			{Href: loginURL(a.ReturnTo, "with=issuer"), Label: "Try again"},
		}}
	if e.Code == "access_denied" {
		m.Title, m.Text = "You were not let in", "Either signing in was cancelled, or the login service does not let you in here. You can try again, or sign in as someone else."
	}
	p.say(x, m)
}

// finishAttempt exchanges the code and signs the visitor in.
func (p *Proxy) finishAttempt(x *exchange, s *snapshot, a *oidc.Attempt, code string) {
	ctx, cancel := context.WithTimeout(context.Background(), finishLimit)
	defer cancel()
	result, err := s.provider.Finish(ctx, *a, code)
	if err != nil {
		p.loginFailed(x, a, err)
		return
	}
	v := session.New(result.Principal, x.start, s.sessionMax)
	v.SID = result.SID
	p.signIn(x, s, &v, a.ReturnTo)
}

// loginFailed says why the issuer's answer was not accepted.
func (p *Proxy) loginFailed(x *exchange, a *oidc.Attempt, err error) {
	m := failureOf(err)
	if m.Links == nil {
		m.Links = []link{{Href: loginURL(a.ReturnTo, "with=issuer"), Label: "Try again", Primary: true}}
	}
	p.notSignedIn(x, identity.MethodOIDC, "", m.Code)
	p.log.Logger().Warn("sign-in failed", zap.String("http.request.id", x.id), zap.String("event.reason", m.Code),
		zap.String("fastproxy.advice", strings.TrimSpace(m.Text+" "+m.Operator)), zap.NamedError("error.message", err))
	p.say(x, m)
}

// failureOf is what a visitor is told of an error of oidc.Finish. Its own words
// stay in the log.
func failureOf(err error) message {
	m := message{Status: 502, Code: "login_failed", Title: "Signing in did not work",
		Text: "What the login service answered cannot be accepted. Please try again. If it stays so, tell whoever runs this server the request id below: the log has the reason."}
	switch oidc.KindOf(err) {
	case oidc.KindUnavailable:
		m.Status, m.Code, m.RetryAfter = 503, "issuer_unavailable", 5
		m.Text = "The login service does not answer. Please try again in a moment."
	case oidc.KindRefused:
		m.Code, m.Operator = "code_refused", refusalAdvice(err)
	case oidc.KindAlgorithm:
		m.Code = "token_algorithm"
		m.Text = "A setting of the login service does not fit. Please tell whoever runs this server."
		m.Operator = "The application signs its tokens with HS256. In the Auth0 dashboard: Applications, this application, Settings, Advanced Settings, OAuth: set JsonWebToken Signature Algorithm to RS256 and keep OIDC Conformant on."
	case oidc.KindClock:
		m.Code = "clock"
		m.Text = "The clocks of this server and of the login service differ too much. Please tell whoever runs this server."
		m.Operator = "Set this server's clock right and keep it so, for example with chrony or systemd-timesyncd."
		if clock := (*oidc.ClockError)(nil); errors.As(err, &clock) {
			m.Detail = "Here it is " + clock.Here.UTC().Format(time.RFC1123) + ", there " + clock.There.UTC().Format(time.RFC1123) + "."
		}
	case oidc.KindAttempt:
		m.Status, m.Code = 400, "attempt_expired"
		m.Text = "Signing in took too long, or this page was opened twice. Please try again."
	case oidc.KindSubject:
		m.Status, m.Code = 403, "unusable_subject"
		m.Text = "The login service names you in a way that cannot be passed on to Shiny. Please tell whoever runs this server."
	case oidc.KindOrganization:
		m.Status, m.Code = 403, "organization"
		m.Text = "You signed in with another organization than this server asks for. Please try again with the right one."
	}
	return m
}

// refusalAdvice is for the error code of a token endpoint (RFC 6749 section
// 5.2). Auth0 answers access_denied to a wrong secret.
func refusalAdvice(err error) string {
	var no *oidc.IDPError
	if !errors.As(err, &no) {
		return ""
	}
	switch no.Code {
	case "invalid_client", "access_denied", "unauthorized_client":
		return "The login service does not accept this server itself (" + no.SafeCode() + "): AUTH0_CLIENT_ID or AUTH0_CLIENT_SECRET is wrong, or the application is of another type than a regular web application."
	case "invalid_grant":
		return "The login service does not know the code any more (invalid_grant): it was used twice or came late, or AUTH0_CALLBACK_URL was changed meanwhile."
	}
	return "The login service answered " + no.SafeCode() + " when it was asked for tokens."
}

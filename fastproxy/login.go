package fastproxy

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/session"
)

// finishLimit bounds what a sign-in may wait for its issuer.
const finishLimit = 15 * time.Second

// maxBounces is how many completed sign-ins of the last minute may have led
// back to a sign-in before somebody is told why.
const maxBounces = 2

// answerSignIn answers somebody without a session: a page navigation goes to
// sign in, and returns to exactly the page that was asked for.
func (p *Proxy) answerSignIn(x *exchange, s *snapshot, r *route) {
	if x.reason == "" {
		x.reason = "no_session"
	}
	target := string(x.head.target)
	login := s.publicOrigin + "/login"
	switch {
	case x.head.isNavigation() && s.passwd != nil:
		p.redirect(x, 302, "/login?return_to="+url.QueryEscape(target)) // a form has an address of its own
	case x.head.isNavigation():
		p.startLogin(x, s, target, "")
	case x.head.isFramed():
		p.say(x, message{Status: 401, Code: "sign_in_required", Title: "Sign in to see this app", Framed: true,
			Text:  "It is part of another page. Signing in opens it in the whole window.",
			Links: []link{{Href: login + "?return_to=" + url.QueryEscape(target), Label: "Sign in", Primary: true, Top: true}}})
	default:
		p.say(x, message{Status: 401, Code: "sign_in_required", Title: "Sign in first", Login: login,
			Text:  "Only people who are signed in can open this.",
			Links: []link{{Href: login, Label: "Sign in", Primary: true}}})
	}
}

// login answers /login: somebody wants to sign in, or as somebody else.
func (p *Proxy) login(x *exchange, s *snapshot) {
	if string(x.head.method) != "GET" && string(x.head.method) != "HEAD" {
		p.wrongMethod(x, "GET")
		return
	}
	if x.head.isFramed() {
		p.say(x, message{Status: 401, Code: "sign_in_required", Title: "Sign in in the whole window", Framed: true,
			Text:  "Signing in is not safe inside another page.",
			Links: []link{{Href: s.publicOrigin + string(x.head.target), Label: "Sign in", Primary: true, Top: true}}})
		return
	}
	if !x.head.isNavigation() {
		p.say(x, message{Status: 401, Code: "sign_in_required", Title: "Open this address in a browser", Text: "People sign in here. There is nothing for programs.", Login: s.publicOrigin + "/login"})
		return
	}
	args := x.ctx.QueryArgs()
	prompt := ""
	if string(args.Peek("prompt")) == "login" {
		prompt = "login"
	}
	back := s.returnTo(string(args.Peek("return_to")))
	if string(args.Peek("with")) == "issuer" && s.provider != nil {
		p.startAttempt(x, s, oidc.StartOptions{ReturnTo: back, Prompt: prompt})
		return
	}
	p.startLogin(x, s, back, prompt)
}

// returnTo is where a sign-in leads: the local path asked for, else the front.
func (s *snapshot) returnTo(asked string) string {
	if path, ok := policy.LocalPath(asked); ok {
		return path
	}
	return "/"
}

// startLogin begins a sign-in by the way there is, or offers both.
func (p *Proxy) startLogin(x *exchange, s *snapshot, back, prompt string) {
	if p.sentHome(x, s) {
		return
	}
	if s.counted(x, s.names.bounce, bounceAge) >= maxBounces {
		p.sayBounce(x, s, back)
		return
	}
	switch {
	case s.passwd != nil:
		p.passwordPage(x, s, passwordForm{ReturnTo: back}, 200)
	case s.provider != nil:
		if s.checkSession && prompt == "" {
			prompt = "none"
		}
		p.startAttempt(x, s, oidc.StartOptions{ReturnTo: back, Prompt: prompt})
	default:
		p.say(x, message{Status: 403, Code: "no_login", Title: "Nobody can sign in here yet",
			Text:     "This page is not public, and this server has no login. Please tell whoever runs it.",
			Operator: "Set up a login: Auth0 or another issuer (AUTH0_DOMAIN or AUTH0_ISSUER_URL, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET), or a file of passwords (AUTH_PASSWD_FILE)."})
	}
}

// startAttempt sends the browser to the issuer.
func (p *Proxy) startAttempt(x *exchange, s *snapshot, o oidc.StartOptions) {
	ctx, cancel := context.WithTimeout(context.Background(), finishLimit)
	defer cancel()
	to, attempt, err := s.provider.Start(ctx, o)
	if err == nil {
		err = s.setAttempt(x, &attempt)
	}
	if err != nil {
		x.reason = "issuer_unavailable"
		p.log.Logger().Warn("cannot start a sign-in", zap.String("http.request.id", x.id), zap.Error(err))
		p.say(x, message{Status: 503, Code: "issuer_unavailable", RetryAfter: 5, Title: "Signing in is not possible right now",
			Text:  "The login service does not answer. Please try again in a moment. Whoever is signed in already can go on working.",
			Links: []link{{Href: "/login?return_to=" + url.QueryEscape(o.ReturnTo), Label: "Try again", Primary: true}}})
		return
	}
	p.redirect(x, 302, to)
}

// callback answers the redirect from the issuer (RFC 6749 section 4.1.2).
func (p *Proxy) callback(x *exchange, s *snapshot) {
	if string(x.head.method) != "GET" {
		p.wrongMethod(x, "GET")
		return
	}
	args := x.ctx.QueryArgs()
	state, code, idpErr := string(args.Peek("state")), string(args.Peek("code")), string(args.Peek("error"))
	if state == "" && code == "" && idpErr == "" {
		p.signedOut(x, s) // where Auth0 returns after its logout
		return
	}
	if s.provider == nil {
		p.say(x, message{Status: 404, Code: "not_found", Title: "There is nothing here", Text: "Nobody signs in to this server that way."})
		return
	}
	attempt, ok := s.takeAttempt(x, state)
	switch {
	case !ok:
		p.lostAttempt(x, s, state)
	case idpErr != "":
		p.issuerRefused(x, s, &attempt, &oidc.IDPError{Code: idpErr, Description: string(args.Peek("error_description"))})
	default:
		p.finishAttempt(x, s, &attempt, code)
	}
}

// takeAttempt returns the attempt of a state and spends its cookie.
func (s *snapshot) takeAttempt(x *exchange, state string) (oidc.Attempt, bool) {
	name := s.stateName(state)
	value := x.head.cookie(name)
	if state == "" || value == nil {
		return oidc.Attempt{}, false
	}
	s.setCookie(x, name, "", 0)
	a, ok := s.openAttempt(name, value, x.start)
	return a, ok && subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) == 1
}

// lostAttempt answers a callback whose attempt this browser does not know: an
// old tab, a bookmark, or cookies that do not come back. With a session that
// is no harm; without, it is tried once more.
func (p *Proxy) lostAttempt(x *exchange, s *snapshot, state string) {
	x.reason = "unknown_state"
	if d := p.admit(x, s, &policy.Rule{SignedIn: true}); d.Verdict == gate.Allow || d.Verdict == gate.Forbid {
		p.redirect(x, 302, "/")
		return
	}
	if oidc.Tries(state) > 0 {
		p.audit(x, audit.LoginFailed, "cookie_not_returned")
		p.say(x, message{Status: 400, Code: "cookie_not_returned", Title: "Signing in did not work",
			Text:     "Your browser did not send back a cookie that it was given a moment ago. Please allow cookies of this site, then try again.",
			Operator: "People must come to exactly " + s.publicOrigin + ". If they come by http instead of https, or by another host name, the cookie stays away: set PUBLIC_URL to what they use.",
			Links:    []link{{Href: s.publicOrigin + "/login", Label: "Try again", Primary: true}}})
		return
	}
	p.startAttempt(x, s, oidc.StartOptions{ReturnTo: "/", Tries: 1})
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
	x.reason = "issuer_refused"
	p.audit(x, audit.LoginFailed, e.SafeCode())
	again := "/login?with=issuer&return_to=" + url.QueryEscape(a.ReturnTo)
	m := message{Status: 403, Code: "issuer_refused", Title: "The login service said no", Detail: e.SafeDescription(),
		Text: "Its answer was " + e.SafeCode() + ". You can try again, or sign in as someone else.",
		Links: []link{
			{Href: again + "&prompt=login", Label: "Try as someone else", Primary: true},
			{Href: again, Label: "Try again"},
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
		p.loginFailed(x, s, a, err)
		return
	}
	v := session.New(result.Principal, x.start, s.sessionMax)
	v.SID = result.SID
	p.signIn(x, s, &v, a.ReturnTo)
}

// loginFailed says why the issuer's answer was not accepted.
func (p *Proxy) loginFailed(x *exchange, s *snapshot, a *oidc.Attempt, err error) {
	var idp *oidc.IDPError
	if errors.As(err, &idp) {
		p.issuerRefused(x, s, a, idp)
		return
	}
	var clock *oidc.ClockError
	m := message{Status: 502, Code: "login_failed", Title: "Signing in did not work",
		Text:  "What the login service answered cannot be accepted. Please try again. If it stays so, tell whoever runs this server the request id below: the log has the reason.",
		Links: []link{{Href: "/login?with=issuer&return_to=" + url.QueryEscape(a.ReturnTo), Label: "Try again", Primary: true}}}
	switch kind := oidc.KindOf(err); kind {
	case oidc.KindUnavailable:
		m.Status, m.Code, m.RetryAfter = 503, "issuer_unavailable", 5
		m.Text = "The login service does not answer. Please try again in a moment."
	case oidc.KindAlgorithm:
		m.Code = "token_algorithm"
		m.Text = "A setting of the login service does not fit. Please tell whoever runs this server."
		m.Operator = "The application signs its tokens with HS256. In the Auth0 dashboard: Applications, this application, Settings, Advanced Settings, OAuth: set JsonWebToken Signature Algorithm to RS256 and keep OIDC Conformant on."
	case oidc.KindClock:
		m.Code = "clock"
		m.Text = "The clocks of this server and of the login service differ too much. Please tell whoever runs this server."
		m.Operator = "Set this server's clock right and keep it so, for example with chrony or systemd-timesyncd."
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
	if errors.As(err, &clock) {
		m.Detail = "Here it is " + clock.Here.UTC().Format(time.RFC1123) + ", there " + clock.There.UTC().Format(time.RFC1123) + "."
	}
	x.reason = m.Code
	p.audit(x, audit.LoginFailed, m.Code)
	p.log.Logger().Warn("sign-in failed", zap.String("http.request.id", x.id), zap.String("event.reason", m.Code),
		zap.String("fastproxy.advice", strings.TrimSpace(m.Text+" "+m.Operator)), zap.Error(err))
	p.say(x, m)
}

// signIn is the one tail of every sign-in: a new session, its cookie, a record
// and the way back. An earlier session of this browser ends if it was somebody
// else's; other tabs of the same person keep theirs.
func (p *Proxy) signIn(x *exchange, s *snapshot, v *session.Session, back string) {
	if err := s.setSession(x, v); err != nil {
		x.reason = "session_too_large"
		p.audit(x, audit.LoginFailed, x.reason)
		p.log.Logger().Warn("cannot keep a session", zap.String("http.request.id", x.id), zap.Error(err))
		p.say(x, message{Status: 403, Code: x.reason, Title: "You are in too many groups",
			Text:     "The login service names more groups for you than your browser can keep. Please tell whoever runs this server.",
			Operator: "The groups have to fit into four cookies. Let the login service send only those that matter here, for example by an Action in the Auth0 dashboard."})
		return
	}
	p.endOther(x, s, v.Principal.Key())
	x.principal = &v.Principal
	s.count(x, s.names.bounce, s.counted(x, s.names.bounce, bounceAge)+1, bounceAge)
	p.metrics.logins.WithLabelValues(string(v.Principal.Method), "success").Inc()
	p.audit(x, audit.Login, "")
	p.redirect(x, 303, s.returnTo(back))
}

// endOther ends the session that this browser brings if it is not of the same
// person.
func (p *Proxy) endOther(x *exchange, s *snapshot, now identity.Key) {
	d := p.cookieDecision(x, s)
	if d.Session == nil || d.Session.Principal.Key() == now {
		return
	}
	if _, err := p.endSession(d.Session, session.WhyLogout); err != nil {
		p.log.Logger().Error("cannot note an ended session", zap.String("http.request.id", x.id), zap.Error(err))
	}
}

// sentHome sends a page navigation that came under another host name to
// PUBLIC_URL, where its session lives, and reports whether it did. Somebody
// who was just sent there and is here again is told what is wrong instead.
func (p *Proxy) sentHome(x *exchange, s *snapshot) bool {
	if equalFold(x.head.host, s.publicHost) || !x.head.isNavigation() {
		return false
	}
	n := s.counted(x, s.names.home, homeAge)
	if n >= 2 {
		p.say(x, message{Status: 421, Code: "wrong_host", Title: "This server goes by another name",
			Text:     "Its address is " + s.publicOrigin + ". Please open it there.",
			Operator: "PUBLIC_URL says " + s.publicOrigin + ", but requests arrive for another host. Correct PUBLIC_URL, or let the proxy in front pass on the Host that it was asked for (nginx: proxy_set_header Host $host).",
			Links:    []link{{Href: s.publicOrigin + "/", Label: s.publicOrigin, Primary: true}}})
		return true
	}
	s.count(x, s.names.home, n+1, homeAge)
	p.redirect(x, 302, s.publicOrigin+string(x.head.target))
	return true
}

func (p *Proxy) sayBounce(x *exchange, s *snapshot, back string) {
	x.reason = "bounced"
	s.setCookie(x, s.names.bounce, "", 0)
	p.audit(x, audit.LoginFailed, x.reason)
	p.say(x, message{Status: 400, Code: "session_not_returned", Title: "Signing in worked, but did not last",
		Text: "You signed in twice within a minute, and each time your browser came back as a stranger. Please allow cookies of this site, then try again.",
		Operator: "Likely causes: people come by http while PUBLIC_URL (" + s.publicOrigin +
			") says https, or by another host name; or a proxy in front removes cookies.",
		Links: []link{{Href: "/login?return_to=" + url.QueryEscape(back), Label: "Try again", Primary: true}}})
}

func (p *Proxy) wrongMethod(x *exchange, allow string) {
	x.allow = allow
	p.say(x, message{Status: 405, Code: "method_not_allowed", Title: "This address takes " + allow + " only",
		Text: "It cannot be opened like this. Please begin at the start page."})
}

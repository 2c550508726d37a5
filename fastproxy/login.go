package fastproxy

import (
	"context"
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

// maxHomeward is how often within homeAge a browser is sent to PUBLIC_URL: tabs
// that open at once are sent once each, a loop has no end.
const maxHomeward = 6

// maxReturn is how long the page to return to may be in an address of ours,
// in bytes as it stands there: nginx takes request lines of 8 KB.
const maxReturn = 6 << 10

// answerSignIn answers somebody without a session: a page navigation goes to
// sign in, and returns to exactly the page that was asked for.
func (p *Proxy) answerSignIn(x *exchange, s *snapshot, r *route) {
	if x.reason == "" {
		x.reason = "no_session"
	}
	target := string(x.head.target)
	login := s.publicOrigin + "/login"
	switch {
	case x.head.isNavigation() && s.isLostCallback(x):
		p.lostAttempt(x, s, "")
	case x.head.isNavigation() && s.counted(x, s.names.bounce, bounceAge) >= maxBounces:
		p.sayBounce(x, s, target)
	case x.head.isNavigation() && s.passwd != nil && len(url.QueryEscape(target)) <= maxReturn:
		p.redirect(x, 302, loginURL(target)) // a form has an address of its own
	case x.head.isNavigation():
		p.startLogin(x, s, target, "")
	case x.head.isFramed():
		p.say(x, message{Status: 401, Code: "sign_in_required", Title: "Sign in to see this app", Framed: true,
			Text:  "It is part of another page. Signing in opens it in the whole window.",
			Links: []link{{Href: s.publicOrigin + loginURL(target), Label: "Sign in", Primary: true, Top: true}}})
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

// loginURL is the address of a sign-in that returns to back. more are further
// parameters, such as "with=issuer".
func loginURL(back string, more ...string) string {
	return "/login?" + strings.Join(append(more, "return_to="+url.QueryEscape(fitting(back, maxReturn))), "&")
}

// fitting returns the page to return to if it has room in so many bytes of a
// form or an address; else its path; else the front.
func fitting(back string, room int) string {
	if len(url.QueryEscape(back)) <= room {
		return back
	}
	if path, _, _ := strings.Cut(back, "?"); len(url.QueryEscape(path)) <= room {
		return path
	}
	return "/"
}

// startLogin begins a sign-in by the way there is, or offers both.
func (p *Proxy) startLogin(x *exchange, s *snapshot, back, prompt string) {
	switch {
	case s.passwd != nil:
		p.passwordPage(x, s, passwordForm{ReturnTo: back, prompt: prompt}, 200)
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
	if err != nil {
		x.reason = "issuer_unavailable"
		p.log.Logger().Warn("cannot start a sign-in", zap.String("http.request.id", x.id), zap.NamedError("error.message", err))
		p.say(x, message{Status: 503, Code: x.reason, RetryAfter: 5, Title: "Signing in is not possible right now",
			Text:  "The login service does not answer. Please try again in a moment. Whoever is signed in already can go on working.",
			Links: []link{{Href: loginURL(o.ReturnTo), Label: "Try again", Primary: true}}})
		return
	}
	s.setAttempt(x, &attempt)
	p.redirect(x, 302, to)
}

// signIn is the one tail of every sign-in: a new session, its cookie, a record
// and the way back. An earlier session of this browser ends if it was somebody
// else's; other tabs of the same person keep theirs.
func (p *Proxy) signIn(x *exchange, s *snapshot, v *session.Session, back string) {
	if err := s.setSession(x, v); err != nil {
		p.notSignedIn(x, v.Principal.Method, v.Principal.RuleName(), "session_too_large")
		p.log.Logger().Warn("cannot keep a session", zap.String("http.request.id", x.id), zap.NamedError("error.message", err))
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

// notSignedIn notes a sign-in that came to nothing; user is "" where nobody
// was named.
func (p *Proxy) notSignedIn(x *exchange, method identity.Method, user, reason string) {
	x.reason = reason
	p.metrics.logins.WithLabelValues(string(method), "failure").Inc()
	e := p.event(x, audit.LoginFailed, reason)
	e.User, e.Login, e.Issuer = user, string(method), ""
	p.log.Event(e)
}

// endOther ends the session that this browser brings if it is not of the same
// person.
func (p *Proxy) endOther(x *exchange, s *snapshot, now identity.Key) {
	if d := p.cookieDecision(x, s); d.Session != nil && d.Session.Principal.Key() != now {
		p.logOut(x, d.Session, "signed_in_as_another")
	}
}

// sentHome sends a page navigation that came under another host name to
// PUBLIC_URL, where its session lives, and reports whether it did. Somebody
// who is sent there again and again is told what is wrong instead.
func (p *Proxy) sentHome(x *exchange, s *snapshot) bool {
	if s.ourHost(x.head.host) || !x.head.isNavigation() {
		return false
	}
	n := s.counted(x, s.names.home, homeAge)
	if n >= maxHomeward {
		x.reason = "wrong_host"
		p.say(x, message{Status: 421, Code: x.reason, Title: "This server goes by another name",
			Text:     "Its address is " + s.publicOrigin + ". Please open it there.",
			Operator: "PUBLIC_URL says " + s.publicOrigin + ", but requests arrive for another host. Correct PUBLIC_URL, or let the proxy in front pass on the Host that it was asked for (nginx: proxy_set_header Host $http_host).",
			Links:    []link{{Href: s.publicOrigin + "/", Label: s.publicOrigin, Primary: true}}})
		return true
	}
	s.count(x, s.names.home, n+1, homeAge)
	p.redirect(x, 302, s.publicOrigin+string(x.head.target))
	return true
}

// sayBounce tells somebody whose sign-ins do not last why that may be, and
// lets them try again.
func (p *Proxy) sayBounce(x *exchange, s *snapshot, back string) {
	m := message{Status: 400, Code: "session_not_returned", Title: "Signing in worked, but did not last",
		Text: "You signed in twice within a minute, and each time your browser came back as a stranger. Please allow cookies of this site, then try again.",
		Operator: "Likely causes: people come by http while PUBLIC_URL (" + s.publicOrigin +
			") says https, or by another host name; or a proxy in front removes cookies.",
		Links: []link{{Href: loginURL(back), Label: "Try again", Primary: true}}}
	if x.reason == gate.ReasonCookieConflict {
		m.Text = "You signed in twice within a minute, and each time your browser came back with two cookies of the same name, so that neither counts. Please remove the cookies of this site, then try again."
		m.Operator = "Somebody else sets a cookie named " + s.names.session[0] + ": another site of the same domain, or an app here. On https nobody can; set PUBLIC_URL to an https address if there is one."
	}
	s.setCookie(x, s.names.bounce, "", 0)
	p.notSignedIn(x, s.method(), "", "bounced")
	p.say(x, m)
}

// method is the way in which people sign in first of all.
func (s *snapshot) method() identity.Method {
	if s.passwd != nil {
		return identity.MethodPasswd
	}
	return identity.MethodOIDC
}

func (p *Proxy) wrongMethod(x *exchange, allow string) {
	x.allow = allow
	p.say(x, message{Status: 405, Code: "method_not_allowed", Title: "This address takes " + allow + " only",
		Text: "It cannot be opened like this. Please begin at the start page."})
}

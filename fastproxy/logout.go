package fastproxy

import (
	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/session"
)

// logout answers /logout. A click on our own site ends the session; another
// site's link, picture or script ends nothing: it gets a page that asks.
func (p *Proxy) logout(x *exchange, s *snapshot) {
	switch string(x.head.method) {
	case "GET", "HEAD":
		if !x.head.isNavigation() || x.head.isGuess() || !s.fromHere(&x.head) {
			p.confirmPage(x, s)
			return
		}
	case "POST":
		if !x.readForm() || !p.ownForm(x, s) {
			p.confirmPage(x, s)
			return
		}
	default:
		p.wrongMethod(x, "GET, POST")
		return
	}
	d := p.cookieDecision(x, s)
	if d.Session != nil {
		p.logOut(x, d.Session, "")
		x.principal = &d.Session.Principal
	}
	s.clearSession(x)
	s.setCookie(x, s.names.bounce, "", 0)
	p.leave(x, s, d.Session)
}

// leave sends somebody on after signing out: by the issuer's own logout when
// the session came from there, then wherever the settings say.
func (p *Proxy) leave(x *exchange, s *snapshot, v *session.Session) {
	to := s.logout
	if to.Issuer && (v == nil || v.Principal.Method == identity.MethodOIDC) {
		o := oidc.LogoutOptions{ReturnTo: to.ReturnTo, Federated: to.Federated}
		if v != nil {
			o.SID = v.SID
		}
		if u := s.provider.LogoutURL(o); u != "" {
			p.redirect(x, 303, u)
			return
		}
	}
	if to.ReturnTo != "" && to.ReturnTo != s.settings.Auth0.CallbackURL {
		p.redirect(x, 303, to.ReturnTo)
		return
	}
	p.saySignedOut(x)
}

// signedOut answers a callback without parameters, where the issuer's logout
// leads, and says who is signed in all the same.
func (p *Proxy) signedOut(x *exchange, s *snapshot) {
	d := p.cookieDecision(x, s)
	if d.Session == nil {
		p.saySignedOut(x)
		return
	}
	x.principal = d.Principal
	p.say(x, message{Status: 200, Code: "signed_in", Title: "You are signed in",
		Text:  "Here you are still signed in as " + d.Principal.DisplayName() + ".",
		Links: []link{{Href: "/", Label: "To the apps", Primary: true}, {Href: "/logout", Label: "Sign out"}}})
}

func (p *Proxy) saySignedOut(x *exchange) {
	p.say(x, message{Status: 200, Code: "signed_out", Title: "You are signed out",
		Text:  "Your apps here are closed. On a shared computer, please close the browser too.",
		Links: []link{{Href: "/login", Label: "Sign in again", Primary: true}}})
}

// confirmPage asks whether to sign out, with a form that only our own page can
// send. What reads no pages, or reads them in advance, is told that nothing
// happened: a browser that guessed right asks again.
func (p *Proxy) confirmPage(x *exchange, s *snapshot) {
	if !x.head.wantsPage() || x.head.isGuess() {
		x.reason = "not_confirmed"
		p.say(x, message{Status: 403, Code: x.reason, Title: "Open this address in a browser to sign out"})
		return
	}
	token := s.formToken(x)
	p.page(x, 200, "confirm.html", struct{ Token string }{token}, noFrames, 0)
}

// fromHere reports a request that the visitor made on our own pages, or typed.
// Browsers send Sec-Fetch-Site to https and localhost only; elsewhere the
// Referer of a link on our own site stands for it.
func (s *snapshot) fromHere(h *head) bool {
	if site := h.get(fieldSecFetchSite); site != nil {
		return equalFold(site, "same-origin") || equalFold(site, "none")
	}
	return s.ourReferer(h.get(fieldReferer))
}

// logOut ends a session by its visitor's own doing: for ever, with all its live
// streams.
func (p *Proxy) logOut(x *exchange, v *session.Session, reason string) {
	n, err := p.registry.End(v.ID, v.Expires, session.WhyLogout)
	if err != nil {
		p.stateFailed(err)
	}
	who := &v.Principal
	e := p.event(x, audit.Logout, reason)
	e.User, e.Issuer, e.Login, e.Streams = who.RuleName(), who.Issuer, string(who.Method), n
	p.log.Event(e)
}

// cookieDecision asks who this browser is by its cookie alone.
func (p *Proxy) cookieDecision(x *exchange, s *snapshot) gate.Decision {
	req := s.credentials(x)
	req.HasBearer, req.Bearer = false, nil
	return p.decide(s, &req, signedIn)
}

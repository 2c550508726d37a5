package fastproxy

import (
	"go.uber.org/zap"

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
		if !x.head.isNavigation() || !s.fromHere(&x.head) {
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
		n, err := p.endSession(d.Session, session.WhyLogout)
		if err != nil {
			// The session is over in this process; after a restart a copy of
			// the cookie could live again, which somebody must know.
			p.log.Logger().Error("cannot note an ended session", zap.String("http.request.id", x.id), zap.Error(err))
		}
		x.principal = &d.Session.Principal
		p.log.Event(&audit.Event{Action: audit.Logout, RequestID: x.id, Client: x.client, Streams: n,
			User: d.Session.Principal.RuleName(), Issuer: d.Session.Principal.Issuer, Login: string(d.Session.Principal.Method)})
	}
	s.clearSession(x)
	s.setCookie(x, s.names.bounce, "", 0)
	p.leave(x, s, d.Session)
}

// leave sends somebody on after signing out: by the issuer's own logout when
// the session came from there, then wherever the settings say.
func (p *Proxy) leave(x *exchange, s *snapshot, v *session.Session) {
	to := s.logout
	viaIssuer := to.Issuer && (v == nil || v.Principal.Method == identity.MethodOIDC)
	if viaIssuer {
		o := oidc.LogoutOptions{ReturnTo: to.ReturnTo, Federated: to.Federated}
		if v != nil {
			o.SID = v.SID
		}
		if u := s.provider.LogoutURL(o); u != "" {
			p.redirect(x, 303, u)
			return
		}
	}
	if to.ReturnTo != "" && !to.Issuer {
		p.redirect(x, 303, to.ReturnTo)
		return
	}
	p.signedOut(x, s)
}

// signedOut shows the page that says so, or who is still signed in.
func (p *Proxy) signedOut(x *exchange, s *snapshot) {
	p.say(x, message{Status: 200, Code: "signed_out", Title: "You are signed out",
		Text:  "Your apps here are closed. On a shared computer, please close the browser too.",
		Links: []link{{Href: "/login", Label: "Sign in again", Primary: true}}})
}

// confirmPage asks whether to sign out, with a form that only our own page can
// send.
func (p *Proxy) confirmPage(x *exchange, s *snapshot) {
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

// endSession is how the front door ends one session: for ever, with all its
// live streams.
func (p *Proxy) endSession(v *session.Session, why session.Why) (streams int, err error) {
	p.metrics.sessionsEnded.WithLabelValues(string(why)).Inc()
	return p.registry.End(v.ID, v.Expires, why)
}

// cookieDecision asks who this browser is by its cookie alone.
func (p *Proxy) cookieDecision(x *exchange, s *snapshot) gate.Decision {
	req := s.credentials(x)
	req.HasBearer, req.Bearer = false, nil
	return p.decide(s, &req, signedIn)
}

package fastproxy

import (
	"context"
	"errors"
	"math"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/passwd"
	"fastproxy/fastproxy/session"
)

// passwordLimit bounds the wait for a turn at scrypt.
const passwordLimit = 20 * time.Second

// passwordForm is what the sign-in page shows.
type passwordForm struct {
	ReturnTo string
	User     string
	Token    string
	Fault    string // said above the form
	Wrong    bool   // the fault is in what was typed
	Host     string // what is signed in to
	Issuer   string // where the other way to sign in begins; "" if there is none

	prompt string // for the other way
}

// passwordPage shows the sign-in page of the flat file.
func (p *Proxy) passwordPage(x *exchange, s *snapshot, f passwordForm, status int) {
	p.passwordPageLater(x, s, f, status, 0)
}

func (p *Proxy) passwordPageLater(x *exchange, s *snapshot, f passwordForm, status, retry int) {
	f.Token, f.Host = s.formToken(x), s.publicHost
	f.ReturnTo = fitting(f.ReturnTo, maxForm*3/4)
	if s.provider != nil {
		f.Issuer = loginURL(f.ReturnTo, "with=issuer")
		if f.prompt == "login" {
			f.Issuer = loginURL(f.ReturnTo, "with=issuer", "prompt=login")
		}
	}
	p.page(x, status, "password.html", f, noFrames, retry)
}

// password answers the form's POST to /.fastproxy/password.
func (p *Proxy) password(x *exchange, s *snapshot) {
	switch {
	case s.passwd == nil:
		p.unknownOwn(x)
		return
	case x.head.isNavigation():
		p.redirect(x, 302, "/login") // somebody who entered the address that the form led to
		return
	case string(x.head.method) != "POST":
		p.wrongMethod(x, "POST")
		return
	case !x.readForm():
		p.formUnread(x)
		return
	}
	args := x.ctx.PostArgs()
	f := passwordForm{ReturnTo: s.returnTo(string(args.Peek("return_to"))), User: string(args.Peek("user"))}
	if !p.ownForm(x, s) {
		x.reason = "foreign_form"
		if !x.head.wantsPage() { // the page would hand a script the token that it lacks
			p.say(x, message{Status: 403, Code: x.reason, Title: "Open /login in a browser to sign in"})
			return
		}
		f.Fault = "This form was open for too long, or your browser keeps no cookies of this site. Please try again."
		p.passwordPage(x, s, f, 403)
		return
	}
	from := x.client.String()
	if wait := s.backoff.Delay(f.User, from); wait > 0 {
		p.tooSoon(x, s, f, wait)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), passwordLimit)
	defer cancel()
	account, err := s.passwd.CheckFrom(ctx, from, f.User, args.Peek("password"))
	if err != nil {
		p.passwordFailed(x, s, f, err)
		return
	}
	s.backoff.Succeeded(f.User, from)
	v := session.New(identity.FromPasswd(account.User, account.Groups), x.start, s.sessionMax)
	v.Line = account.Fingerprint
	p.signIn(x, s, &v, f.ReturnTo)
}

// formUnread says why a form was not read.
func (p *Proxy) formUnread(x *exchange) {
	m := message{Status: 413, Code: "form_too_large", Title: "That is more than a name and a password"}
	if isTimeout(x.body.err) {
		m = message{Status: 408, Code: "form_too_slow", Title: "What you typed did not arrive in time"}
	}
	m.Text = "Please go back and try again."
	p.say(x, m)
}

// passwordFailed says no in words that fit an unknown user and a wrong
// password alike.
func (p *Proxy) passwordFailed(x *exchange, s *snapshot, f passwordForm, err error) {
	if !errors.Is(err, passwd.ErrWrong) {
		s.backoff.Abandoned(f.User, x.client.String())
		x.reason = "login_busy"
		p.log.Logger().Warn("password not checked", zap.String("http.request.id", x.id), zap.NamedError("error.message", err))
		f.Fault = "Many people are signing in right now. Please try again in a moment."
		p.passwordPageLater(x, s, f, 429, 5)
		return
	}
	s.backoff.Failed(f.User, x.client.String())
	p.notSignedIn(x, identity.MethodPasswd, s.knownUser(f.User), "wrong_password")
	f.Fault, f.Wrong = "User name or password is wrong. Please try again.", true
	p.passwordPage(x, s, f, 422)
}

func (p *Proxy) tooSoon(x *exchange, s *snapshot, f passwordForm, wait time.Duration) {
	p.notSignedIn(x, identity.MethodPasswd, s.knownUser(f.User), "login_backoff")
	seconds := int(math.Ceil(wait.Seconds()))
	f.Fault = "Too many tries. Please wait a little, then try again."
	p.passwordPageLater(x, s, f, 429, seconds)
}

// knownUser names somebody of the flat file for a record, and nobody else: what
// is not a user's name may be a password in the wrong field.
func (s *snapshot) knownUser(user string) string {
	if _, known := s.passwd.Fingerprint(user); !known {
		return ""
	}
	who := identity.FromPasswd(user, nil)
	return who.RuleName()
}

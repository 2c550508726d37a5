package fastproxy

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math"
	"net/url"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/audit"
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
}

// passwordPage shows the sign-in page of the flat file.
func (p *Proxy) passwordPage(x *exchange, s *snapshot, f passwordForm, status int) {
	p.passwordPageLater(x, s, f, status, 0)
}

func (p *Proxy) passwordPageLater(x *exchange, s *snapshot, f passwordForm, status, retry int) {
	f.Token, f.Host = s.formToken(x), s.publicHost
	if s.provider != nil {
		f.Issuer = "/login?with=issuer&return_to=" + url.QueryEscape(f.ReturnTo)
	}
	p.page(x, status, "password.html", f, noFrames, retry)
}

// password answers the form's POST to /.fastproxy/password.
func (p *Proxy) password(x *exchange, s *snapshot) {
	switch {
	case s.passwd == nil:
		p.unknownOwn(x)
		return
	case string(x.head.method) != "POST":
		p.wrongMethod(x, "POST")
		return
	case !x.readForm():
		p.say(x, message{Status: 413, Code: "form_too_large", Title: "That is more than a name and a password",
			Text: "Please go back and try again."})
		return
	}
	args := x.ctx.PostArgs()
	f := passwordForm{ReturnTo: s.returnTo(string(args.Peek("return_to"))), User: string(args.Peek("user"))}
	if !p.ownForm(x, s) {
		x.reason = "foreign_form"
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

// passwordFailed says no in words that fit an unknown user and a wrong
// password alike.
func (p *Proxy) passwordFailed(x *exchange, s *snapshot, f passwordForm, err error) {
	if !errors.Is(err, passwd.ErrWrong) {
		s.backoff.Abandoned(f.User, x.client.String())
		x.reason = "login_busy"
		p.log.Logger().Warn("password not checked", zap.String("http.request.id", x.id), zap.Error(err))
		f.Fault = "Many people are signing in right now. Please try again in a moment."
		p.passwordPageLater(x, s, f, 429, 5)
		return
	}
	s.backoff.Failed(f.User, x.client.String())
	x.reason = "wrong_password"
	p.metrics.logins.WithLabelValues(string(identity.MethodPasswd), "failure").Inc()
	p.audit(x, audit.LoginFailed, x.reason)
	f.Fault, f.Wrong = "User name or password is wrong. Please try again.", true
	p.passwordPage(x, s, f, 422)
}

func (p *Proxy) tooSoon(x *exchange, s *snapshot, f passwordForm, wait time.Duration) {
	x.reason = "login_backoff"
	p.audit(x, audit.LoginFailed, x.reason)
	seconds := int(math.Ceil(wait.Seconds()))
	f.Fault = "Too many tries. Please wait a minute, then try again."
	p.passwordPageLater(x, s, f, 429, seconds)
}

// A form of ours carries a token that is made from a cookie of this browser:
// another site can send the cookie, but not read it (double submit, bound by
// our key).

// formToken returns the token for a form on the page being written, and sees
// to its cookie.
func (s *snapshot) formToken(x *exchange) string {
	plain, err := s.box.Open(s.names.form, x.head.cookie(s.names.form))
	if err != nil || !s.youngForm(plain, x.start) {
		plain = make([]byte, 24)
		rand.Read(plain[:16])
		copy(plain[16:], unixBytes(x.start))
		s.setCookie(x, s.names.form, s.box.Seal(s.names.form, plain), formAge)
	}
	return s.tokenOf(plain)
}

// ownForm reports a POST that one of our own pages sent.
func (p *Proxy) ownForm(x *exchange, s *snapshot) bool {
	if site := x.head.get(fieldSecFetchSite); site != nil && !equalFold(site, "same-origin") {
		return false
	}
	// Our pages ask for no Referer, and so Origin is "null" there.
	if o := x.head.get(fieldOrigin); o != nil && !equalFold(o, "null") && !s.ourOrigin(o) {
		return false
	}
	ct, _, _ := bytes.Cut(x.head.get(fieldContentType), []byte{';'})
	if !equalFold(bytes.TrimSpace(ct), "application/x-www-form-urlencoded") {
		return false
	}
	plain, err := s.box.Open(s.names.form, x.head.cookie(s.names.form))
	if err != nil || !s.youngForm(plain, x.start) {
		return false
	}
	return hmac.Equal([]byte(s.tokenOf(plain)), x.ctx.PostArgs().Peek("token"))
}

func (s *snapshot) youngForm(plain []byte, now time.Time) bool {
	return len(plain) == 24 && now.Sub(unixTime(plain[16:])) < formAge
}

func (s *snapshot) tokenOf(plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.formKey.MAC(plain))
}

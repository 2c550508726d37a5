package fastproxy

import (
	"encoding/json"
	"time"

	"github.com/valyala/fasthttp"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
)

var signedIn = &policy.Rule{SignedIn: true}

// serveOwn answers the paths that are the proxy's own. Unknown ones end here:
// none is ever forwarded.
func (p *Proxy) serveOwn(x *exchange, s *snapshot) {
	x.own = true
	if p.sentHome(x, s) {
		return
	}
	switch string(x.head.path()) {
	case "/login":
		p.login(x, s)
	case "/logout":
		p.logout(x, s)
	case "/callback":
		p.callback(x, s)
	case "/.fastproxy/session":
		p.sessionPage(x, s)
	case "/.fastproxy/password":
		p.password(x, s)
	default:
		p.unknownOwn(x)
	}
}

func (p *Proxy) unknownOwn(x *exchange) {
	p.say(x, message{Status: 404, Code: "not_found", Title: "There is nothing here", Text: "Please check the address."})
}

// sessionView is /.fastproxy/session: what is known of the visitor, and what
// Shiny is told.
type sessionView struct {
	SignedIn  bool              `json:"signed_in"`
	Name      string            `json:"name,omitempty"`
	User      string            `json:"user,omitempty"`
	Login     string            `json:"login,omitempty"`
	Issuer    string            `json:"issuer,omitempty"`
	Until     *time.Time        `json:"expires,omitempty"`
	IdleAfter string            `json:"idle_after,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	Headers   []identity.Header `json:"headers,omitempty"`
	ClaimKeys []string          `json:"claims_without_groups,omitempty"`
	Advice    string            `json:"advice,omitempty"`
	Truncated bool              `json:"groups_truncated,omitempty"`
}

func (p *Proxy) sessionPage(x *exchange, s *snapshot) {
	if !x.head.safe() {
		p.wrongMethod(x, "GET")
		return
	}
	d := p.admit(x, s, signedIn)
	if d.Principal == nil {
		if x.head.wantsPage() {
			p.answerSignIn(x, s, &x.route)
			return
		}
		p.sessionJSON(x, sessionView{})
		return
	}
	v := viewOf(d, s)
	if x.head.wantsPage() {
		p.page(x, 200, "session.html", v, noFrames, 0)
		return
	}
	p.sessionJSON(x, v)
}

func viewOf(d gate.Decision, s *snapshot) sessionView {
	w := d.Principal
	v := sessionView{SignedIn: true, Name: w.DisplayName(), User: w.RuleName(), Login: string(w.Method), Issuer: w.Issuer,
		Groups: w.Groups, Headers: w.Headers(), ClaimKeys: w.ClaimKeys, Truncated: w.HeadersTruncated()}
	if !d.Expires.IsZero() {
		until := d.Expires.UTC()
		v.Until, v.IdleAfter = &until, s.sessionIdle.String()
	}
	switch {
	case len(w.Groups) > 0:
	case w.Method == identity.MethodPasswd:
		v.Advice = "No groups: AUTH_GROUPS_FILE names nobody's groups, or not yours."
	case s.groupsClaim == "":
		v.Advice = "No groups: AUTH0_GROUPS_CLAIM is not set. Set it to the name of the claim that holds them."
	default:
		v.Advice = "No groups: the token has neither " + s.groupsClaim + " nor " + s.groupsClaim + "/groups. Let an Action in the Auth0 dashboard add that claim, or set AUTH0_GROUPS_CLAIM to one of the claims that are there."
	}
	return v
}

func (p *Proxy) sessionJSON(x *exchange, v sessionView) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings and times always marshal
	}
	x.answer(func(ctx *fasthttp.RequestCtx) {
		ownHeaders(ctx, "default-src 'none'; frame-ancestors 'none'")
		ctx.SetContentType("application/json")
		ctx.SetBody(append(b, '\n'))
	})
}

// answerForbidden tells somebody known that this is not for them: who they
// are here, and how to change that.
func (p *Proxy) answerForbidden(x *exchange, s *snapshot, rule *policy.Rule) {
	who := x.principal
	m := message{Status: 403, Code: "not_admitted", Title: "This is not open to you",
		Text:  "You are signed in as " + who.DisplayName() + " (" + who.RuleName() + "). If you need this, please ask whoever runs this server, or sign in as someone else.",
		Links: []link{{Href: loginURL(string(x.head.target), "prompt=login"), Label: "Sign in as someone else", Primary: true}, {Href: "/.fastproxy/session", Label: "What is known of you"}}}
	if rule.String() == "nobody" && x.route.mountPath == "/admin/" {
		m.Operator, m.Line = "Nobody may enter here yet. This setting lets you in:", "ADMIN_USERS="+who.RuleName()
	}
	p.audit(x, audit.Denied, x.reason)
	p.say(x, m)
}

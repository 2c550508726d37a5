package fastproxy

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/shiny"
	"fastproxy/fastproxy/upstream"
)

// decideLimit bounds what a decision may wait for, which is the issuer's keys.
const decideLimit = 10 * time.Second

// route is where an admitted request goes, and in whose name.
type route struct {
	mountPath    string
	upstreamPath string
	rest         []byte // of the target, as the client sent it
	backend      *upstream.Backend
	rule         *policy.Rule
	kind         shiny.Kind
	decision     gate.Decision

	identity          []byte // header lines
	usedAuthorization bool

	opens  *shiny.Opens // watches what a SockJS client opens; nil where nothing has to be watched
	socket string       // the SockJS session's id
	leave  func()       // gives back the ids of a SockJS path; nil without
}

// serveSafely answers one request and writes its record. A panic costs that
// request and its connection, nobody else's.
func (p *Proxy) serveSafely(x *exchange) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked(x, v)
		}
		if !x.taken {
			p.finished(x)
		}
	}()
	p.serve(x, p.current.Load())
}

func (p *Proxy) panicked(x *exchange, v any) {
	p.logPanic(x.id, v)
	if x.status != 0 {
		x.abort() // what went out may look whole
	} else {
		p.sayFault(x)
	}
}

// sayFault tells of a panic.
func (p *Proxy) sayFault(x *exchange) {
	x.closing = true
	p.say(x, message{Status: 500, Code: "internal_error", Title: "Something went wrong here",
		Text: "The fault is ours, not yours. Please try again. If it stays so, tell whoever runs this server the request id below."})
}

// logPanic is called where a panic was recovered.
func (p *Proxy) logPanic(id string, v any) {
	p.metrics.panics.Inc()
	p.log.Logger().Error("panic while answering", zap.String("http.request.id", id),
		zap.Any("error.message", v), zap.ByteString("error.stack_trace", debug.Stack()))
}

// serve answers one request: the whole road from a judged head to an answer.
func (p *Proxy) serve(x *exchange, s *snapshot) {
	if string(x.head.target) == "*" {
		p.answerStatus(x, 204)
		return
	}
	if s.isCallback(x) {
		p.callback(x, s)
		return
	}
	m, err := s.table.Judge(x.head.target)
	switch {
	case err != nil:
		x.reason = err.Error()
		p.say(x, message{Status: 400, Code: "bad_target", Title: "That address cannot be read",
			Text: "It is written in a way that two programs could read differently. Please check it."})
	case m.Own:
		p.serveOwn(x, s)
	case m.Mount == nil && string(x.head.path()) == "/" && s.isLostCallback(x):
		p.lostAttempt(x, s, "") // its code is nobody else's to see
	case m.Mount == nil && string(x.head.path()) == "/":
		p.redirect(x, 302, withQuery("/reports/", x.head.query()))
	case m.Mount == nil:
		p.say(x, message{Status: 404, Code: "not_found", Title: "There is nothing here",
			Text: "There is no app at this address. Please check it."})
	case m.Redirect:
		p.redirect(x, 308, s.mountURL[m.Mount.Path]+string(m.Rest))
	default:
		p.serveMount(x, s, &m)
	}
}

// serveMount answers a request for Shiny.
func (p *Proxy) serveMount(x *exchange, s *snapshot, m *policy.Match) {
	r := &x.route
	r.lead(s, m, &x.head)
	if p.refusedOrigin(x, s, r) || p.sentHome(x, s) {
		return
	}
	r.decision = p.admit(x, s, &m.Mount.Rule)
	switch r.decision.Verdict {
	case gate.SignIn:
		p.answerSignIn(x, s, r)
	case gate.Forbid:
		p.answerForbidden(x, s, &m.Mount.Rule)
	case gate.Unavailable:
		p.say(x, message{Status: 503, Code: "keys_unavailable", RetryAfter: 5, Title: "Your sign-in cannot be checked right now",
			Text: "The login service does not answer. Please try again in a moment."})
	case gate.Allow:
		p.toShiny(x, s, r, m.Mount.Upstream)
	}
}

// lead fills in where a request goes.
func (r *route) lead(s *snapshot, m *policy.Match, h *head) {
	r.mountPath, r.upstreamPath, r.rest = s.mountURL[m.Mount.Path], m.Mount.UpstreamPath, m.Rest
	r.backend, r.rule = s.backends[m.Mount.Upstream], &m.Mount.Rule
	r.kind = kindOf(h)
}

// toShiny takes an admitted request to Shiny.
func (p *Proxy) toShiny(x *exchange, s *snapshot, r *route, upstream string) {
	if why := p.enterSockJS(x, s, r, upstream); why != nil {
		p.refuseSocket(x, why)
		return
	}
	defer func() {
		if r.leave != nil && !x.taken {
			r.leave() // a tunnel does so at its end
		}
	}()
	r.identity = r.decision.Headers
	x.carried = true
	p.forward(x, s, r)
}

// kindOf says what a request wants of Shiny. An escaped path is read decoded,
// as servers do.
func kindOf(h *head) shiny.Kind {
	path := h.path()
	if bytes.IndexByte(path, '%') >= 0 {
		if decoded, err := policy.DecodeOnce(nil, path); err == nil {
			path = decoded
		}
	}
	if h.upgrade {
		return shiny.ClassifyUpgrade(path)
	}
	return shiny.Classify(path)
}

// refusedOrigin refuses what another site's page does with this visitor's
// cookie: Shiny checks no Origin on WebSockets, and Shiny Server reflects any
// on __sockjs__. Elsewhere SameSite keeps the cookie at home; with
// COOKIE_SAMESITE=none only this check does.
func (p *Proxy) refusedOrigin(x *exchange, s *snapshot, r *route) bool {
	if !s.foreignOrigin(&x.head, r) {
		return false
	}
	x.reason = "foreign_origin"
	p.say(x, message{Status: 403, Code: "foreign_origin", Title: "Another site asked for this",
		Text:     "Only pages of " + s.publicOrigin + " may do this. Please open the app there.",
		Operator: "If the other site is yours too, set PUBLIC_URL to where people really are, or name it in ALLOWED_ORIGINS."})
	return true
}

// foreignOrigin reports what only our own pages may ask for and another site's
// does.
func (s *snapshot) foreignOrigin(h *head, r *route) bool {
	if !h.upgrade && !r.kind.IsSockJS() && h.safe() {
		return false
	}
	for i := range h.lines {
		if l := &h.lines[i]; l.field == fieldOrigin && !s.ourOrigin(l.value) {
			return true
		}
	}
	return false
}

// admit lends the request's credentials to the gate and brings its decision.
func (p *Proxy) admit(x *exchange, s *snapshot, rule *policy.Rule) gate.Decision {
	req := s.credentials(x)
	d := p.decide(s, &req, rule)
	x.decided(&d, req.HasBearer)
	return d
}

// decide asks the gate: what it remembers first, which is all that most
// requests need.
func (p *Proxy) decide(s *snapshot, req *gate.Request, rule *policy.Rule) gate.Decision {
	req.Rule = rule
	if d, known := s.gate.Recall(req); known {
		return d
	}
	ctx, cancel := context.WithTimeout(context.Background(), decideLimit)
	defer cancel()
	return s.gate.Decide(ctx, req)
}

// decided notes for the record, and for Shiny, what the gate found.
func (x *exchange) decided(d *gate.Decision, bearer bool) {
	x.route.usedAuthorization = bearer
	x.principal = d.Principal
	if d.Verdict != gate.Allow {
		x.reason = d.Reason
	}
}

// backendFailed says why Shiny did not answer. Its own words stay in the log.
func (p *Proxy) backendFailed(x *exchange, s *snapshot, r *route, err error) {
	p.metrics.upstreamErrors.WithLabelValues(failureName(err)).Inc()
	x.reason = failureName(err)
	m := message{Status: 502, Code: x.reason, Title: "The app does not answer"}
	switch {
	case errors.Is(err, errClientGone):
		x.status, x.closing = 499, true // nobody is there to be told
		return
	case errors.Is(err, errDeniedOpen):
		p.closeSocket(x, r)
		m.Status, m.Title, m.Text = 403, "This is not open to you", "The app that was asked for is not among yours."
		x.closing = true
	case errors.Is(err, errUpload):
		m.Status, m.Title, m.Text = 400, "The upload broke off", "It did not arrive whole. Please go back and try again."
		if isTimeout(err) {
			m.Status = 408
		}
		x.closing = true
	case errors.Is(err, errSlow):
		m.Status, m.Text = 504, "It is busy for longer than this server waits. Please try again in a while."
	case errors.Is(err, errDial):
		m.Text = "It is not running, or cannot be reached. Please try again in a moment. If it stays so, tell whoever runs this server the request id below."
	default:
		m.Text = "It broke off, or said something that cannot be read. Please try again. If it stays so, tell whoever runs this server the request id below."
	}
	p.log.Logger().Warn("shiny failed", zap.String("http.request.id", x.id), zap.String("event.reason", x.reason),
		zap.String("fastproxy.upstream", r.backend.Addr()), zap.NamedError("error.message", err))
	p.say(x, m)
}

func failureName(err error) string {
	for _, f := range []struct {
		err  error
		name string
	}{
		{errDial, "upstream_unreachable"}, {errSlow, "upstream_timeout"}, {errClientGone, "client_gone"},
		{errUpload, "upload_broken"}, {errDeniedOpen, "app_not_admitted"}, {errAnswerHead, "upstream_malformed"},
	} {
		if errors.Is(err, f.err) {
			return f.name
		}
	}
	return "upstream_broken"
}

// clientAddr returns who the request comes from: the peer, or the rightmost
// address in X-Forwarded-For that no trusted proxy put there.
func (p *Proxy) clientAddr(peer netip.Addr, h *head) netip.Addr {
	s := p.current.Load()
	if !s.trusts(peer) {
		return peer
	}
	addr := peer
	for i := len(h.lines) - 1; i >= 0; i-- {
		if h.lines[i].field != fieldXForwardedFor {
			continue
		}
		for list := h.lines[i].value; len(list) > 0; {
			var item []byte
			list, item = cutLast(list)
			a, ok := parseForwarded(item)
			if !ok {
				return addr
			}
			if addr = a; !s.trusts(addr) {
				return addr
			}
		}
	}
	return addr
}

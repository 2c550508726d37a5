package fastproxy

import (
	"time"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/shiny"
)

// maxLoggedText cuts what strangers write into a record.
const maxLoggedText = 256

// accessRecord copies what the record of an exchange needs, so that it may
// outlive it.
func (p *Proxy) accessRecord(x *exchange) accessRecord {
	var room [2 * maxLoggedText]byte // most need no more
	a := accessRecord{audit.NewAccess()}
	a.Start, a.RequestID, a.Client = x.start, x.id, x.client
	a.Method = a.Keep(x.head.method)
	a.Path = a.Keep(upTo(shiny.RedactPath(room[:0], x.head.path()), maxLoggedText))
	a.Host = a.Keep(upTo(x.head.host, maxLoggedText))
	a.UserAgent = a.Keep(upTo(x.head.get(fieldUserAgent), maxLoggedText))
	a.Status, a.BytesIn, a.BytesOut = x.status, x.body.read, max(x.sent-x.heads, 0)
	if a.Status >= 400 { // else, what was missing was not needed
		a.Reason = x.reason
	}
	if x.own {
		a.Kind = "own"
	}
	if x.carried {
		r := &x.route
		a.Kind, a.Mount, a.Upstream = r.kind.String(), r.mountPath, r.backend.Addr()
	}
	if w := x.principal; w != nil {
		a.User, a.Login = a.Keep(w.AppendRuleName(room[:0])), string(w.Method)
	}
	return a
}

type accessRecord struct{ *audit.Access }

// finished writes the record of an exchange that was answered here.
func (p *Proxy) finished(x *exchange) {
	a := p.accessRecord(x)
	a.Duration = time.Since(x.start)
	p.metrics.answered(x, a.Duration)
	p.log.Access(a.Access)
}

// answeredOnLane writes the record of an errand: what accessRecord holds, but
// as a line at once, so that nothing of it is copied.
func (p *Proxy) answeredOnLane(l *lane, x *exchange) {
	took := time.Since(x.start)
	l.counts.answered(p.metrics, x.route.kind, x.status, took)
	if !p.log.TakesAccess() {
		return
	}
	r, a := &x.route, &l.record
	*a = audit.Access{
		Start: x.start, Duration: took, RequestID: x.id, Client: x.client, Method: audit.Borrow(x.head.method),
		Host: audit.Borrow(upTo(x.head.host, maxLoggedText)), UserAgent: audit.Borrow(upTo(x.head.get(fieldUserAgent), maxLoggedText)),
		Kind: r.kind.String(), Mount: r.mountPath, Upstream: r.backend.Addr(), Status: x.status, BytesIn: x.body.read, BytesOut: max(x.sent-x.heads, 0),
	}
	l.room = shiny.RedactPath(l.room[:0], x.head.path())
	a.Path = audit.Borrow(upTo(l.room, maxLoggedText))
	if a.Status >= 400 {
		a.Reason = x.reason
	}
	if w := x.principal; w != nil {
		a.Login = string(w.Method)
		at := len(l.room)
		l.room = w.AppendRuleName(l.room)
		a.User = audit.Borrow(l.room[at:])
	}
	l.write()
}

// audit writes an event about the exchange's principal, or about somebody
// unknown.
func (p *Proxy) audit(x *exchange, action audit.Action, reason string) {
	p.log.Event(p.event(x, action, reason))
}

// event makes that event.
func (p *Proxy) event(x *exchange, action audit.Action, reason string) *audit.Event {
	e := &audit.Event{Action: action, RequestID: x.id, Client: x.client, Path: loggedPath(x.head.path()), Reason: reason}
	if w := x.principal; w != nil {
		e.User, e.Issuer, e.Login = w.RuleName(), w.Issuer, string(w.Method)
	}
	return e
}

func loggedPath(path []byte) string {
	return string(upTo(shiny.RedactPath(nil, path), maxLoggedText))
}

func upTo(b []byte, n int) []byte { return b[:min(len(b), n)] }

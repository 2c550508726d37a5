package fastproxy

import (
	"bytes"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// socketRefusal is why a SockJS path is not served.
type socketRefusal struct{ code, title string }

var (
	errTransportRefused = &socketRefusal{"transport_refused", "This way to connect is not served"}
	errPlainWebSocket   = &socketRefusal{"plain_websocket", "Only Shiny Server's own sockets are served here"}
	errEscapedSocket    = &socketRefusal{"escaped_socket", "That address cannot be read"}
	errUnclearSocket    = &socketRefusal{"unclear_socket", "That address cannot be read"}
	errSocketOfAnother  = &socketRefusal{"socket_of_another", "That connection is not yours"}
)

// enterSockJS asks of a SockJS path what its mount's rule does not: that the
// transport is one that only our own pages can use, that the ids in it are the
// visitor's own, and, where mounts with different rules share a Shiny Server,
// that what the client will open is watched. It blocks not.
func (p *Proxy) enterSockJS(x *exchange, s *snapshot, r *route, upstream string) *socketRefusal {
	path := x.head.path()
	watched := !s.table.OneForAll(upstream)
	switch {
	case r.kind == shiny.KindHTMLFile || r.kind == shiny.KindJSONP || r.kind == shiny.KindJSONPSend:
		// Any site's page can read these two; no browser in use needs them.
		return errTransportRefused
	case !r.kind.IsSockJS() && !shiny.UnderSockJS(path):
		if x.head.upgrade && !s.table.OneRule(upstream) {
			// Plain R is one app whatever the path, and Shiny Server answers no such upgrade.
			return errPlainWebSocket
		}
		return nil
	case bytes.IndexByte(path, '%') >= 0:
		return errEscapedSocket
	case x.head.upgrade && !r.kind.IsSockJS():
		// Shiny Server's routes take more than its client sends.
		return errUnclearSocket
	}
	ids := shiny.ReadSocketIDs(path)
	leave, ok := p.sockets.enter(ids, holderOf(x.principal, watched), x.start)
	if !ok {
		return errSocketOfAnother
	}
	r.leave, r.socket = leave, ids.Session
	if watched && (x.head.upgrade || string(x.head.method) == "POST") {
		r.opens = p.watchOpens(x, s, r, upstream, ids.Robust != "")
	}
	return nil
}

func (p *Proxy) refuseSocket(x *exchange, why *socketRefusal) {
	x.reason = why.code
	p.audit(x, audit.Denied, why.code)
	p.say(x, message{Status: 403, Code: why.code, Title: why.title, Text: "Please reload the page."})
}

// watchOpens returns the reader of a connection's open commands. It outlives
// the exchange, and so holds copies.
func (p *Proxy) watchOpens(x *exchange, s *snapshot, r *route, upstream string, robust bool) *shiny.Opens {
	rest, _, _ := bytes.Cut(r.rest, []byte{'?'})
	socket := r.upstreamPath + string(rest)
	who := x.principal
	return shiny.NewOpens(r.kind, robust, func(url []byte) bool {
		path, ok := shiny.ResolveOpen(socket, string(url))
		return ok && s.table.Reaches(upstream, path, who)
	})
}

// deniedOpen is the record of an app that was refused inside a connection.
func (p *Proxy) deniedOpen(x *exchange) *audit.Event {
	e := &audit.Event{Action: audit.Denied, RequestID: x.id, Client: x.client, Path: loggedPath(x.head.path()), Reason: "app_not_admitted"}
	if w := x.principal; w != nil {
		e.User, e.Issuer, e.Login = w.RuleName(), w.Issuer, string(w.Method)
	}
	return e
}

// closeSocket records that a request's sending was refused, and ends the
// answers that stream to its SockJS session. It does so once: who reads the
// body tells, also when Shiny has answered already, and who answers.
func (p *Proxy) closeSocket(x *exchange, r *route) {
	if r.opens == nil || !r.opens.Tell() {
		return
	}
	p.log.Event(p.deniedOpen(x))
	p.registry.CloseStreams(func(s session.Stream) bool {
		e, ok := s.(*streamEnd)
		return ok && r.socket != "" && e.socket == r.socket
	}, session.WhyRuleChanged)
}

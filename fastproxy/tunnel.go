package fastproxy

import (
	"encoding/hex"
	"net/netip"
	"sync/atomic"
	"time"
	"unique"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// tunnelEnd is a tunnel as its session sees it, and what its record will say.
// It is bound before the tunnel exists, so that a session that ends in between
// is noticed. People keep tunnels open for hours and do nothing: a field here
// is paid for by each of them, so this is small and borrows nothing.
type tunnelEnd struct {
	p *Proxy
	pass
	binding *session.Binding // nil without a session

	tunnel atomic.Pointer[relay.Tunnel] // nil until run
	why    atomic.Pointer[session.Why]  // nil until End

	visit  unique.Handle[visit]
	path   string // redacted
	client netip.Addr
	began  int64 // unix nanoseconds
	id     [16]byte
	took   uint32 // microseconds of the handshake
	kind   shiny.Kind
}

// visit is what the records of many tunnels have in common: there are few
// browsers, apps and servers, and they are kept once.
type visit struct{ host, agent, mount, upstream string }

// newTunnelEnd copies what outlives the exchange.
func (p *Proxy) newTunnelEnd(x *exchange, r *route) *tunnelEnd {
	var room [maxLoggedText]byte
	e := &tunnelEnd{
		p: p, pass: r.pass(), kind: r.kind,
		path: string(upTo(shiny.RedactPath(room[:0], x.head.path()), maxLoggedText)), client: x.client, began: x.start.UnixNano(),
		visit: unique.Make(visit{
			string(upTo(x.head.host, maxLoggedText)), string(upTo(x.head.get(fieldUserAgent), maxLoggedText)),
			r.mountPath, r.backend.Addr(),
		}),
	}
	hex.Decode(e.id[:], []byte(x.id)) // newRequestID made it
	return e
}

// run starts the tunnel, if its session has not ended meanwhile.
func (e *tunnelEnd) run(t *relay.Tunnel, start func(*relay.Tunnel)) {
	e.tunnel.Store(t)
	if why := e.why.Load(); why != nil { // asked second: End asks for the tunnel second
		t.Close(e.farewell(*why))
		return
	}
	start(t)
}

// End implements session.Stream.
func (e *tunnelEnd) End(why session.Why) {
	e.why.Store(&why)
	if t := e.tunnel.Load(); t != nil {
		t.Close(e.farewell(why))
	}
}

func (e *tunnelEnd) farewell(why session.Why) relay.Farewell {
	return relay.Farewell{
		ToClient:  shiny.Farewell(e.kind, endingOf(why)),
		ToBackend: shiny.FarewellToBackend(),
		Reason:    string(why),
	}
}

// ClientBytes implements session.Stream: what the visitor sends shows that
// they are there.
func (e *tunnelEnd) ClientBytes() uint64 {
	if t := e.tunnel.Load(); t != nil {
		return t.ClientBytes()
	}
	return 0
}

// release unbinds the tunnel from its session; calling it again does nothing.
func (e *tunnelEnd) release() {
	if e.binding != nil {
		e.binding.Release()
	}
}

// done returns over, which gives back the ids of a SockJS path where there are.
func (e *tunnelEnd) done(leave func()) func(relay.Stats) {
	if leave == nil {
		return e.over
	}
	return func(st relay.Stats) {
		leave()
		e.over(st)
	}
}

// over is told by the relay, on its loop, when both connections are closed.
func (e *tunnelEnd) over(st relay.Stats) {
	e.p.room.leave()
	e.p.room.release(1)
	e.release()
	e.p.metrics.tunnelClosed(e.kind, st)
	e.p.log.Access(e.record(st))
}

// record is the tunnel's, from its handshake to its end.
func (e *tunnelEnd) record(st relay.Stats) *audit.Access {
	var room [maxLoggedText]byte
	v := e.visit.Value()
	a := audit.NewAccess()
	a.Start, a.Duration = time.Unix(0, e.began), time.Duration(e.took)*time.Microsecond+st.Duration
	a.RequestID, a.Client = a.Keep(hex.AppendEncode(room[:0], e.id[:])), e.client
	a.Method, a.Path, a.Host, a.UserAgent = "GET", e.path, v.host, v.agent
	a.Kind, a.Mount, a.Upstream, a.Status = e.kind.String(), v.mount, v.upstream, 101
	a.WebSocket, a.ClosedBy, a.Reason = true, string(st.ClosedBy), st.Reason
	a.BytesIn, a.BytesOut = int64(st.ClientBytes), int64(st.BackendBytes)
	if w := e.who; w != nil {
		a.User, a.Login = a.Keep(w.AppendRuleName(room[:0])), string(w.Method)
	}
	return a
}

// inspector lets the relay ask about a client's bytes before it passes them
// on; nil where nothing has to be watched.
func (e *tunnelEnd) inspector(opens *shiny.Opens) func(b []byte) (pass int, bye *relay.Farewell) {
	if opens == nil {
		return nil
	}
	return func(b []byte) (pass int, bye *relay.Farewell) {
		defer func() {
			if v := recover(); v != nil { // this is an event loop, on which others are too
				e.p.logPanic(hex.EncodeToString(e.id[:]), v)
				pass, bye = 0, &relay.Farewell{ToClient: shiny.Farewell(e.kind, shiny.EndDenied), Reason: "internal_error"}
			}
		}()
		n, ok := opens.Frames(b)
		if ok {
			return n, nil
		}
		v := &audit.Event{Action: audit.Denied, RequestID: hex.EncodeToString(e.id[:]), Client: e.client, Path: e.path, Reason: "app_not_admitted"}
		if w := e.who; w != nil {
			v.User, v.Issuer, v.Login = w.RuleName(), w.Issuer, string(w.Method)
		}
		go e.p.log.Event(v) // it may wait for room, and this is an event loop
		return n, &relay.Farewell{ToClient: shiny.Farewell(e.kind, shiny.EndDenied), Reason: v.Reason}
	}
}

package fastproxy

import (
	"sync"

	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// join turns a WebSocket handshake that Shiny accepted into a tunnel: it
// answers 101 and gives both connections to the relay, and no goroutine stays
// here. The error is that of transfer.
func (t *transfer) join() error {
	x, p := t.x, t.p
	if !equalFold(t.answer.get(fieldUpgrade), "websocket") {
		return errAnswerHead
	}
	t.watch.stop()
	t.x.c.setAsking(nil)
	if why := t.dropped.Load(); why != nil {
		return *why
	}
	kind, leave := t.r.kind, t.r.leave // the exchange is another's by the time the tunnel ends
	live := &tunnelEnd{pass: t.r.pass(), kind: kind}
	var err error
	if live.binding, err = p.bind(&t.r.decision, live); err != nil {
		return err
	}
	x.status = 101
	if x.write(t.s.appendAnswerHead(nil, x, t.r, &t.answer)) != nil {
		live.release()
		return nil
	}
	x.taken, x.c.passedOn = true, true
	client := relay.Leg{Conn: x.c.nc, Pending: x.c.takeRest(), Inspect: p.inspectorOf(x, t.r)}
	backend := relay.Leg{Conn: t.uc.Conn, Pending: t.buf[t.from:t.to]}
	t.uc = nil
	record := p.accessRecord(x)
	p.metrics.tunnelOpened(kind)
	p.room.hold(1)
	over := func(st relay.Stats) {
		p.room.leave()
		p.room.release(1)
		live.release()
		if leave != nil {
			leave()
		}
		p.metrics.tunnelClosed(kind, st)
		record.tunnel(st)
		p.log.Access(record.Access)
	}
	tunnel, err := p.relay.Join(client, backend, over)
	if err != nil { // the process stops
		over(relay.Stats{ClosedBy: relay.ByProxy, Reason: "cannot join"})
		return nil
	}
	live.run(tunnel)
	return nil
}

// bind ties a stream to what let it in: the session, or a bearer token's
// expiry. Nil for somebody unknown, who has no end to wait for.
func (p *Proxy) bind(d *gate.Decision, s session.Stream) (*session.Binding, error) {
	switch {
	case d.Live != nil:
		return p.registry.Bind(d.Live, s)
	case d.Principal != nil:
		return p.registry.BindUntil(d.Principal.Key(), d.Expires, s)
	}
	return nil, nil
}

// pass is what let a live stream in. When it no longer would, as when the
// flat file's groups change, registry.CloseStreams finds the stream by it.
type pass struct {
	rule *policy.Rule
	who  *identity.Principal // nil for somebody unknown
}

func (r *route) pass() pass { return pass{r.rule, r.decision.Principal} }

// tunnelEnd is a tunnel as its session sees it. It is bound before the tunnel
// exists, so that a session that ends in between is noticed.
type tunnelEnd struct {
	pass
	kind    shiny.Kind
	binding *session.Binding // nil without a session

	mu     sync.Mutex
	tunnel *relay.Tunnel
	why    session.Why // set when End came first
}

// run starts the tunnel, if its session has not ended meanwhile.
func (e *tunnelEnd) run(t *relay.Tunnel) {
	e.mu.Lock()
	e.tunnel = t
	why := e.why
	e.mu.Unlock()
	if why != "" {
		t.Close(e.farewell(why))
		return
	}
	t.Start()
}

// End implements session.Stream.
func (e *tunnelEnd) End(why session.Why) {
	e.mu.Lock()
	e.why = why
	t := e.tunnel
	e.mu.Unlock()
	if t != nil {
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
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tunnel == nil {
		return 0
	}
	return e.tunnel.ClientBytes()
}

// release unbinds the tunnel from its session; calling it again does nothing.
func (e *tunnelEnd) release() {
	e.mu.Lock()
	b := e.binding
	e.binding = nil
	e.mu.Unlock()
	if b != nil {
		b.Release()
	}
}

// endingOf puts a session's ending in the words that Shiny's clients know.
func endingOf(why session.Why) shiny.Ending {
	switch why {
	case session.WhyExpired, session.WhyIdle:
		return shiny.EndExpired
	case session.WhyRuleChanged:
		return shiny.EndDenied
	case session.WhyShutdown:
		return shiny.EndShutdown
	}
	return shiny.EndSignedOut
}

package fastproxy

import (
	"sync"
	"time"

	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/shiny"
)

// farewellLimit is how long a client that does not read may hold up its end.
const farewellLimit = 2 * time.Second

// upgrade carries an admitted WebSocket handshake to Shiny. Its 101 joins the
// two connections into a tunnel, and no goroutine stays here; any other
// answer is an ordinary one.
func (p *Proxy) upgrade(x *exchange, s *snapshot, r *route) {
	req := s.appendRequestHead(takeHead()[:0], x, r)
	defer giveBuffer(req)
	t, err := p.reach(x, s, r, req)
	if err != nil {
		p.backendFailed(x, s, r, err)
		return
	}
	defer t.end()
	if t.answer.status != 101 {
		t.sendAnswer()
		return
	}
	if !equalFold(t.answer.get(fieldUpgrade), "websocket") {
		p.backendFailed(x, s, r, errAnswerHead)
		return
	}
	live := &tunnelEnd{kind: r.kind}
	if live.binding, err = p.bind(&r.decision, live); err != nil {
		p.answerSignIn(x, s, r) // it ended while Shiny answered
		return
	}
	t.join(live)
}

// join answers 101 and gives both connections to the relay.
func (t *transfer) join(live *tunnelEnd) {
	x, p := t.x, t.p
	t.watch.stop()
	x.status = 101
	if x.write(t.s.appendAnswerHead(nil, x, t.r, &t.answer)) != nil || t.gone.Load() {
		live.release()
		return
	}
	x.taken = true
	x.c.nc.SetDeadline(time.Time{})
	t.uc.SetDeadline(time.Time{})
	client := relay.Leg{Conn: x.c.nc, Pending: x.c.takeRest(len(x.head.raw))}
	backend := relay.Leg{Conn: t.uc.Conn, Pending: append([]byte(nil), t.buf[t.from:t.to]...)}
	t.uc = nil
	record := p.accessRecord(x)
	kind := t.r.kind // the exchange is another's by the time the tunnel ends
	p.metrics.tunnelOpened(kind)
	tunnel, err := p.relay.Join(client, backend, func(st relay.Stats) {
		live.release()
		p.metrics.tunnelClosed(kind, st)
		record.tunnel(st)
		p.log.Access(record.Access)
	})
	if err != nil {
		live.release()
		p.metrics.tunnelClosed(kind, relay.Stats{})
		record.Reason = "cannot join"
		p.log.Access(record.Access)
		return
	}
	live.run(tunnel)
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

// tunnelEnd is a tunnel as its session sees it. It is bound before the tunnel
// exists, so that a session that ends in between is noticed.
type tunnelEnd struct {
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

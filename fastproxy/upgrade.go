package fastproxy

import (
	"time"

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
	live := p.newTunnelEnd(x, t.r)
	var err error
	if live.binding, err = p.bind(&t.r.decision, live); err != nil {
		return err
	}
	x.status = 101
	head := t.s.appendAnswerHead(takeBuffer(firstBuffer)[:0], x, t.r, &t.answer)
	defer giveBuffer(head)
	if x.write(head) != nil {
		live.release()
		return nil
	}
	x.taken, x.c.passedOn = true, true
	client := relay.Leg{Conn: x.c.nc, Pending: x.c.takeRest(), Inspect: live.inspector(t.r.opens)}
	backend := relay.Leg{Conn: t.uc.Conn, Pending: t.buf[t.from:t.to]}
	t.uc = nil
	p.metrics.tunnelOpened(live.kind)
	p.metrics.engine.WithLabelValues("worker").Inc()
	p.room.hold(1)
	live.took = uint32(time.Since(x.start).Microseconds())
	done := live.done(t.r.leave)
	tunnel, err := p.relay.Join(client, backend, done)
	if err != nil { // the process stops
		done(relay.Stats{ClosedBy: relay.ByProxy, Reason: "cannot join"})
		return nil
	}
	live.run(tunnel, (*relay.Tunnel).Start)
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

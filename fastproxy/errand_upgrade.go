package fastproxy

import (
	"time"

	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/relay"
)

// upgrade is transfer.join on a lane: it answers 101, and both connections
// become a tunnel where they are, on this loop. pending came behind Shiny's
// head.
func (e *errand) upgrade(pending []byte) {
	l, x, c, st := e.lane, &e.x, e.caller, e.strand
	p, r := l.p, &x.route
	if !equalFold(e.answer.get(fieldUpgrade), "websocket") {
		e.hand(errAnswerHead)
		return
	}
	live := p.newTunnelEnd(x, r)
	var err error
	if live.binding, err = p.bind(&r.decision, live); err != nil {
		e.hand(err)
		return
	}
	e.stage, x.status = answering, 101
	head := e.s.appendAnswerHead(l.head[:0], x, r, &e.answer)
	l.head = head[:0]
	if n, _ := loop.Write(c.fd(), head); n < len(head) { // the client has read nothing of what came before
		live.release()
		e.abort()
		return
	}
	p.relay.Tune(st.fd())
	client := relay.Adopted{Key: c.key, TCP: c.peer.IsValid(), HungUp: c.hungUp, More: c.readable, Pending: c.kept, Inspect: live.inspector(r.opens)}
	backend := relay.Adopted{Key: st.key, TCP: true, HungUp: st.hungUp, More: st.readable, Pending: pending}
	p.metrics.tunnelOpened(live.kind)
	l.counts.engine.Inc()
	live.took = uint32(time.Since(x.start).Microseconds())
	done := live.done(r.leave)
	tunnel, err := p.relay.Adopt(l.loop, client, backend, done)
	r.leave, e.strand = nil, nil
	c.vanish()
	l.giveErrand(e)
	if err != nil { // the process stops
		done(relay.Stats{ClosedBy: relay.ByProxy, Reason: "cannot join"})
		return
	}
	live.run(tunnel, (*relay.Tunnel).StartHere)
}

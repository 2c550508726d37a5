package fastproxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"sync"
	"sync/atomic"

	"fastproxy/fastproxy/audit"
	"fastproxy/fastproxy/loop"
	"fastproxy/fastproxy/upstream"
)

// lane is what one event loop carries of the front door: client connections
// that wait (caller), the requests that they are being answered (errand) and
// connections to Shiny (strand). What a request needs beyond that, the lane
// lends to a worker (loan.go), which runs the portable engine's serve.
//
// Everything here runs on the loop and nothing of it blocks, but for what
// says that it may come from any goroutine.
type lane struct {
	// set once
	p    *Proxy
	loop *loop.Loop

	open    atomic.Int64 // callers; read by any goroutine
	emptied chan struct{}

	// owned by the loop
	leaving   bool // the process stops: no further request
	entrances []*entrance
	spares    map[*upstream.Backend]*spares
	errands   []*errand // to be used again
	head      []byte    // room for a head that is written at once
	ids       string    // request ids not given out yet
	counts    answerCounts
	record    audit.Access // of the errand that ends
	room      []byte       // for its texts
	batch     *audit.Batch // lines of this turn
	flush     *loop.Alarm  // hands them over at its end
}

const (
	idBytes      = 32  // hexadecimal digits of a request id
	idsAtOnce    = 128 // made at once: one call for randomness, one allocation
	sparesErrand = 256 // errands kept for use again
)

func newLane(p *Proxy, lp *loop.Loop) *lane {
	l := &lane{
		p: p, loop: lp, emptied: make(chan struct{}),
		spares: make(map[*upstream.Backend]*spares), head: make([]byte, 0, 2*maxHeadBytes),
		counts: p.metrics.newAnswerCounts(),
	}
	l.flush = lp.NewAlarm(func(int64) { l.handOver() })
	return l
}

// adopt takes a client connection over: a new one, or one that a worker gives
// back with bytes that it has read and not used. It may be called from any
// goroutine.
func (l *lane) adopt(fd int, peer netip.Addr, rest []byte, next connNext) {
	l.open.Add(1)
	if !l.loop.Post(func() { l.take(fd, peer, rest, next) }) {
		l.open.Add(-1)
		l.p.room.leave()
		loop.CloseFD(fd)
	}
}

// take is adopt, on the loop; the connection is counted already.
func (l *lane) take(fd int, peer netip.Addr, rest []byte, next connNext) {
	c := &caller{lane: l, peer: peer}
	key, err := l.loop.Watch(fd, c)
	if err != nil {
		loop.CloseFD(fd)
		l.p.room.leave()
		l.gone()
		return
	}
	defer c.survive()
	c.key = key
	c.keep(rest)
	switch {
	case next == connOver:
		c.linger(l.p.limits.linger)
	case next == connSlow:
		c.linger(l.p.limits.lingerSlow)
	case l.leaving:
		c.end()
	default:
		c.idle()
		c.turn()
	}
}

// gone books a caller that is over, or is a worker's now.
func (l *lane) gone() {
	l.open.Add(-1)
	l.tellEmpty()
}

func (l *lane) tellEmpty() {
	if l.leaving && l.open.Load() == 0 && l.emptied != nil {
		close(l.emptied)
		l.emptied = nil
	}
}

// leave closes the entrances and what waits for a request; answers under way go
// on.
func (l *lane) leave() {
	l.leaving = true
	for _, d := range l.entrances {
		d.close()
	}
	l.loop.Each(func(_ loop.Key, h loop.Handler) {
		if c, ok := h.(*caller); ok && c.errand == nil && len(c.kept) == 0 && c.stage == waiting {
			c.end()
		}
	})
	l.tellEmpty()
}

// cut ends all that is left.
func (l *lane) cut() {
	l.loop.Each(func(_ loop.Key, h loop.Handler) {
		if c, ok := h.(*caller); ok {
			c.cut()
		}
	})
}

// drain lets the answers under way on the lanes finish until ctx ends, then
// cuts them. It may be called from any goroutine but the loops'.
func drainLanes(ctx context.Context, all []*lane) {
	var waiting sync.WaitGroup
	for _, l := range all {
		emptied := l.emptied
		if !l.loop.Post(l.leave) {
			continue
		}
		waiting.Go(func() {
			select {
			case <-emptied:
				return
			case <-ctx.Done():
			}
			if l.loop.Post(l.cut) {
				<-emptied
			}
		})
	}
	waiting.Wait()
}

// newID returns a request id.
func (l *lane) newID() string {
	if len(l.ids) == 0 {
		var b [idsAtOnce * idBytes / 2]byte
		rand.Read(b[:])
		l.ids = hex.EncodeToString(b[:])
	}
	id := l.ids[:idBytes]
	l.ids = l.ids[idBytes:]
	return id
}

// write adds the record to those of this turn.
func (l *lane) write() {
	if l.batch == nil {
		l.batch = audit.NewBatch()
		l.flush.Set(l.loop.Now()) // alarms come after all events of a turn
	}
	if l.batch.Add(&l.record); l.batch.Full() {
		l.handOver()
	}
}

func (l *lane) handOver() {
	if l.batch != nil {
		l.p.log.Hand(l.batch)
		l.batch = nil
	}
}

// takeErrand returns an errand that is nobody's.
func (l *lane) takeErrand() *errand {
	if n := len(l.errands); n > 0 {
		e := l.errands[n-1]
		l.errands = l.errands[:n-1]
		return e
	}
	return &errand{lane: l}
}

func (l *lane) giveErrand(e *errand) {
	e.reset()
	if len(l.errands) < sparesErrand {
		l.errands = append(l.errands, e)
	}
}

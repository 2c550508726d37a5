package relay

import (
	"fmt"
	"sync/atomic"
)

// portable is the engine that runs everywhere and carries every kind of
// connection: two goroutines for a tunnel, parked while nothing happens.
func portable(o Options) engine {
	pool := newBuffers(o.Buffer)
	return func(c, b Leg) (*Tunnel, error) {
		p := new(pair)
		p.t.carrier = p
		for s, in := range [2]Leg{c, b} {
			if err := tune(in.Conn, o.KeepAlive); err != nil {
				return nil, fmt.Errorf("%s: %w", side(s), err)
			}
			src, err := newSource(in.Conn, pool)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", side(s), err)
			}
			p.legs[s] = leg{conn: in.Conn, src: src}
			p.pumps[s].init(p, side(s), in)
		}
		return &p.t, nil
	}
}

// pair is a tunnel of the portable engine: two legs and, named by the side it
// reads, a pump for each direction.
type pair struct {
	t     Tunnel
	legs  [2]leg
	pumps [2]pump

	over   atomic.Int32 // directions in which nothing will be passed on any more
	silent atomic.Int32 // legs that are read to their end
	out    atomic.Int32 // pumps that have returned
}

func (p *pair) start() {
	go p.pumps[client].run()
	go p.pumps[backend].run()
}

// part wakes both pumps, which look for the farewell before each read.
func (p *pair) part() {
	p.legs[client].wake()
	p.legs[backend].wake()
}

func (p *pair) cut() {
	closeConn(p.legs[client].conn)
	closeConn(p.legs[backend].conn)
}

func (p *pair) discard() {} // the connections are Join's to close

func (p *pair) carried() (clientBytes, backendBytes uint64) {
	return p.pumps[client].passed.Load(), p.pumps[backend].passed.Load()
}

// directionOver is told once by each pump. When neither passes anything on,
// what is left is waiting for the sides to hang up, and that has a limit.
func (p *pair) directionOver() {
	if p.over.Add(1) == 2 {
		p.t.linger()
	}
}

// legSilent is told once by each pump, and closes both legs when nothing can
// come from either.
func (p *pair) legSilent() {
	if p.silent.Add(1) == 2 {
		p.cut()
	}
}

// lost ends the tunnel because one side is gone: the other is told in the
// same way, by a reset, unless that would destroy bytes on their way to it;
// then it is told by an ordinary end and given time to take them.
func (p *pair) lost(gone side) {
	rest := &p.legs[gone.other()]
	if rest.abort() {
		p.cut()
		return
	}
	rest.closeWrite()
	p.t.linger()
}

func (p *pair) pumpOut() {
	if p.out.Add(1) == 2 {
		p.cut()
		p.t.finish()
	}
}

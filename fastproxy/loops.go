package fastproxy

import (
	"go.uber.org/zap"

	"fastproxy/fastproxy/loop"
)

// openLoops opens the event loops that carry tunnels and plain requests.
// Without them goroutines do; for tunnels that is slower by a quarter and
// heavier by 6 KB each (relay's benchmarks).
func (p *Proxy) openLoops(set *Settings) {
	if set.EngineHere() == EnginePortable {
		return
	}
	for range set.LoopCount() {
		l, err := loop.New(loop.Options{})
		if err != nil {
			p.log.Logger().Warn("no event loops here: goroutines carry all connections", zap.NamedError("error.message", err))
			p.discardLoops()
			return
		}
		p.loops = append(p.loops, l)
	}
}

// discardLoops closes loops that were never run.
func (p *Proxy) discardLoops() {
	for _, l := range p.loops {
		l.Discard()
	}
	p.loops = nil
}

// openConnections returns how many clients are connected, without tunnels.
func (p *Proxy) openConnections() int {
	n := p.conns.open()
	for _, l := range p.lanes {
		n += int(l.open.Load())
	}
	return n
}

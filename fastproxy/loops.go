package fastproxy

import (
	"runtime"

	"go.uber.org/zap"

	"fastproxy/fastproxy/loop"
)

// openLoops opens the event loops that carry tunnels, one for each processor.
// Where the system has none the relay carries with goroutines; that is slower
// by a quarter and heavier by 6 KB for each tunnel (relay's benchmarks).
func (p *Proxy) openLoops() {
	for range runtime.GOMAXPROCS(0) {
		l, err := loop.New(loop.Options{})
		if err != nil {
			p.log.Logger().Warn("no event loops here: tunnels are carried by goroutines", zap.NamedError("error.message", err))
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

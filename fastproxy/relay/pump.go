package relay

import (
	"io"
	"slices"
	"sync/atomic"
)

// pump carries one direction of a tunnel, in one goroutine, which alone
// writes to the leg it carries to: so the farewell cannot fall between the
// halves of a write.
type pump struct {
	pair    *pair
	from    side
	src     *leg
	dst     *leg
	pending []byte // to be passed on first
	held    []byte // read, and not passed on because the tunnel was closed meanwhile
	scan    scanner
	inspect func(b []byte) (int, *Farewell) // of the source's Leg
	passed  atomic.Uint64
}

// outcome is why a pump has stopped passing bytes on.
type outcome uint8

const (
	parted     outcome = iota // the proxy closes the tunnel
	sourceHalf                // the source has closed its half
	sourceGone                // the source is gone altogether
	sinkGone                  // nobody takes what the source says
)

func (p *pump) init(pair *pair, from side, in Leg) {
	p.pair, p.from = pair, from
	p.src, p.dst = &pair.legs[from], &pair.legs[from.other()]
	p.pending, p.inspect = slices.Clone(in.Pending), in.Inspect
	p.scan.masked = from == client
}

// run carries until the source is read to its end.
func (p *pump) run() {
	defer p.pair.pumpOut()
	why := p.carry()
	switch why {
	case parted:
		p.sayFarewell()
		p.dst.closeWrite()
		p.discard()
	case sinkGone:
		p.pair.directionOver()
		p.discard()
	case sourceGone:
		p.pair.lost(p.from)
	case sourceHalf:
		if !p.dst.closeWrite() { // a half-close cannot be passed on: close it all
			p.pair.cut()
		}
		p.pair.directionOver()
	}
	p.pair.legSilent()
	if why == sourceHalf {
		p.watch()
	}
}

// carry passes on what the source says, each read at once and whole before
// the next: a slow reader so holds back the writer, and one buffer is all
// that waits.
func (p *pump) carry() outcome {
	pending := p.pending
	p.pending = nil
	if p.parting() == nil && len(pending) > 0 && !p.pass(pending) {
		return sinkGone
	}
	for p.parting() == nil {
		b, err := p.src.src.next()
		if err != nil && err != errWoken {
			p.pair.t.ended(p.from, err)
		}
		if p.parting() != nil { // nor does an end of this side cost the other its farewell
			p.held = b
			break
		}
		ok := len(b) == 0 || p.pass(b)
		p.src.src.release()
		switch {
		case !ok:
			return sinkGone
		case err == io.EOF:
			return sourceHalf
		case err != nil && err != errWoken:
			return sourceGone
		}
	}
	return parted
}

// pass writes b, which the scanner has not seen, and blocks while the other
// side does not read.
func (p *pump) pass(b []byte) bool {
	if p.inspect != nil {
		n, bye := p.inspect(b)
		if b = b[:n]; bye != nil {
			p.pair.t.Close(*bye) // before the write, which may block
		}
	}
	p.scan.follow(b)
	return len(b) == 0 || p.write(b)
}

func (p *pump) write(b []byte) bool {
	n, err := p.dst.conn.Write(b)
	p.passed.Add(uint64(n))
	if err != nil {
		p.pair.t.ended(p.from.other(), err)
	}
	return err == nil
}

// sayFarewell says the proxy's last words at the next place where they fit.
func (p *pump) sayFarewell() {
	words := p.parting().ToClient
	if p.from == client {
		words = p.parting().ToBackend
	}
	if len(words) > 0 && p.reachBoundary(words) {
		p.dst.conn.Write(words) // nobody is left to hear that it failed
	}
}

// reachBoundary passes on the rest of what is half through and drops what
// comes behind it.
func (p *pump) reachBoundary(words []byte) bool {
	if p.inspect != nil { // the rest of a frame may be just what must not pass
		return p.scan.fits(words)
	}
	b, err := p.held, error(nil)
	for {
		n := p.scan.until(b, words)
		if n > 0 && !p.write(b[:n]) {
			return false
		}
		if p.scan.fits(words) {
			return true
		}
		if p.scan.hopeless() || err != nil && err != errWoken {
			return false
		}
		p.src.src.release()
		b, err = p.src.src.next()
	}
}

// discard reads the source to its end. Closing a socket with bytes unread
// resets it, and a reset may overtake the last words (RFC 9112 9.6 tells the
// same story).
func (p *pump) discard() {
	for {
		p.src.src.release()
		_, err := p.src.src.next()
		if err != nil && err != errWoken {
			p.src.src.release()
			return
		}
	}
}

// watch looks after a source that has closed its half but still listens, in
// case it goes altogether while the other side is silent.
func (p *pump) watch() {
	if err := p.src.src.watch(); err != errUnwatched {
		p.pair.t.ended(p.from, err)
		p.pair.lost(p.from)
	}
}

func (p *pump) parting() *Farewell { return p.pair.t.parting() }

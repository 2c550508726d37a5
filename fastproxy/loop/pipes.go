package loop

import "time"

const (
	// pipeSize is how many bytes a pipe is asked to hold; pipe_test.go has the
	// benchmark. It is 64 slots, and a slot takes a piece of a packet: of
	// 1,448 bytes on an Ethernet, of up to 32 KiB on this very machine.
	pipeSize = 256 << 10
	// pipesLent is how many pipes one loop lends at most, each two descriptors:
	// a pipe stays with a reader who is slow, and there may be very many.
	pipesLent = 32
	// pipesIdle is how long a pipe that nobody borrows is kept, at least; at
	// most twice that. To make one takes some 10 µs.
	pipesIdle = 100 * time.Millisecond
)

// pipes are a loop's. What was returned last is lent first.
type pipes struct {
	free    []*Pipe
	lent    int
	least   int // free ones since the alarm went off: so many were not needed
	alarm   *Alarm
	refused bool // splice does not work here: copy, for good
}

// BorrowPipe lends an empty pipe until ReturnPipe. Nil means that bytes are to
// be copied instead: too many are lent, descriptors are short, or the kernel
// has shown that it does not splice.
func (l *Loop) BorrowPipe() *Pipe {
	p := &l.pipes
	if p.refused || p.lent >= pipesLent {
		return nil
	}
	var pipe *Pipe
	if last := len(p.free) - 1; last >= 0 {
		pipe, p.free = p.free[last], p.free[:last]
		p.least = min(p.least, last)
	} else if pipe = newPipe(); pipe == nil {
		return nil
	}
	p.lent++
	return pipe
}

// ReturnPipe takes a borrowed pipe back. Bytes that are in it are lost.
func (l *Loop) ReturnPipe(pipe *Pipe) {
	p := &l.pipes
	p.lent--
	l.spliced.Add(pipe.drained)
	pipe.drained = 0
	p.refused = p.refused || pipe.refused
	if pipe.held > 0 || p.refused || l.stopping {
		pipe.close()
		return
	}
	p.free = append(p.free, pipe)
	if len(p.free) > 1 {
		return
	}
	if p.alarm == nil {
		p.alarm = l.NewAlarm(l.closeIdlePipes)
	}
	p.least = 0
	p.alarm.SetEarlier(l.now + int64(pipesIdle))
}

// closeIdlePipes closes those that were free ever since it was called before.
func (l *Loop) closeIdlePipes(now int64) {
	p := &l.pipes
	for _, pipe := range p.free[:p.least] {
		pipe.close()
	}
	p.free = append(p.free[:0], p.free[p.least:]...)
	clear(p.free[len(p.free):cap(p.free)])
	if p.least = len(p.free); p.least > 0 {
		p.alarm.Set(now + int64(pipesIdle))
	}
}

func (p *pipes) close() {
	for _, pipe := range p.free {
		pipe.close()
	}
	p.free = nil
}

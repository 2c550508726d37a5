package loop

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Wait is how a loop waits when nothing is ready. wait_test.go has the
// benchmark; these are its figures.
type Wait uint8

const (
	// Nested parks the goroutine: Go's own poller watches the loop's epoll
	// descriptor. An idle loop does nothing at all, and the others may use the
	// processor.
	Nested Wait = iota
	// Raw waits in the kernel without telling Go's scheduler, so a wake-up
	// passes through no run queue: beside a goroutine that hashes passwords the
	// median latency was 0.6 to 1.8 ms instead of 3.0 to 3.9. It keeps one of
	// GOMAXPROCS to itself for ever, and the runtime interrupts it 50 times a
	// second (0.6 % of a core when idle). CPU for each message is the same.
	Raw
)

// Options are a loop's. The zero Options are usable.
type Options struct {
	Wait    Wait
	Scratch int // bytes of the buffer that handlers share; default 256 KiB
}

// Loop is one event loop. See the package comment for what may be called from
// where.
type Loop struct {
	// set once
	poll    *poller
	base    time.Time
	scratch []byte

	// owned by the loop
	table
	wheel    wheel
	alarms   []*Alarm
	agains   []again
	repeated []again // the ones being called; their memory is used in turn
	expired  []Key
	pipes    pipes
	now      int64
	ready    int // events of this turn
	told     int // of them, to their handlers
	stopping bool

	mailbox mailbox

	turns, events, busy atomic.Int64 // written by the loop, read by anybody
	watched, spliced    atomic.Int64
}

// Stats are counts since New.
type Stats struct {
	Turns   int64         // times it looked what is ready
	Events  int64         // handler calls for ready descriptors
	Busy    time.Duration // not waiting; over the time that passed: how loaded it is
	Watched int           // descriptors now
	Spliced int64         // bytes that pipes moved, once they were returned
}

// New returns a loop that watches nothing yet. Whoever does not Run it must
// Discard it.
func New(o Options) (*Loop, error) {
	if o.Scratch <= 0 {
		o.Scratch = 256 << 10
	}
	p, err := newPoller(o.Wait)
	if err != nil {
		return nil, fmt.Errorf("loop: open: %w", err)
	}
	l := &Loop{poll: p, base: time.Now(), scratch: make([]byte, o.Scratch)}
	l.table.init()
	l.wheel.init(&l.table)
	l.mailbox.wake = p.wake
	return l, nil
}

// Run turns the loop on the calling goroutine until ctx ends; then it does
// what was posted before, tells every handler Stopped, closes what it watches
// and itself. It returns an error only when waiting failed. Call it once.
func (l *Loop) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.Post(func() { l.stopping = true }) })
	defer stop()
	defer l.shut()
	woke := l.Clock()
	for !l.stopping {
		l.now = l.Clock()
		l.busy.Add(l.now - woke)
		n, err := l.poll.wait(l.blockUntil())
		if err != nil {
			return fmt.Errorf("loop: wait: %w", err)
		}
		woke = l.Clock()
		l.turn(woke, n)
	}
	return nil
}

// Discard ends a loop that was never Run, as Run does when it ends.
func (l *Loop) Discard() { l.shut() }

// Post has f called on the loop, soon, once, in the order of the calls; false
// means that the loop has ended and f is never called. It does not wait and
// may be called from anywhere, the loop included.
func (l *Loop) Post(f func()) bool { return l.mailbox.post(f) }

// Stats may be called from any goroutine.
func (l *Loop) Stats() Stats {
	return Stats{
		Turns: l.turns.Load(), Events: l.events.Load(),
		Busy: time.Duration(l.busy.Load()), Watched: int(l.watched.Load()), Spliced: l.spliced.Load(),
	}
}

// Now is when this turn began, in ns since New: good enough for deadlines.
func (l *Loop) Now() int64 { return l.now }

// Clock is the time in ns since New; any goroutine may ask. It never goes back.
func (l *Loop) Clock() int64 { return int64(time.Since(l.base)) }

// Pending reports an event of this turn that key's handler is yet to be told,
// since others became ready before it.
func (l *Loop) Pending(key Key) bool {
	for i := l.told; i < l.ready; i++ {
		if k, _ := l.poll.event(i); k == key {
			return true
		}
	}
	return false
}

// Scratch is a buffer that every handler may use until it returns.
func (l *Loop) Scratch() []byte { return l.scratch }

// blockUntil says how long the loop may wait: not at all (0), until a moment,
// or for ever (never).
func (l *Loop) blockUntil() (wait time.Duration) {
	if len(l.agains) > 0 || l.stopping {
		return 0
	}
	until := min(l.wheel.next(), l.nextAlarm())
	if until == never {
		return forever
	}
	return time.Duration(max(until-l.now, 0))
}

// turn is one round over everything that is to be done now.
func (l *Loop) turn(now int64, ready int) {
	l.now = now
	l.turns.Add(1)
	l.ready, l.told = ready, 0
	l.callAgain() // first: a key stays nobody else's until the turn after it was closed
	if ready > 0 {
		l.events.Add(int64(l.callReady()))
	}
	l.callExpired()
	l.callAlarms()
	for _, f := range l.mailbox.take() {
		f()
	}
	l.recycle()
	l.watched.Store(int64(l.used))
}

// callReady calls the handlers of what is ready.
func (l *Loop) callReady() (called int) {
	for l.told < l.ready {
		key, ev := l.poll.event(l.told)
		l.told++
		if key >= keyOwn {
			continue // the wake-up or the timer: this turn is all they want
		}
		if h := l.row(key).handler; h != nil { // closed by a handler before it in this turn
			h.Handle(key, ev)
			called++
		}
	}
	return called
}

// callAgain calls those that asked for it in the last turn, not in this one.
func (l *Loop) callAgain() {
	l.repeated, l.agains = l.agains, l.repeated[:0]
	for _, a := range l.repeated {
		if h := l.row(a.key).handler; h != nil { // closed meanwhile
			h.Handle(a.key, a.events)
		}
	}
}

func (l *Loop) callExpired() {
	l.expired = l.wheel.advance(l.now, l.expired[:0])
	for _, key := range l.expired {
		r := l.row(key)
		if r.handler != nil && r.due == dueFired { // not closed or set anew meanwhile
			r.due = dueNone
			r.handler.Handle(key, Expired)
		}
	}
}

// shut ends the loop: what was posted is done, the handlers are told, the
// descriptors closed.
func (l *Loop) shut() {
	l.stopping = true
	for _, f := range l.mailbox.close() {
		f()
	}
	for key := range Key(l.made) {
		if h := l.row(key).handler; h != nil {
			h.Handle(key, Stopped)
		}
		if l.row(key).handler != nil {
			l.Close(key)
		}
	}
	l.pipes.close()
	l.watched.Store(0)
	l.poll.close()
}

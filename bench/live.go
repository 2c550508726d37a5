package bench

import "sync/atomic"

// Live is a run while it is under way, for a progress line. A scenario writes
// it, anybody may read it. The zero Live is ready.
type Live struct {
	Planned  atomic.Int64 // connections, logins or sessions asked for
	Open     atomic.Int64 // now
	Opening  atomic.Int64 // now
	Failed   atomic.Int64 // so far
	Lost     atomic.Int64 // so far
	Messages atomic.Int64 // answers, requests or events so far
	Sessions atomic.Int64 // whole sessions done so far: storm and replay
	P99      atomic.Int64 // µs, of the last whole second; 0 without messages
	// Duration is how long the measured time is to be in ns, 0 when unknown;
	// Measured how much of it is over.
	Duration atomic.Int64
	Measured atomic.Int64

	phase atomic.Pointer[string]
}

// Phase is what the run does now: "opening", "holding", "measuring",
// "reconnecting", "closing", …; "" before it began.
func (l *Live) Phase() string {
	if p := l.phase.Load(); p != nil {
		return *p
	}
	return ""
}

// SetPhase says what the run does from now on.
func (l *Live) SetPhase(s string) { l.phase.Store(&s) }

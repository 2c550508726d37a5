package fastproxy

import "time"

// limits are how long the engine waits for others. They are set once, before
// the first connection; tests shorten them.
type limits struct {
	head time.Duration // from a request head's first byte to its last
	idle time.Duration // until a head's first byte

	// What a client may still be sending when its answer is complete is read
	// for linger, or until it is silent for lingerQuiet. Who was cut for being
	// slow could make that last, byte by byte, and gets lingerSlow.
	linger      time.Duration
	lingerQuiet time.Duration
	lingerSlow  time.Duration

	// The allowance of a body's sender, or an answer's reader (see pace): what
	// it begins with, the most it may grow to, and how many bytes earn a second.
	paceStart, paceMost time.Duration
	paceBytes           int
	paceLook            time.Duration // a stalled write is looked at so often

	// watch spares quick exchanges the watching: Shiny answers most requests
	// sooner, and a client that leaves within it is noticed when we write.
	watch time.Duration

	// farewell is how long the end of a stream may take whose session ended.
	farewell time.Duration

	// drain is how long answers under way may take once the process is told to
	// stop.
	drain time.Duration
}

// usualLimits let nobody who is honest go, and nobody who is not stay: who
// sends or reads nothing is gone after 10 s, who does so slowly but steadily
// is never cut, and may pause for a minute.
var usualLimits = limits{
	head: 10 * time.Second, idle: 60 * time.Second,
	linger: 10 * time.Second, lingerQuiet: 5 * time.Second, lingerSlow: time.Second,
	paceStart: 10 * time.Second, paceMost: 60 * time.Second, paceBytes: 500, paceLook: time.Second,
	watch: 50 * time.Millisecond, farewell: 2 * time.Second,
	drain: 10 * time.Second,
}

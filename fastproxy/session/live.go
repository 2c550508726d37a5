package session

import (
	"sync"
	"sync/atomic"
	"time"

	"fastproxy/fastproxy/identity"
)

// Live is what is true of a session now, in this process: what overrides the
// cookie. There is one per session, and pointers to it are shared and may be
// kept: once ended, a Live stays ended. It is safe for use by many goroutines.
// Ended, Why, Check and Touch are some atomic loads and allocate nothing.
type Live struct {
	// set once
	id        ID
	key       identity.Key
	sid, line string
	issued    int64 // unix nanoseconds, as are expires and last
	expires   int64 // the cookie's word or issued + SESSION_MAX, whichever is first
	keep      int64 // unix seconds; until then an ending must be remembered
	idle      int64 // nanoseconds; 0: does not idle out

	last atomic.Int64
	why  atomic.Pointer[Why] // nil until ended

	noted int64 // last as the journal knows it; guarded by the store's shard

	mu       sync.Mutex
	streams  []*Binding // guarded by mu
	registry *Registry  // of the streams; set under mu by the first, once
}

// newLive returns the Live of s, last active at a time that is not before s
// began.
func newLive(s *Session, idle, max time.Duration, last time.Time) *Live {
	l := &Live{
		id:      s.ID,
		key:     s.Principal.Key(),
		sid:     s.SID,
		line:    s.Line,
		issued:  unixNano(s.IssuedAt),
		expires: unixNano(s.Expires),
		keep:    s.Expires.Unix(),
		idle:    int64(idle),
	}
	if end := l.issued + int64(max); max > 0 && end < l.expires {
		l.expires = end
	}
	if last.Before(s.IssuedAt) {
		last = s.IssuedAt
	}
	l.last.Store(last.UnixNano())
	l.noted = l.last.Load()
	return l
}

// unixNano is t.UnixNano, but for times that it cannot tell the nearest that it
// can: a token may say that it lasts until the year 5000.
func unixNano(t time.Time) int64 {
	return min(max(t.Unix(), 0), lastSecond-1)*int64(time.Second) + int64(t.Nanosecond())
}

// ID returns the session's id; the zero ID for a bearer's stream.
func (l *Live) ID() ID { return l.id }

// Expires returns the last moment, whatever happens.
func (l *Live) Expires() time.Time { return time.Unix(0, l.expires) }

// Ended reports whether somebody ended it. It does not look at the clock:
// Check does.
func (l *Live) Ended() bool { return l.why.Load() != nil }

// Why returns what ended it, "" as long as nobody did.
func (l *Live) Why() Why {
	if w := l.why.Load(); w != nil {
		return *w
	}
	return ""
}

// Check returns "" if the session holds at that time, else why it does not.
func (l *Live) Check(now time.Time) Why {
	if w := l.why.Load(); w != nil {
		return *w
	}
	t := now.UnixNano()
	if t >= l.expires {
		return WhyExpired
	}
	if l.idle > 0 && t-l.last.Load() >= l.idle {
		return WhyIdle
	}
	return ""
}

// Alive reports whether the session holds at that time.
func (l *Live) Alive(now time.Time) bool { return l.Check(now) == "" }

// touchStep is how exact the last activity is. Writing it once a second leaves
// the cache line with its readers: with two cores on one session a Touch costs
// a third of a store each time (63 ns to 202 ns, on a busy machine).
const touchStep = int64(time.Second)

// Touch notes that the session was used at that time. Ask Check first: it
// would wake a session that has idled out.
func (l *Live) Touch(now time.Time) {
	t, last := now.UnixNano(), l.last.Load()
	if t-last >= touchStep {
		l.last.CompareAndSwap(last, t) // whoever was faster noted about the same
	}
}

// Info is a Live, seen at a moment.
type Info struct {
	ID        ID // zero for a bearer's stream
	Key       identity.Key
	SID, Line string
	IssuedAt  time.Time // zero for a bearer's stream
	Expires   time.Time
	LastSeen  time.Time
	Streams   int
	Why       Why // "" if it was not ended
}

// Info returns what is known of the session now.
func (l *Live) Info() Info {
	i := Info{
		ID:       l.id,
		Key:      l.key,
		SID:      l.sid,
		Line:     l.line,
		Expires:  l.Expires(),
		LastSeen: time.Unix(0, l.last.Load()),
		Why:      l.Why(),
	}
	if l.issued != 0 {
		i.IssuedAt = time.Unix(0, l.issued)
	}
	i.Streams = l.streaming()
	return i
}

// streaming returns how many streams are bound.
func (l *Live) streaming() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.streams)
}

// end marks the session as ended, so that Check says why from now on, and
// returns the streams that were bound, for the caller to end without any lock
// held. The first why stays.
func (l *Live) end(why Why) []*Binding {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why == "" {
		why = whyOther // "" would mean that it goes on
	}
	l.why.CompareAndSwap(nil, &why)
	bound := l.streams
	l.streams = nil
	return bound
}

// retire marks a session that is over by the clock, unless streams are bound to
// it: those are the registry's to end, with a farewell and a record. The store
// forgets what is retired. Gates may still hold the Live, and must not wake
// one that End can no longer find.
func (l *Live) retire(why Why) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.streams) > 0 {
		return false
	}
	l.why.CompareAndSwap(nil, &why)
	return true
}

// bind adds b, for r, unless the session is over, and returns why it is.
func (l *Live) bind(b *Binding, r *Registry, now time.Time) Why {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.Check(now); why != "" {
		return why
	}
	if l.registry == nil {
		l.registry = r
	}
	b.at = int32(len(l.streams))
	l.streams = append(l.streams, b)
	return ""
}

// unbind removes b and reports whether it was there.
func (l *Live) unbind(b *Binding) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(b.at) >= len(l.streams) || l.streams[b.at] != b {
		return false
	}
	last := l.streams[len(l.streams)-1]
	l.streams[b.at], last.at = last, b.at
	l.streams[len(l.streams)-1] = nil
	l.streams = l.streams[:len(l.streams)-1]
	return true
}

// stirred reports whether a bound stream got bytes from its client since it
// was last asked.
func (l *Live) stirred() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	any := false
	for _, b := range l.streams {
		if n := b.clientBytes(); n != b.seen {
			b.seen, any = n, true
		}
	}
	return any
}

// bound returns the streams that are bound now, as a copy.
func (l *Live) bound() []*Binding {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Binding(nil), l.streams...)
}

package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options are the settings of a Memory.
type Options struct {
	Idle time.Duration // SESSION_IDLE: how long nobody may be there; 0: 12 hours
	Max  time.Duration // SESSION_MAX: how long a session may last; 0: 7 days

	Now     func() time.Time // nil: time.Now
	OnError func(error)      // what went wrong with nobody to tell; nil: nothing
}

func (o *Options) fill() error {
	const most = 10 * 365 * 24 * time.Hour
	if o.Idle < 0 || o.Max < 0 || o.Idle > most || o.Max > most {
		return fmt.Errorf("session: open store: found idle %v and max %v, want over 0 and at most %v (10 years)", o.Idle, o.Max, most)
	}
	if o.Idle == 0 {
		o.Idle = 12 * time.Hour
	}
	if o.Max == 0 {
		o.Max = 7 * 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return nil
}

// Memory is the Store of one process: memory, with a journal of endings and of
// roughly when people were last active. A Live takes some 300 bytes, what is
// over 64 until its cookie expires.
type Memory struct {
	options Options
	grain   time.Duration // how far last activity may be ahead of the journal
	journal *journal      // nil: no state directory

	// By a byte of the ID, so that nobody waits long while all are swept.
	shards [64]shard
}

type shard struct {
	mu    sync.Mutex
	lives map[ID]*Live  // guarded by mu
	past  map[ID]record // guarded by mu: what is known of sessions that are not in lives
}

var _ Store = (*Memory)(nil)

// OpenStore returns the store whose state is in dir, which is made with mode
// 0700 if it is not there. One process at a time may have it. With dir "" the
// store keeps nothing on disk, and endings are forgotten with the process.
// The caller runs Run and, after that, Close.
func OpenStore(dir string, options Options) (*Memory, error) {
	if err := options.fill(); err != nil {
		return nil, err
	}
	m := &Memory{options: options, grain: min(options.Idle/16, 5*time.Minute)}
	for i := range m.shards {
		m.shards[i].lives = map[ID]*Live{}
		m.shards[i].past = map[ID]record{}
	}
	if dir == "" {
		return m, nil
	}
	var err error
	m.journal, err = openJournal(dir, m.load, m.state, options.OnError)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Memory) shard(id ID) *shard { return &m.shards[id[0]%64] }

// load takes a record from the journal: endings over activity, later over
// earlier.
func (m *Memory) load(r record) {
	if r.expires <= m.options.Now().Unix() {
		return
	}
	s := m.shard(r.id)
	old, known := s.past[r.id]
	switch {
	case !known:
	case old.why != "" && r.why == "":
		r.why, r.at = old.why, old.at
	case old.why == "" && r.why == "":
		r.at = max(r.at, old.at)
	}
	r.expires = max(r.expires, old.expires)
	s.past[r.id] = r
}

// Live implements Store.
func (m *Memory) Live(v *Session) *Live {
	s := m.shard(v.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lives[v.ID]; l != nil {
		return l
	}
	r, known := s.past[v.ID]
	var last time.Time
	if known {
		last = time.Unix(r.at, 0)
	}
	l := newLive(v, m.options.Idle, m.options.Max, last)
	if r.why != "" {
		l.why.Store(&r.why)
	}
	if why := l.Check(m.options.Now()); why != "" {
		// For good: End would not find this one, should the caller's clock say
		// that it still holds.
		l.end(why)
		return l
	}
	s.lives[v.ID] = l
	delete(s.past, v.ID)
	return l
}

// Peek implements Store.
func (m *Memory) Peek(id ID) *Live {
	s := m.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[id]
}

// Each implements Store.
func (m *Memory) Each(f func(*Live)) {
	for i := range m.shards {
		for _, l := range m.shards[i].all() {
			if !l.Ended() {
				f(l)
			}
		}
	}
}

func (s *shard) all() []*Live {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Live, 0, len(s.lives))
	for _, l := range s.lives {
		list = append(list, l)
	}
	return list
}

// End implements Store.
func (m *Memory) End(endings ...Ending) (streams int, err error) {
	now := m.options.Now()
	var lines []byte
	for _, e := range endings {
		r, bound := m.mark(e, now)
		for _, b := range bound {
			b.end(e.Why)
		}
		streams += len(bound)
		if r.expires > now.Unix() { // else the cookie says enough
			lines = r.appendTo(lines)
		}
	}
	if m.journal == nil || len(lines) == 0 {
		return streams, nil
	}
	return streams, m.journal.commit(lines, true)
}

// mark ends one session in memory and returns what the disk is to remember,
// and the streams to close.
func (m *Memory) mark(e Ending, now time.Time) (record, []*Binding) {
	if e.Why == "" {
		e.Why = whyOther
	}
	r := record{id: e.ID, expires: e.Expires.Unix(), at: now.Unix(), why: e.Why}
	if e.Expires.IsZero() {
		r.expires = now.Add(m.options.Max).Unix()
	}
	s := m.shard(e.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lives[e.ID]; l != nil {
		bound := l.end(e.Why)
		return l.ending(now), bound
	}
	old := s.past[e.ID]
	r.expires = max(r.expires, old.expires)
	if old.why != "" {
		r.why, r.at = old.why, old.at // the first one stays
	}
	s.past[e.ID] = r
	return r, nil
}

// Run notes activity, forgets what has expired and keeps the journal short,
// until ctx ends.
func (m *Memory) Run(ctx context.Context) error {
	tick := time.NewTicker(max(time.Second, min(m.grain/2, time.Minute)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := m.sweep(m.grain); err != nil {
				m.options.OnError(err)
			}
		}
	}
}

// Close implements Store. Sessions that end later are not written.
func (m *Memory) Close() error {
	if m.journal == nil {
		return nil
	}
	return errors.Join(m.sweep(touchStepDuration), m.journal.close())
}

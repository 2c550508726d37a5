package session

import "time"

const touchStepDuration = time.Duration(touchStep)

// sweep forgets what has expired, and writes down whose last activity is more
// than grain ahead of the journal.
func (m *Memory) sweep(grain time.Duration) error {
	now := m.options.Now()
	var lines []byte
	for i := range m.shards {
		lines = m.shards[i].sweep(lines, now, grain)
	}
	if m.journal == nil {
		return nil
	}
	if len(lines) > 0 {
		// No fsync: who signs in again after a power cut loses little.
		if err := m.journal.commit(lines, false); err != nil {
			return err
		}
	}
	return m.journal.compact()
}

func (s *shard) sweep(lines []byte, now time.Time, grain time.Duration) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.past {
		if r.expires <= now.Unix() {
			delete(s.past, id)
		}
	}
	for id, l := range s.lives {
		r := l.past(now)
		if why := l.Check(now); why != "" && l.retire(why) {
			delete(s.lives, id)
			if r.expires > now.Unix() {
				s.past[id] = r
			}
			continue
		}
		if last := l.last.Load(); last-l.noted >= int64(grain) {
			l.noted = last
			lines = l.activity().appendTo(lines)
		}
	}
	return lines
}

// state yields what a new journal must hold.
func (m *Memory) state(yield func(record)) {
	now := m.options.Now()
	for i := range m.shards {
		for _, r := range m.shards[i].records(now) {
			yield(r)
		}
	}
}

func (s *shard) records(now time.Time) []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]record, 0, len(s.lives)+len(s.past))
	for _, r := range s.past {
		list = append(list, r)
	}
	for _, l := range s.lives {
		l.noted = l.last.Load()
		list = append(list, l.past(now))
	}
	return list
}

// past is what is to be remembered of l without l: its ending, or its last
// activity.
func (l *Live) past(now time.Time) record {
	if l.Ended() {
		return l.ending(now)
	}
	return l.activity()
}

func (l *Live) activity() record {
	return record{id: l.id, expires: l.keep, at: l.last.Load() / int64(time.Second)}
}

func (l *Live) ending(now time.Time) record {
	return record{id: l.id, expires: l.keep, at: now.Unix(), why: l.Why()}
}

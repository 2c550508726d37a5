package jwks

import "time"

// asker is on whose behalf keys are fetched.
type asker int

const (
	issuer   asker = iota // ourselves on schedule, or a token that came straight from the issuer
	stranger              // a bearer token: anybody can make one up
	askers
)

const (
	window     = time.Minute
	fetchesMax = 10 // in one window, for everybody together
	// Strangers get eight of the ten, evenly spaced: a flood of made-up key
	// ids keeps our keys at most 7.5 s old, and never delays a login.
	strangersMax   = 8
	strangersEvery = window / strangersMax
	// maxMissing is how many refused key ids are remembered, and missingFor
	// how long, so that one stale client does not cause fetch after fetch.
	maxMissing = 1024
	missingFor = 30 * time.Second
)

// throttle says when the next fetch may start. The zero value says now.
type throttle struct {
	starts       [fetchesMax]time.Time // ring of the last ten fetches
	next         int
	lastStranger time.Time
}

// wait returns how long after now a fetch for a may start; at most 0: at once.
func (t *throttle) wait(now time.Time, a asker) time.Duration {
	limit := fetchesMax
	if a == stranger {
		limit = strangersMax
	}
	ready := t.starts[(t.next+fetchesMax-limit)%fetchesMax].Add(window)
	if spaced := t.lastStranger.Add(strangersEvery); a == stranger && spaced.After(ready) {
		ready = spaced
	}
	return ready.Sub(now)
}

// note records a fetch that starts now.
func (t *throttle) note(now time.Time, forStranger bool) {
	t.starts[t.next] = now
	t.next = (t.next + 1) % fetchesMax
	if forStranger {
		t.lastStranger = now
	}
}

// missing remembers key ids that a fetch did not bring. The zero value is
// empty.
type missing struct{ until map[string]time.Time }

func (m *missing) has(kid string, now time.Time) bool {
	until, ok := m.until[kid]
	return ok && now.Before(until)
}

// add remembers kid. Full, it forgets what is over, else anything: forgetting
// costs a throttled fetch, no more.
func (m *missing) add(kid string, now time.Time) {
	if m.until == nil {
		m.until = make(map[string]time.Time)
	}
	for old, until := range m.until {
		if len(m.until) < maxMissing {
			break
		}
		if !now.Before(until) {
			delete(m.until, old)
		}
	}
	for old := range m.until {
		if len(m.until) < maxMissing {
			break
		}
		delete(m.until, old)
	}
	m.until[kid] = now.Add(missingFor)
}

package bench

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
)

// traces keeps some sessions out of many: the first, the slowest, a fair draw
// of the others, and one of each kind of failure. Safe for many goroutines; the
// zero traces is ready.
type traces struct {
	mu     sync.Mutex
	first  *SessionTrace
	slow   *SessionTrace
	drawn  []SessionTrace
	seen   int // sessions that took part in the draw
	failed []SessionTrace
}

const (
	drawnTraces  = 8
	failedTraces = 16
)

// add takes a session that is over. newKind says that it failed as none has
// before.
func (t *traces) add(s SessionTrace, newKind bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Failed {
		if newKind && len(t.failed) < failedTraces {
			t.failed = append(t.failed, s)
		}
		return
	}
	if t.first == nil {
		t.first = &s
		return
	}
	if t.slow == nil || s.Seconds() > t.slow.Seconds() {
		if t.slow == nil {
			t.slow = &s
			return
		}
		s, *t.slow = *t.slow, s
	}
	t.seen++
	if len(t.drawn) < drawnTraces {
		t.drawn = append(t.drawn, s)
	} else if i := rand.IntN(t.seen); i < drawnTraces {
		t.drawn[i] = s
	}
}

// list gives them in the order in which they began.
func (t *traces) list() []SessionTrace {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Concat(t.drawn, t.failed)
	for _, s := range []*SessionTrace{t.first, t.slow} {
		if s != nil {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b SessionTrace) int { return cmp.Compare(a.Session, b.Session) })
	return all
}

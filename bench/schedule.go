package bench

import "time"

// schedule says when things are due that happen at a steady rate. Whether they
// happen then makes no difference to it: who is late is late, and what is
// measured is measured from the moment it was due. Otherwise a target that
// hangs would be asked less and look better (coordinated omission).
type schedule struct {
	start int64
	step  float64 // ns; 0: everything is due at once
}

func newSchedule(start int64, rate Rate) schedule {
	if rate == Max {
		return schedule{start: start}
	}
	return schedule{start: start, step: float64(time.Second) / float64(rate)}
}

// due is when the i-th is, counted from 0.
func (s schedule) due(i int) int64 { return s.start + int64(float64(i)*s.step) }

func (s schedule) flatOut() bool { return s.step == 0 }

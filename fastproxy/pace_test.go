package fastproxy

import (
	"testing"
	"time"
)

func TestPaceCutsStallsAndNotSlowness(t *testing.T) {
	type step struct {
		bytes int
		wait  time.Duration
	}
	repeat := func(n int, s step) (all []step) {
		for range n {
			all = append(all, s)
		}
		return all
	}
	for name, c := range map[string]struct {
		steps []step
		left  time.Duration // after them
	}{
		"at first":                       {nil, 10 * time.Second},
		"a stall before the first byte":  {[]step{{0, 10 * time.Second}}, 0},
		"one byte earns 2 ms":            {[]step{{1, 5 * time.Second}}, 5*time.Second + 2*time.Millisecond},
		"an hour at 600 B/s":             {repeat(3600, step{600, time.Second}), 60 * time.Second},
		"an hour at 500 B/s":             {repeat(3600, step{500, time.Second}), 10 * time.Second},
		"a megabyte, then a minute":      {[]step{{1 << 20, time.Second}, {0, 60 * time.Second}}, 0},
		"a megabyte earns a minute only": {[]step{{1 << 20, time.Second}, {1 << 20, time.Second}}, 60 * time.Second},
		"10 s at 400 B/s":                {repeat(10, step{400, time.Second}), 8 * time.Second},
		"bytes that were there already":  {repeat(10, step{100, 0}), 12 * time.Second},
	} {
		l := usualLimits
		p := pace{limits: &l}
		for i, s := range c.steps {
			if s.wait > p.left() {
				t.Errorf("%s: cut at step %d", name, i)
			}
			p.moved(s.bytes, s.wait)
		}
		if got := p.left(); got != c.left {
			t.Errorf("%s: %v are left, want %v", name, got, c.left)
		}
	}
}

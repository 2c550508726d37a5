package fastproxy

import (
	"errors"
	"os"
	"time"
)

// A body's sender, or an answer's reader, may stall only as long as its
// allowance lasts: it begins with paceStart, every paceBytes moved add a
// second, up to paceMost. Who sends nothing is gone after 10 s; who sends
// slowly but steadily is never cut, and may pause for a minute.
const (
	paceStart = 10 * time.Second
	paceMost  = 60 * time.Second
	paceBytes = 500
)

// pace is the allowance of one direction of one exchange. The zero value is
// at its start.
type pace struct {
	spent  time.Duration // time spent waiting, less what moved bytes earned
	primed bool
}

// left returns how long the next wait may last.
func (p *pace) left() time.Duration {
	if !p.primed {
		return paceStart
	}
	return paceMost - p.spent
}

// moved books n bytes after a wait of d.
func (p *pace) moved(n int, d time.Duration) {
	if !p.primed {
		p.spent, p.primed = paceMost-paceStart, true
	}
	p.spent += d - time.Duration(n)*time.Second/paceBytes
	p.spent = max(p.spent, 0)
}

// longAgo makes a blocked Read or Write return at once.
var longAgo = time.Unix(1, 0)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

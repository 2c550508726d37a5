package fastproxy

import (
	"errors"
	"os"
	"time"
)

// freeBytes is how much of an answer the kernels on the way may take before
// anybody reads it (see maxUnsent): it earns nothing.
const freeBytes = 256 << 10

// pace is the allowance of one direction of one exchange: a body's sender, or
// an answer's reader, may stall only as long as it lasts. It begins with
// limits.paceStart; every limits.paceBytes moved add a second, up to
// limits.paceMost.
type pace struct {
	limits *limits
	spent  time.Duration // waited so far, less what moved bytes earned; never negative
	moving bool
}

// left returns how long the next wait may last.
func (p *pace) left() time.Duration {
	if !p.moving {
		return p.limits.paceStart
	}
	return p.limits.paceMost - p.spent
}

// moved books n bytes after a wait of d.
func (p *pace) moved(n int, d time.Duration) {
	if !p.moving {
		p.spent, p.moving = p.limits.paceMost-p.limits.paceStart, true
	}
	p.spent += d - time.Duration(n)*time.Second/time.Duration(p.limits.paceBytes)
	p.spent = max(p.spent, 0)
}

// longAgo makes a blocked Read or Write return at once.
var longAgo = time.Unix(1, 0)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

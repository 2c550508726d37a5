package fastproxy

import (
	"fmt"
	"math"
	"syscall"

	"fastproxy/fastproxy/config"
)

// manyDescriptors stands for a limit that is none, or is not known.
const manyDescriptors = 1 << 30

// descriptorLimit returns how many descriptors this process may have open
// (RLIMIT_NOFILE; Go has raised it to the hard limit).
func descriptorLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return manyDescriptors
	}
	return int(min(uint64(l.Cur), manyDescriptors))
}

// descriptorRoom returns how many of limit descriptors connections may take.
// What is kept back is for the process itself (listeners, loops, log, journal,
// metrics: some 30), for connections to Shiny that wait to be used again, and
// for the pipes of large transfers.
func descriptorRoom(limit int) int {
	reserve := 64 + min(limit/32, 1024)
	return max(limit-min(reserve, limit/2), 2)
}

// ConnectionLimit returns how many client connections may be open at once:
// MAX_CONNECTIONS, else half of what descriptors there is room for. A client
// has one, and one more to Shiny while its request is answered or as long as
// its WebSocket lives; so whoever is let in finds the second.
func (s *Settings) ConnectionLimit() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return descriptorRoom(descriptorLimit()) / 2
}

func (s *Settings) checkRoom(p *config.Errors) {
	n := s.MaxConnections
	if n < 0 || n > math.MaxInt32 {
		s.bad(p, "max_connections", fmt.Sprint(n), "want 1 or more, or 0 for as many as the descriptors allow")
		return
	}
	if fit := descriptorRoom(descriptorLimit()) / 2; n > fit {
		s.warn("MAX_CONNECTIONS (%s): %d WebSockets take %d descriptors, and this process may open %d, enough for %d: raise the limit (LimitNOFILE, ulimit -n)",
			s.origins.Of("max_connections"), n, 2*n, descriptorLimit(), fit)
	}
}

func (s *Settings) roomWords() string {
	if s.MaxConnections > 0 {
		return fmt.Sprintf("%d connections", s.MaxConnections)
	}
	return fmt.Sprintf("%d connections, two descriptors each of the %d it may open here", s.ConnectionLimit(), descriptorLimit())
}

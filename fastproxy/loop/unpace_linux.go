package loop

import (
	"bytes"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// paced reports whether TCP paces what it sends here unless told otherwise.
var paced = sync.OnceValue(func() bool {
	name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	return err == nil && bytes.HasPrefix(name, []byte("bbr"))
})

// Unpace spares a socket that will talk to this very machine the pacing of BBR,
// where that is the system's congestion control: there is no path to be gentle
// with, and its timers took more than half of the CPU of large messages (make
// bench-peers PEERS='--scenario bulk': 0.40 to 0.54 s a gigabyte with, 0.17 to
// 0.21 without). Reno is in every kernel, and anybody may choose it (tcp(7)).
// Call it before connecting or listening: what a listener accepts has it too,
// and what was paced once is paced for good.
func Unpace(fd int) {
	if paced() {
		unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	}
}

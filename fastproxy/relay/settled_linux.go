package relay

import (
	"net"

	"golang.org/x/sys/unix"
)

// settled reports whether the peer has acknowledged all that was written.
func settled(tcp *net.TCPConn) bool {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	waiting := -1
	raw.Control(func(fd uintptr) {
		if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil { // tcp(7)
			waiting = n
		}
	})
	return waiting == 0
}

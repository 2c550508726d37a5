package fastproxy

import (
	"runtime"
	"strings"
	"syscall"
)

const systemSharesPorts = true

// soReusePort is SO_REUSEPORT, which package syscall lacks on amd64.
func soReusePort() int {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 0x200
	}
	return 0xf
}

// sharePort is a net.ListenConfig's Control: several sockets of one user may
// then listen on a port, and the kernel spreads new connections over them by
// a hash of both addresses (SO_REUSEPORT of socket(7)).
func sharePort(_, _ string, raw syscall.RawConn) (err error) {
	if e := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort(), 1)
	}); e != nil {
		return e
	}
	return err
}

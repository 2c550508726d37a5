package loop

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peek is Read, but what it returns stays in the socket, to be read again or
// discarded.
func Peek(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return receive(fd, unsafe.Pointer(&b[0]), len(b), unix.MSG_PEEK)
}

// Discard reads n bytes that Peek has shown on a TCP socket, without copying
// them (tcp(7), MSG_TRUNC).
func Discard(fd, n int) error {
	for n > 0 {
		k, err := receive(fd, nil, n, unix.MSG_TRUNC)
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func receive(fd int, at unsafe.Pointer, room, flags int) (int, error) {
	for {
		n, _, no := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(at), uintptr(room), uintptr(flags), 0, 0)
		switch {
		case no == unix.EINTR:
		case no == unix.EAGAIN:
			return 0, ErrAgain
		case no != 0:
			return 0, no
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// ShutdownWrite tells the peer that nothing more comes, after what was written.
func ShutdownWrite(fd int) error {
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
}

// QuickAck acknowledges at once what was read, and for a while what comes
// (tcp(7)). A peer that sends a message in two pieces under Nagle's algorithm
// holds the second back until then, up to 40 ms.
func QuickAck(fd int) {
	unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one), 0)
}

var one = int32(1)

// KeepAlive has the kernel ask whether somebody is there when a TCP connection
// was silent for idle, and end it after count unanswered probes, interval
// apart; spans are whole seconds. Set on a listener it holds for what that
// accepts.
func KeepAlive(fd int, idle, interval time.Duration, count int) {
	set := func(level, option, value int) { unix.SetsockoptInt(fd, level, option, value) }
	set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	set(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(idle/time.Second))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(interval/time.Second))
	set(unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count)
}

// NoDelay has small writes sent at once, on a TCP connection or on all that a
// listener accepts.
func NoDelay(fd int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// BoundUnsent bounds what the kernel holds for the peer beside what is on its
// way to it (tcp(7), TCP_NOTSENT_LOWAT); on a listener, for all that it accepts.
// An old kernel does without.
func BoundUnsent(fd, bytes int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes)
}

// NetConn makes a net.Conn of a connected socket that no loop watches, for
// code that waits in goroutines. It takes fd over, also when it fails.
func NetConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	conn, err := net.FileConn(f) // a duplicate
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("loop: adopt socket: %w", err)
	}
	return conn, nil
}

// TakeFD is NetConn undone: the descriptor of a TCP or Unix connection, for a
// loop to watch. It closes conn, also when it fails; the socket lives on.
func TakeFD(conn net.Conn) (fd int, err error) {
	defer conn.Close()
	return DuplicateFD(conn)
}

// DuplicateFD returns a descriptor of its own for the socket of a connection
// or listener.
func DuplicateFD(of any) (fd int, err error) {
	c, ok := of.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("loop: duplicate: found a %T, want a socket", of)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("loop: duplicate: %w", err)
	}
	var failed error
	err = raw.Control(func(old uintptr) { fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return -1, fmt.Errorf("loop: duplicate: %w", err)
	}
	return fd, nil
}

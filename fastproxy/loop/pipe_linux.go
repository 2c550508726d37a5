package loop

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// ErrNoSplice is what a Pipe says when the kernel, or the sandbox around it,
// does not splice these descriptors. Nothing has moved.
var ErrNoSplice = errors.New("loop: splice: not possible here")

// Pipe moves bytes from one non-blocking socket to another inside the kernel
// (splice(2)): they are handed over page by page and never copied to this
// process. It is lent by BorrowPipe and belongs to who borrowed it; it is the
// whole state of a transfer, so what is borrowed only while bytes wait costs
// nothing while nothing happens:
//
//	n, err := p.Fill(from, left) // what read(2) would be
//	n, err = p.Drain(to)         // what write(2) would be; then p.Held() bytes wait
//
// The bytes are not seen: who must look at them reads them instead.
type Pipe struct {
	read, write int32
	held        int32
	refused     bool  // by the kernel
	drained     int64 // bytes, since it was lent
}

func newPipe() *Pipe {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	p := &Pipe{read: int32(fds[0]), write: int32(fds[1])}
	if size, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize); err != nil || size < pipeSize {
		p.close() // beyond pipe-user-pages-soft (pipe(7)) it has two slots, perhaps: a copy is faster
		return nil
	}
	return p
}

func (p *Pipe) close() {
	unix.Close(int(p.read))
	unix.Close(int(p.write))
}

// Held is how many bytes are in the pipe.
func (p *Pipe) Held() int { return int(p.held) }

// Fill takes up to limit bytes out of a socket. The pipe must be empty: full
// and "nothing there" are one answer of the kernel's. The errors are Read's,
// and ErrNoSplice; fewer bytes than the limit say nothing about the socket,
// which may have more than fits. Where it says ErrAgain or io.EOF let Read have
// the last word: splice stops before urgent bytes (tcp(7)) as if at the end.
func (p *Pipe) Fill(from, limit int) (int, error) {
	n, err := p.splice(uintptr(from), uintptr(p.write), min(limit, pipeSize))
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	p.held = int32(n)
	return n, nil
}

// Drain gives what is in the pipe to a socket, all of it or until there is no
// more room: then the error is ErrAgain, with what was given. A peer that is
// gone raises SIGPIPE, which Go ignores.
func (p *Pipe) Drain(to int) (n int, err error) {
	for p.held > 0 {
		k, err := p.splice(uintptr(p.read), uintptr(to), int(p.held))
		if err != nil {
			return n, err
		}
		if k == 0 {
			return n, io.ErrUnexpectedEOF // what the pipe held was not there: cannot be
		}
		n += k
		p.held -= int32(k)
		p.drained += int64(k)
	}
	return n, nil
}

// Take reads what is in the pipe into memory after all, for a socket that
// Drain could not give it to.
func (p *Pipe) Take(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(p.read), b[:min(len(b), int(p.held))])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		default:
			p.held -= int32(n)
			return n, nil
		}
	}
}

func (p *Pipe) splice(from, to uintptr, limit int) (int, error) {
	for {
		n, _, no := unix.RawSyscall6(unix.SYS_SPLICE, from, 0, to, 0, uintptr(limit), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch no {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrAgain
		case unix.EINVAL, unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP:
			p.refused = true
			return 0, ErrNoSplice
		default:
			return 0, no
		}
	}
}

package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// ClosedBy is who ended a tunnel.
type ClosedBy string

const (
	ByClient  ClosedBy = "client"
	ByBackend ClosedBy = "backend"
	ByProxy   ClosedBy = "proxy" // Close or Drain
	ByError   ClosedBy = "error" // nobody did: a network or a host failed
)

// side is one of a tunnel's two.
type side uint8

const (
	client side = iota
	backend
)

func (s side) other() side { return 1 - s }

func (s side) String() string { return [2]string{"client", "backend"}[s] }

// ending finds out who ended a tunnel from what is noted of it, in order. The
// zero ending is that of a living tunnel.
type ending struct {
	by     ClosedBy // empty while undecided
	reason string
	half   [2]bool // this side has closed its half
	first  side    // of them; means nothing while neither has
}

// note takes the end of one side: io.EOF for its half, any other error for
// all of it.
func (e *ending) note(s side, err error) {
	halfBefore := e.half[client] || e.half[backend]
	if err == io.EOF {
		if !halfBefore {
			e.first = s
		}
		e.half[s] = true
	}
	switch {
	case e.by != "":
	case err == io.EOF && !(e.half[client] && e.half[backend]): // the tunnel lives on
	case halfBefore:
		e.by, e.reason = ClosedBy(e.first.String()), "eof"
	case isHangUp(err):
		e.by, e.reason = ClosedBy(s.String()), "reset"
	default:
		e.by, e.reason = ByError, s.String()+": "+describe(err)
	}
}

// close takes the proxy's wish to end.
func (e *ending) close(reason string) {
	if e.by == "" {
		e.by, e.reason = ByProxy, reason
	}
}

// verdict is who ended the tunnel, now that both legs are closed.
func (e *ending) verdict() (ClosedBy, string) {
	switch {
	case e.by != "":
		return e.by, e.reason
	case e.half[client] || e.half[backend]: // the leg could not be half-closed
		return ClosedBy(e.first.String()), "eof"
	}
	return ByError, "cut"
}

// isHangUp reports whether an error is the peer's own doing.
func isHangUp(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, io.ErrClosedPipe)
}

// describe says what failed without the addresses that net puts in.
func describe(err error) string {
	var no syscall.Errno
	var op *net.OpError
	switch {
	case errors.As(err, &no):
		return no.Error()
	case errors.Is(err, net.ErrClosed):
		return "closed by another owner"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline exceeded"
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return err.Error()
}

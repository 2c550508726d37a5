//go:build !linux

package loop

import (
	"errors"
	"net/netip"
	"time"
)

const forever = time.Duration(-1)

// ErrAgain is what Read and Write say when there is nothing to read or no room
// to write.
var ErrAgain = errors.New("loop: again")

var errSystem = errors.New("only on Linux")

// poller does not exist on this system: newPoller says so, and so does New.
type poller struct{}

func newPoller(Wait) (*poller, error)           { return nil, errSystem }
func (*poller) add(int, Key) error              { return errSystem }
func (*poller) remove(int) error                { return errSystem }
func (*poller) event(int) (Key, Events)         { return keyOwn, 0 }
func (*poller) wait(time.Duration) (int, error) { return 0, errSystem }
func (*poller) wake()                           {}
func (*poller) close()                          {}

// The calls of socket_linux.go.

func Read(fd int, b []byte) (int, error)  { return 0, errSystem }
func Write(fd int, b []byte) (int, error) { return 0, errSystem }
func Connect(to netip.AddrPort, source netip.Addr) (fd int, err error) {
	return -1, errSystem
}
func Listen(at netip.AddrPort) (fd int, on netip.AddrPort, err error) {
	return -1, on, errSystem
}
func Accept(listener int) (fd int, peer netip.AddrPort, err error) { return -1, peer, errSystem }
func SocketError(fd int) error                                     { return errSystem }
func ResetOnClose(fd int) error                                    { return errSystem }
func CloseFD(int)                                                  {}
func Unpace(int)                                                   {}

// ErrNoSplice is what a Pipe says where there is no splice.
var ErrNoSplice = errors.New("loop: splice: not possible here")

// Pipe does not exist on this system: BorrowPipe answers nil.
type Pipe struct {
	held    int32
	refused bool
	drained int64
}

func newPipe() *Pipe                            { return nil }
func (*Pipe) close()                            {}
func (*Pipe) Held() int                         { return 0 }
func (*Pipe) Fill(from, limit int) (int, error) { return 0, ErrNoSplice }
func (*Pipe) Drain(to int) (int, error)         { return 0, ErrNoSplice }
func (*Pipe) Take(b []byte) (int, error)        { return 0, ErrNoSplice }

package loop

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	keyWake  = keyOwn
	keyTimer = keyOwn + 1

	forever = time.Duration(-1)
	// batch is how many events one turn takes at most: at some 5 µs each the
	// alarms and the mailbox wait 1.3 ms for them.
	batch = 256
)

// poller is epoll with a wake-up and a timer.
type poller struct {
	// set once
	epoll  int
	wakeFD int // eventfd; edge-triggered, each write wakes, so nobody reads it
	timer  int // timerfd, likewise
	how    Wait
	file   *os.File // epoll's, in Go's poller; nil when Raw
	parked syscall.RawConn
	look   func(fd uintptr) bool // tryWait; kept because a method value is an allocation

	ready [batch]unix.EpollEvent
	n     int // events in ready
	err   error
	armed time.Time // when the timer goes off; zero: never
}

func newPoller(how Wait) (*poller, error) {
	p := &poller{epoll: -1, wakeFD: -1, timer: -1, how: how}
	if err := p.open(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) open() (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	if err = p.add(p.wakeFD, keyWake); err != nil {
		return err
	}
	if err = p.add(p.timer, keyTimer); err != nil {
		return err
	}
	if p.how == Raw {
		return nil
	}
	// Non-blocking is how os.NewFile knows that Go's poller is to watch it.
	if err = unix.SetNonblock(p.epoll, true); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	p.file = os.NewFile(uintptr(p.epoll), "epoll")
	p.look = p.tryWait
	if p.parked, err = p.file.SyscallConn(); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (p *poller) add(fd int, key Key) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(key)}
	if key >= keyOwn {
		ev.Events = unix.EPOLLIN | unix.EPOLLET
	}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (p *poller) remove(fd int) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// event is the i-th that the last wait found.
func (p *poller) event(i int) (Key, Events) {
	return Key(p.ready[i].Fd), Events(p.ready[i].Events)
}

// wait waits for d, or until something is ready or wake was called, and
// returns how many events there are; none is possible at any time.
func (p *poller) wait(d time.Duration) (int, error) {
	if d == 0 {
		p.tryWait(0)
		return p.n, p.err
	}
	if err := p.arm(d); err != nil {
		return 0, err
	}
	if p.how == Raw {
		p.epollWait(-1)
		return p.n, p.err
	}
	// Parking asks first, so what came since the last look is not missed.
	if err := p.parked.Read(p.look); err != nil {
		return 0, err
	}
	return p.n, p.err
}

func (p *poller) tryWait(uintptr) bool {
	p.epollWait(0)
	return p.n > 0 || p.err != nil
}

// epollWait asks the kernel without telling Go's scheduler, which would cost
// more than the call. While it waits (Raw) a signal of the runtime
// ends it, and the return to the loop is where the goroutine can be stopped.
func (p *poller) epollWait(ms int) {
	n, _, no := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.ready[0])), batch, uintptr(ms), 0, 0)
	p.n, p.err = int(n), nil
	if no != 0 {
		p.n = 0
		if no != unix.EINTR {
			p.err = no
		}
	}
}

// arm makes the timer wake the loop in d or before. A wake-up that is too
// early is cheaper than setting the timer each time a moment moves later.
func (p *poller) arm(d time.Duration) error {
	if d == forever {
		return nil
	}
	now := time.Now()
	at := now.Add(d)
	if p.armed.After(now) && !at.Before(p.armed) {
		return nil
	}
	p.armed = at
	err := unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	if err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	return nil
}

// wake makes a wait end, now or the next. Any goroutine may call it, until
// close.
func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It fails only when the counter is full, after 2^64 wake-ups.
	unix.Write(p.wakeFD, one[:])
}

func (p *poller) close() {
	for _, fd := range []int{p.timer, p.wakeFD} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if p.file != nil {
		p.file.Close() // and with it epoll
	} else if p.epoll >= 0 {
		unix.Close(p.epoll)
	}
}

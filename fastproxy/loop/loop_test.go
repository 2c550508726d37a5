//go:build linux

package loop

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if first, err := New(Options{}); err == nil {
		first.Discard() // Go's own poller has descriptors from now on
	}
	goleak.VerifyTestMain(m)
}

var waits = map[string]Wait{"nested": Nested, "raw": Raw}

// eachWait runs a test for every way to wait, and asks that it leaves no
// descriptor behind.
func eachWait(t *testing.T, test func(t *testing.T, l *Loop)) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			before := openFDs(t)
			test(t, open(t, wait))
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors open, %d before", after, before)
			}
		})
	}
}

func open(t testing.TB, wait Wait) *Loop {
	t.Helper()
	l, err := New(Options{Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs l; the function it returns ends it and waits for that.
func start(t testing.TB, l *Loop) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// on runs f on the loop and waits for it.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { f(); close(done) }) {
		t.Fatal("the loop has ended")
	}
	<-done
}

func openFDs(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// pair returns two connected non-blocking sockets.
func pair(t testing.TB) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

type handlerFunc func(key Key, ev Events)

func (f handlerFunc) Handle(key Key, ev Events) { f(key, ev) }

// heard is a handler that passes on what it is called for.
func heard() (Handler, <-chan Events) {
	c := make(chan Events, 1000)
	return handlerFunc(func(_ Key, ev Events) { c <- ev }), c
}

// until waits for one of the events.
func until(t testing.TB, c <-chan Events, want Events) {
	t.Helper()
	for {
		select {
		case ev := <-c:
			if ev&want != 0 {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("event %x never came", want)
		}
	}
}

func write(t testing.TB, fd int, s string) {
	t.Helper()
	if n, err := Write(fd, []byte(s)); err != nil || n != len(s) {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
}

func TestAHandlerHearsOfBytesAndOfTheEnd(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		ours, theirs := pair(t)
		h, c := heard()
		on(t, l, func() { l.Watch(ours, h) })
		until(t, c, Writable)
		write(t, theirs, "hello")
		until(t, c, Readable)
		b := make([]byte, 10)
		if n, err := Read(ours, b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		if _, err := Read(ours, b); err != ErrAgain {
			t.Errorf("empty socket: %v", err)
		}
		unix.Close(theirs)
		until(t, c, HangUp)
		if _, err := Read(ours, b); err != io.EOF {
			t.Errorf("ended socket: %v", err)
		}
	})
}

func TestAHandlerHearsThatThereIsRoomAgain(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		ours, theirs := pair(t)
		defer unix.Close(theirs)
		h, c := heard()
		on(t, l, func() { l.Watch(ours, h) })
		until(t, c, Writable)
		b := make([]byte, 1<<20)
		for {
			if _, err := Write(ours, b); err == ErrAgain {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		for {
			if _, err := Read(theirs, b); err == ErrAgain {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		until(t, c, Writable)
	})
}

func TestAConnectionIsMadeAndAccepted(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		door, at, err := Listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		atDoor, knocks := heard()
		on(t, l, func() { l.Watch(door, atDoor) })
		fd, err := Connect(at, secondLoopback)
		if err != nil {
			t.Fatal(err)
		}
		h, c := heard()
		on(t, l, func() { l.Watch(fd, h) })
		until(t, knocks, Readable)
		in, peer, err := Accept(door)
		if err != nil || peer.Addr() != secondLoopback {
			t.Fatalf("accepted %v from %v", err, peer)
		}
		until(t, c, Writable)
		if err := SocketError(fd); err != nil {
			t.Error(err)
		}
		if _, _, err := Accept(door); err != ErrAgain {
			t.Errorf("nobody waits: %v", err)
		}
		if err := ResetOnClose(in); err != nil {
			t.Error(err)
		}
		unix.Close(in)
		until(t, c, Failed)
		if err := SocketError(fd); err != syscall.ECONNRESET {
			t.Errorf("reset connection: %v", err)
		}
	})
}

func TestARefusedConnectionSaysSo(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		door, at, err := Listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(door)
		fd, err := Connect(at, loopback.Addr())
		if err != nil {
			t.Fatal(err)
		}
		h, c := heard()
		on(t, l, func() { l.Watch(fd, h) })
		until(t, c, Failed)
		if err := SocketError(fd); err != syscall.ECONNREFUSED {
			t.Errorf("found %v", err)
		}
	})
}

func TestWhatIsPostedRunsOnceAndInOrder(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		end := start(t, l)
		const posters, each = 8, 500
		got := make([][]int, posters) // written by the loop only
		var all sync.WaitGroup
		for p := range posters {
			all.Go(func() {
				for i := range each {
					if !l.Post(func() { got[p] = append(got[p], i) }) {
						t.Error("refused")
					}
				}
			})
		}
		all.Wait()
		end()
		for p := range got {
			if len(got[p]) != each || !slices.IsSorted(got[p]) {
				t.Errorf("poster %d: %d functions ran, sorted %v", p, len(got[p]), slices.IsSorted(got[p]))
			}
		}
		if l.Post(func() { t.Error("ran after the end") }) {
			t.Error("Post after the end says true")
		}
	})
}

func TestAFunctionPostedByAHandlerRunsInAnotherTurn(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		ran := make(chan bool)
		on(t, l, func() {
			turn := l.Stats().Turns
			l.Post(func() { ran <- l.Stats().Turns > turn })
		})
		if !<-ran {
			t.Error("ran in the same turn")
		}
	})
}

func TestTheEndTellsHandlersAndClosesWhatTheyHave(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		ours, theirs := pair(t)
		kept, other := pair(t)
		h, c := heard()
		end := start(t, l)
		on(t, l, func() {
			l.Watch(ours, h)
			l.Watch(kept, handlerFunc(func(key Key, ev Events) {
				if ev == Stopped {
					l.Release(key)
				}
			}))
			if n := l.Stats().Watched; n != 0 {
				t.Errorf("%d watched before the turn's end", n)
			}
		})
		on(t, l, func() {})
		if n := l.Stats().Watched; n != 2 {
			t.Errorf("%d watched", n)
		}
		end()
		until(t, c, Stopped)
		if _, err := Read(theirs, make([]byte, 1)); err != io.EOF {
			t.Errorf("other end of what the loop had: %v", err)
		}
		write(t, kept, "still mine")
		for _, fd := range []int{theirs, kept, other} {
			unix.Close(fd)
		}
	})
}

func TestALoopThatNeverRanIsDiscarded(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		ours, theirs := pair(t)
		if _, err := l.Watch(ours, handlerFunc(func(Key, Events) {})); err != nil {
			t.Fatal(err)
		}
		unix.Close(theirs)
		l.Discard()
	})
}

func TestAReleasedDescriptorIsNotHeardOf(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		ours, theirs := pair(t)
		defer unix.Close(theirs)
		defer unix.Close(ours)
		h, c := heard()
		on(t, l, func() {
			key, _ := l.Watch(ours, h)
			if fd, err := l.Release(key); fd != ours || err != nil {
				t.Errorf("released %d, %v", fd, err)
			}
		})
		write(t, theirs, "x")
		on(t, l, func() {})
		on(t, l, func() {})
		select {
		case ev := <-c:
			t.Errorf("heard %x", ev)
		default:
		}
		on(t, l, func() { // and may come back
			key, err := l.Watch(ours, h)
			if err != nil {
				t.Fatal(err)
			}
			l.SetHandler(key, handlerFunc(func(key Key, ev Events) {
				if ev&Readable != 0 {
					l.SetHandler(key, h)
					l.Again(key, Readable)
					l.Release(key)
				}
			}))
		})
	})
}

func TestAHandlerCanAskWhatElseBecameReadyInItsTurn(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		var keys []Key
		var heard []bool // of all, by each that is told
		done := make(chan struct{})
		var h handlerFunc = func(key Key, ev Events) {
			if ev&Readable == 0 {
				return
			}
			for _, k := range keys {
				heard = append(heard, l.Pending(k))
			}
			if len(heard) == 3*3 {
				close(done)
			}
		}
		var others []int
		for range 3 {
			ours, theirs := pair(t)
			others = append(others, theirs)
			key, err := l.Watch(ours, h)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
			write(t, theirs, "x")
		}
		end := start(t, l)
		<-done
		on(t, l, func() {
			for _, k := range keys {
				heard = append(heard, l.Pending(k))
			}
		})
		end()
		const f = false
		if want := []bool{f, true, true, f, f, true, f, f, f, f, f, f}; !slices.Equal(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
		for _, fd := range others {
			unix.Close(fd)
		}
	})
}

func TestAHandlerMayCloseAnotherOfTheSameTurn(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		const n = 40
		keys := make(map[Key]bool)
		var calls int
		var others []int
		done := make(chan struct{})
		var h handlerFunc = func(key Key, ev Events) {
			if ev&Readable == 0 {
				return
			}
			if !keys[key] {
				t.Errorf("called for %d, which is closed", key)
			}
			calls++
			for k := range keys { // all of them, and a new one in the place
				delete(keys, k)
				l.Close(k)
			}
			ours, theirs := pair(t)
			others = append(others, theirs)
			if fresh, err := l.Watch(ours, handlerFunc(func(_ Key, ev Events) {
				if ev&Readable != 0 {
					t.Error("the newcomer was called for its predecessor")
				}
			})); err != nil || keys[fresh] {
				t.Errorf("watch: %d, %v", fresh, err)
			}
			close(done)
		}
		for range n {
			ours, theirs := pair(t)
			others = append(others, theirs)
			key, err := l.Watch(ours, h)
			if err != nil {
				t.Fatal(err)
			}
			keys[key] = true
			write(t, theirs, "x")
		}
		end := start(t, l)
		<-done
		on(t, l, func() {})
		end()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
		for _, fd := range others {
			unix.Close(fd)
		}
	})
}

func TestAgainComesInTheNextTurnWithoutWaiting(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		ours, theirs := pair(t)
		defer unix.Close(theirs)
		turns := make(chan int64, 3)
		on(t, l, func() {
			l.Watch(ours, handlerFunc(func(key Key, ev Events) {
				if ev == Stopped || len(turns) == cap(turns) {
					return
				}
				turns <- l.Stats().Turns
				l.Again(key, Readable)
			}))
		})
		if a, b, c := <-turns, <-turns, <-turns; b != a+1 || c != b+1 {
			t.Errorf("turns %d %d %d", a, b, c)
		}
	})
}

func TestWatchSaysWhatTheKernelRefused(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer l.Discard()
		_, err := l.Watch(-1, handlerFunc(func(Key, Events) {}))
		if !errors.Is(err, syscall.EBADF) || l.used != 0 {
			t.Errorf("found %v, %d in use", err, l.used)
		}
	})
}

func TestARowIs32Bytes(t *testing.T) {
	if n := unsafe.Sizeof(row{}); n != 32 {
		t.Errorf("%d bytes", n)
	}
}

func TestRowsAreUsedAgain(t *testing.T) {
	l := open(t, Nested)
	defer l.Discard()
	for range 3 * pageRows {
		ours, theirs := pair(t)
		key, err := l.Watch(ours, handlerFunc(func(Key, Events) {}))
		if err != nil {
			t.Fatal(err)
		}
		l.Close(key)
		unix.Close(theirs)
		l.recycle()
	}
	if l.made != 1 || l.used != 0 {
		t.Errorf("%d rows made, %d in use", l.made, l.used)
	}
}

func TestATurnAllocatesNothing(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		ours, theirs := pair(t)
		defer unix.Close(theirs)
		key, err := l.Watch(ours, handlerFunc(func(key Key, ev Events) {
			if ev&Readable != 0 {
				n, _ := Read(l.FD(key), l.Scratch())
				Write(l.FD(key), l.Scratch()[:n])
				l.SetDeadline(key, l.Now()+int64(time.Minute))
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		l.NewAlarm(func(int64) {}).Set(int64(time.Hour))
		message, b := []byte("hello"), make([]byte, 10)
		l.SetDeadline(key, int64(time.Minute))
		allocs := testing.AllocsPerRun(200, func() {
			Write(theirs, message)
			l.now = l.Clock()
			n, err := l.poll.wait(l.blockUntil())
			if err != nil {
				t.Fatal(err)
			}
			l.turn(l.Clock(), n)
			Read(theirs, b)
		})
		if allocs != 0 {
			t.Errorf("%v allocations a turn", allocs)
		}
		l.Discard()
	})
}

var (
	loopback       = netip.MustParseAddrPort("127.0.0.1:0")
	secondLoopback = netip.MustParseAddr("127.0.0.2")
)

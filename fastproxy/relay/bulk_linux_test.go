package relay

import (
	"bytes"
	"context"
	"net"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// TestLargeFramesAreSplicedAndAnIdleTunnelHoldsNoPipe looks in the middle of a
// frame, where most of what has come was spliced and nothing waits.
func TestLargeFramesAreSplicedAndAnIdleTunnelHoldsNoPipe(t *testing.T) {
	for _, kind := range []string{"tcp", "unix"} {
		for _, s := range []side{client, backend} {
			t.Run(kind+" "+s.String(), func(t *testing.T) {
				backToStart(t)
				l := runLoops(t, 1)[0]
				w := &world{T: t, newRelay: func(o Options) *Relay { return NewOn([]*loop.Loop{l}, o) }, legs: legs{kind, kind}}
				w.open()
				from, to := w.ends(s)
				before := openFiles()
				f := largeFrame(s, 4<<20)
				said := say(from, f[:3<<20])
				w.wantNext(to, f[:3<<20])
				said.Wait()
				w.until("the pipes are closed", func() bool { return openFiles() == before })
				if got := l.Stats().Spliced; got < 1<<20 {
					t.Errorf("%d bytes of %d were spliced", got, 3<<20)
				}
				said = say(from, f[3<<20:])
				w.wantNext(to, f[3<<20:])
				said.Wait()
			})
		}
	}
}

func TestWhatAnInspectorReadsIsNotSpliced(t *testing.T) {
	backToStart(t)
	l := runLoops(t, 1)[0]
	w := &world{T: t, newRelay: func(o Options) *Relay { return NewOn([]*loop.Loop{l}, o) }, legs: legs{"tcp", "tcp"}}
	var seen bytes.Buffer
	w.inspect = func(b []byte) (int, *Farewell) {
		seen.Write(b)
		return len(b), nil
	}
	w.open()
	f := largeFrame(client, 2<<20)
	said := say(w.client, f)
	w.wantNext(w.backend, f)
	said.Wait()
	onLoop(l, func() {
		if !bytes.Equal(seen.Bytes(), f) {
			t.Errorf("the inspector saw %d bytes of %d", seen.Len(), len(f))
		}
	})
	if got := l.Stats().Spliced; got != 0 {
		t.Errorf("%d bytes were spliced", got)
	}
}

// TestWhereThereIsNoSpliceLargeFramesAreCopied runs the rules of large frames
// on a loop that has learnt that splice does not work.
func TestWhereThereIsNoSpliceLargeFramesAreCopied(t *testing.T) {
	l := runLoops(t, 1)[0]
	folder, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	onLoop(l, func() {
		p := l.BorrowPipe()
		if _, err := p.Fill(int(folder.Fd()), 1); err != loop.ErrNoSplice {
			t.Errorf("spliced from a folder: %v", err)
		}
		l.ReturnPipe(p)
	})
	for name, rule := range map[string]func(*world){
		"mixed": mixedMessages, "cut": largeFrameCutInItsHead, "reader": slowReaderOfALargeFrame,
		"half-close": halfCloseInALargeFrame, "reset": resetInALargeFrame, "farewell": farewellBehindALargeFrame,
	} {
		t.Run(name, func(t *testing.T) {
			backToStart(t)
			rule(&world{T: t, newRelay: func(o Options) *Relay { return NewOn([]*loop.Loop{l}, o) }, legs: legs{"tcp", "tcp"}})
		})
	}
	if got := l.Stats().Spliced; got != 0 {
		t.Errorf("%d bytes were spliced", got)
	}
}

// TestASinkThatCannotBeSplicedToGetsWhatIsInThePipe is the one place where
// splice's refusal comes when bytes have left their socket already.
func TestASinkThatCannotBeSplicedToGetsWhatIsInThePipe(t *testing.T) {
	backToStart(t)
	l, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Discard()
	r := New(Options{})
	k := &coupling{home: &home{l, newLooped([]*loop.Loop{l}, r)}}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	if _, err := loop.Write(fds[0], noise()[:100_000]); err != nil {
		t.Fatal(err)
	}
	w := &k.ways[client]
	w.init(k, fds[1], false, Leg{})
	w.pipe = l.BorrowPipe()
	if n, err := w.pipe.Fill(fds[1], 100_000); n != 100_000 || err != nil {
		t.Fatalf("filled with %d bytes: %v", n, err)
	}
	if err := w.takeBack(); err != nil || w.pipe != nil || !bytes.Equal(w.hold.rest, noise()[:100_000]) {
		t.Errorf("%v; %d bytes wait in memory, want all", err, len(w.hold.rest))
	}
	w.release()
}

// TestAnIdleTunnelIsSmall pins what the relay keeps for one that carries
// nothing: besides this two rows of 32 bytes in the loop.
func TestAnIdleTunnelIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(coupling{}); got > 240 { // a size class of Go's
		t.Errorf("a coupling is %d bytes, of which a Tunnel %d, a way %d, a scanner %d", got,
			unsafe.Sizeof(Tunnel{}), unsafe.Sizeof(way{}), unsafe.Sizeof(scanner{}))
	}
}

func onLoop(l *loop.Loop, f func()) {
	done := make(chan struct{})
	l.Post(func() { f(); close(done) })
	<-done
}

// connectUnix returns a connection of which the far end is a bare descriptor,
// so that only the near one is in Go's memory.
func connectUnix(b *testing.B) (far int, near net.Conn) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "near")
	defer file.Close()
	if near, err = net.FileConn(file); err != nil {
		b.Fatal(err)
	}
	return fds[0], near
}

// BenchmarkIdleMemory says how many bytes of heap each tunnel takes, the loop's
// rows included. Run with -benchtime 1x.
func BenchmarkIdleMemory(b *testing.B) {
	ctx, stop := context.WithCancel(b.Context())
	l, err := loop.New(loop.Options{})
	if err != nil {
		b.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- l.Run(ctx) }()
	const tunnels = 1000
	r := NewOn([]*loop.Loop{l}, Options{})
	for range b.N {
		var held []*Tunnel
		var far []int
		before := measure()
		for range tunnels {
			c, nc := connectUnix(b)
			fb, nb := connectUnix(b)
			far = append(far, c, fb)
			t, err := r.Join(Leg{Conn: nc}, Leg{Conn: nb}, nil)
			if err != nil {
				b.Fatal(err)
			}
			t.Start()
			held = append(held, t)
		}
		onLoop(l, func() {})
		after := measure()
		b.ReportMetric(float64(after.heap-before.heap)/tunnels-2*8-8, "heap-B/tunnel") // less far and held
		for _, fd := range far {
			unix.Close(fd)
		}
		r.Drain(ctx, Farewell{})
		r = NewOn([]*loop.Loop{l}, Options{})
	}
	b.ReportMetric(0, "ns/op")
	stop()
	<-over
}

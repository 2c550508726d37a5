//go:build linux

package loop

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// tcpPair returns two connected non-blocking TCP sockets.
func tcpPair(t testing.TB) (ours, theirs int) {
	t.Helper()
	door, at, err := Listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseFD(door)
	if theirs, err = Connect(at, secondLoopback); err != nil {
		t.Fatal(err)
	}
	if ours, _, err = Accept(door); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// road is two connections with a pipe from the first to the second.
type road struct {
	pipe               *Pipe
	far, in, out, ends int // far is written, in spliced from, out spliced to, ends read
}

// eachRoad runs a test over TCP and over Unix sockets, and asks that no
// descriptor is left behind.
func eachRoad(t *testing.T, test func(t *testing.T, r road)) {
	for name, connect := range map[string]func(testing.TB) (int, int){"tcp": tcpPair, "unix": pair} {
		t.Run(name, func(t *testing.T) {
			before := openFDs(t)
			l := open(t, Nested)
			var r road
			r.in, r.far = connect(t)
			r.out, r.ends = connect(t)
			if r.pipe = l.BorrowPipe(); r.pipe == nil {
				t.Skip("this kernel does not splice")
			}
			test(t, r)
			l.ReturnPipe(r.pipe)
			l.Discard()
			for _, fd := range []int{r.far, r.in, r.out, r.ends} {
				CloseFD(fd)
			}
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors open, %d before", after, before)
			}
		})
	}
}

func readAll(t *testing.T, fd int) (all []byte) {
	t.Helper()
	b := make([]byte, 1<<20)
	for {
		n, err := Read(fd, b)
		if err == ErrAgain || err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b[:n]...)
	}
}

func TestAPipeMovesSoManyBytesAndNoMore(t *testing.T) {
	eachRoad(t, func(t *testing.T, r road) {
		write(t, r.far, "payload|head")
		n, err := r.pipe.Fill(r.in, len("payload|"))
		if n != len("payload|") || err != nil || r.pipe.Held() != n {
			t.Fatalf("filled with %d bytes (%v), holds %d", n, err, r.pipe.Held())
		}
		if n, err = r.pipe.Drain(r.out); n != len("payload|") || err != nil || r.pipe.Held() != 0 {
			t.Fatalf("drained of %d bytes (%v), holds %d", n, err, r.pipe.Held())
		}
		if got := readAll(t, r.ends); string(got) != "payload|" {
			t.Errorf("passed on %q", got)
		}
		if got := readAll(t, r.in); string(got) != "head" {
			t.Errorf("left in the socket %q", got)
		}
	})
}

func TestAPipeTellsAnEmptySocketFromAnEndedOne(t *testing.T) {
	eachRoad(t, func(t *testing.T, r road) {
		if n, err := r.pipe.Fill(r.in, 100); n != 0 || err != ErrAgain {
			t.Errorf("empty: %d bytes, %v", n, err)
		}
		write(t, r.far, "last")
		unix.Shutdown(r.far, unix.SHUT_WR)
		if n, err := r.pipe.Fill(r.in, 100); n != 4 || err != nil {
			t.Errorf("last bytes: %d, %v", n, err)
		}
		if n, err := r.pipe.Drain(r.out); n != 4 || err != nil {
			t.Errorf("drained: %d, %v", n, err)
		}
		if n, err := r.pipe.Fill(r.in, 100); n != 0 || err != io.EOF {
			t.Errorf("ended: %d bytes, %v", n, err)
		}
	})
}

func TestAPipeKeepsWhatASlowSocketDoesNotTake(t *testing.T) {
	eachRoad(t, func(t *testing.T, r road) {
		all := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		sent, moved, full := 0, 0, 0
		var got []byte
		for moved < len(all) {
			if n, err := Write(r.far, all[sent:]); err == nil {
				sent += n
			}
			if r.pipe.Held() == 0 {
				if _, err := r.pipe.Fill(r.in, len(all)-moved); err != nil && err != ErrAgain {
					t.Fatal(err)
				}
			}
			n, err := r.pipe.Drain(r.out)
			moved += n
			switch {
			case err == ErrAgain && r.pipe.Held() > 0:
				full++
				got = append(got, readAll(t, r.ends)...)
			case err != nil || r.pipe.Held() > 0:
				t.Fatalf("%v, holds %d", err, r.pipe.Held())
			}
		}
		got = append(got, readAll(t, r.ends)...)
		if !bytes.Equal(got, all) || full == 0 {
			t.Errorf("%d of %d bytes right; the socket was full %d times", len(got), len(all), full)
		}
	})
}

func TestAPipeSaysThatNobodyIsThere(t *testing.T) {
	eachRoad(t, func(t *testing.T, r road) {
		write(t, r.far, "to nobody")
		if _, err := r.pipe.Fill(r.in, 100); err != nil {
			t.Fatal(err)
		}
		unix.Shutdown(r.out, unix.SHUT_WR)
		if n, err := r.pipe.Drain(r.out); n != 0 || err != unix.EPIPE {
			t.Errorf("drained: %d, %v", n, err)
		}
		b := make([]byte, 100)
		if n, err := r.pipe.Take(b); err != nil || string(b[:n]) != "to nobody" || r.pipe.Held() != 0 {
			t.Errorf("took back %q (%v), holds %d", b[:n], err, r.pipe.Held())
		}
	})
}

func TestWhatCannotBeSplicedIsCopiedFromThenOn(t *testing.T) {
	l := open(t, Nested)
	defer l.Discard()
	p := l.BorrowPipe()
	if n, err := p.Fill(l.poll.epoll, 10); n != 0 || err != ErrNoSplice {
		t.Fatalf("an epoll descriptor gave %d bytes, %v", n, err)
	}
	l.ReturnPipe(p)
	if l.BorrowPipe() != nil {
		t.Error("a pipe was lent all the same")
	}
}

func TestPipesAreUsedAgainAndClosedWhenNobodyNeedsThem(t *testing.T) {
	l := open(t, Nested)
	defer l.Discard()
	before := openFDs(t)
	var lent []*Pipe
	for p := l.BorrowPipe(); p != nil; p = l.BorrowPipe() {
		lent = append(lent, p)
	}
	if len(lent) == 0 || len(lent) > pipesLent {
		t.Fatalf("%d pipes lent, at most %d are", len(lent), pipesLent)
	}
	dirty := lent[0]
	ours, theirs := pair(t)
	write(t, theirs, "forgotten")
	if _, err := dirty.Fill(ours, 9); err != nil {
		t.Fatal(err)
	}
	CloseFD(ours)
	CloseFD(theirs)
	for _, p := range lent {
		l.ReturnPipe(p)
	}
	if open := openFDs(t) - before; open != 2*(len(lent)-1) {
		t.Errorf("%d descriptors open after %d pipes were returned, one of them with bytes in", open, len(lent))
	}
	if p := l.BorrowPipe(); p == dirty || p != lent[len(lent)-1] {
		t.Error("not what was returned last is lent first")
	} else {
		l.ReturnPipe(p)
	}
	for i := range 3 { // as the alarm does
		if i == 1 {
			l.ReturnPipe(l.BorrowPipe()) // one is needed
		}
		l.closeIdlePipes(0)
	}
	if open := openFDs(t) - before; open != 0 {
		t.Errorf("%d descriptors open though no pipe was needed for long", open)
	}
}

func TestALoopThatEndsClosesItsPipes(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		ours, theirs := pair(t)
		defer CloseFD(theirs)
		defer start(t, l)()
		on(t, l, func() {
			p, q := l.BorrowPipe(), l.BorrowPipe()
			l.ReturnPipe(p)
			l.Watch(ours, handlerFunc(func(_ Key, ev Events) {
				if ev&Stopped != 0 {
					l.ReturnPipe(q)
				}
			}))
		})
	})
}

// BenchmarkPipe says what lending and returning costs, and thus whether an
// idle stream should keep a pipe: it should not.
func BenchmarkPipe(b *testing.B) {
	l := open(b, Nested)
	defer l.Discard()
	b.ReportAllocs()
	for b.Loop() {
		l.ReturnPipe(l.BorrowPipe())
	}
}

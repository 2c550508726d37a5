package upstream

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// far is a Shiny's side: every connection it was made, in order.
type far struct {
	t     *testing.T
	conns chan net.Conn
}

func start(t *testing.T) (*Backend, *far) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t, make(chan net.Conn, 1000)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(f.conns)
				return
			}
			f.conns <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		for c := range f.conns {
			c.Close()
		}
	})
	b, err := Parse("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return b, f
}

func (f *far) next() net.Conn {
	f.t.Helper()
	select {
	case c := <-f.conns:
		c.SetDeadline(time.Now().Add(20 * time.Second))
		f.t.Cleanup(func() { c.Close() })
		return c
	case <-time.After(20 * time.Second):
		f.t.Fatal("no connection was made")
		return nil
	}
}

func get(t *testing.T, b *Backend, reused bool) *Conn {
	t.Helper()
	c, err := b.Get(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Reused() != reused {
		t.Fatalf("Reused is %v, want %v", c.Reused(), reused)
	}
	return c
}

func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("read %d bytes and %v, want the end", n, err)
	}
}

func TestAddressesAreHostAndPortAndNoMore(t *testing.T) {
	for in, want := range map[string]string{
		"http://localhost:3838":  "localhost:3838",
		"http://localhost:3838/": "localhost:3838",
		"http://shiny":           "shiny:80",
		"http://[::1]:3838":      "[::1]:3838",
		"http://[::1]":           "[::1]:80",
		"HTTP://shiny:1":         "shiny:1",
		"https://shiny":          "", "shiny:3838": "", "": "", "http://": "", "http://:80": "", "http://a/b": "", "http://a?b": "",
		"http://a#b": "", "http://u:secret@a": "", "http://a:b": "", "unix:///a": "",
	} {
		b, err := Parse(in)
		if got := ""; err == nil {
			got = b.Addr()
			if got != want {
				t.Errorf("%q became %q, want %q", in, got, want)
			}
		} else if want != "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestConnectionUsedLastIsUsedNext(t *testing.T) {
	b, f := start(t)
	one, two := get(t, b, false), get(t, b, false)
	f.next()
	f.next()
	b.Put(two)
	b.Put(one)
	if c := get(t, b, true); c != one {
		t.Error("the older one came first")
	}
	if c := get(t, b, true); c != two {
		t.Error("the older one did not come second")
	}
	one.Close()
	two.Close()
}

func TestConnectionThatEndedOrSpokeIsNotHandedOut(t *testing.T) {
	for name, meanwhile := range map[string]func(c net.Conn){
		"it ended":        func(c net.Conn) { c.Close() },
		"it spoke":        func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n") },
		"it was reset":    func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"it ended a half": func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			b, f := start(t)
			b.Put(get(t, b, false))
			meanwhile(f.next())
			get(t, b, false).Close()
			if n := b.Idle(); n != 0 {
				t.Errorf("%d connections wait", n)
			}
		})
	}
}

// Shiny Server closes after 5 s.
func TestConnectionThatWaitedForLongIsNotHandedOut(t *testing.T) {
	if IdleLimit >= 5*time.Second {
		t.Fatal("connections wait for too long")
	}
	b, f := start(t)
	young, old := get(t, b, false), get(t, b, false)
	f.next()
	aged := f.next()
	b.Put(old)
	b.Put(young)
	old.since = time.Now().Add(-IdleLimit - time.Millisecond)
	b.closeIdle(time.Now().Add(-IdleLimit))
	wantClosed(t, aged)
	if n := b.Idle(); n != 1 {
		t.Errorf("%d connections wait, want 1", n)
	}
	young.since = time.Now().Add(-IdleLimit - time.Millisecond) // Run has not come by yet
	get(t, b, false).Close()
	b.closeIdle(time.Now())
}

func TestRunClosesAllInTheEnd(t *testing.T) {
	b, f := start(t)
	c := get(t, b, false)
	late := get(t, b, false)
	b.Put(c)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Error(err)
	}
	wantClosed(t, f.next())
	b.Put(late)
	wantClosed(t, f.next())
	if n := b.Idle(); n != 0 {
		t.Errorf("%d connections wait", n)
	}
}

func TestWaitingConnectionsAreBounded(t *testing.T) {
	b, _ := start(t)
	var all []*Conn
	for range maxIdle + 10 {
		all = append(all, get(t, b, false))
	}
	for _, c := range all {
		b.Put(c)
	}
	if n := b.Idle(); n != maxIdle {
		t.Errorf("%d connections wait, want %d", n, maxIdle)
	}
	b.closeIdle(time.Now())
}

func TestManyMayGetAndPutAtOnce(t *testing.T) {
	b, _ := start(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				c, err := b.Get(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				b.Put(c)
				b.Idle()
			}
		})
	}
	all.Go(func() {
		for range 50 {
			b.closeIdle(time.Now())
		}
	})
	all.Wait()
	b.closeIdle(time.Now())
}

func TestNobodyListeningIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	b, err := Parse("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(context.Background()); err == nil {
		t.Error("connected")
	}
}

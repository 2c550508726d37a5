package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func clientHalfCloses(w *world) {
	w.open()
	w.write(w.client, []byte("last question"))
	halfClose(w, w.client)
	w.wantRest(w.backend, []byte("last question"))
	w.write(w.backend, []byte("a long answer"))
	w.wantNext(w.client, []byte("a long answer"))
	w.backend.Close()
	w.wantRest(w.client, nil)
	w.wantOver(ByClient, "eof")
}

func backendHalfCloses(w *world) {
	w.open()
	w.write(w.backend, []byte("all I know"))
	halfClose(w, w.backend)
	w.wantRest(w.client, []byte("all I know"))
	w.write(w.client, []byte("thank you"))
	w.wantNext(w.backend, []byte("thank you"))
	w.client.Close()
	w.wantRest(w.backend, nil)
	w.wantOver(ByBackend, "eof")
}

// backendEndsBare is httpuv's way: no Close frame, the connection is gone.
func backendEndsBare(w *world) {
	w.open()
	w.write(w.backend, talk(backend))
	w.backend.Close()
	w.wantRest(w.client, talk(backend))
	w.client.Close()
	if s := w.wantOver(ByBackend, "eof"); s.Duration <= 0 || s.BackendBytes != uint64(len(talk(backend))) {
		w.Errorf("recorded %+v", s)
	}
}

// backendEndsWhileBytesWait says more than the relay can hold to a client
// that reads only after the backend has gone.
func backendEndsWhileBytesWait(w *world) {
	w.open()
	all := make([]byte, 3<<20)
	for i := range all {
		all[i] = byte(i * 7)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w.backend.Write(all)
		w.backend.Close()
	}()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(w.client, first); err != nil {
		w.Fatal(err)
	}
	w.wantRest(w.client, all[1000:])
	<-sent
	w.client.Close()
	w.wantOver(ByBackend, "eof")
}

// backendResetsWhileBytesWait is a backend that dies with bytes of the client
// unread, while the client has bytes of the backend's unread.
func backendResetsWhileBytesWait(w *world) {
	w.needsReset()
	w.open()
	w.client.(*net.TCPConn).SetReadBuffer(32 << 10)
	w.near[client].(*net.TCPConn).SetWriteBuffer(16 << 10)
	w.near[backend].(*net.TCPConn).SetReadBuffer(512 << 10) // most waits here
	all := make([]byte, 256<<10)
	w.write(w.client, []byte("nobody reads this"))
	w.write(w.backend, all)
	w.untilSettled(w.backend)
	reset(w.backend)
	w.write(w.client, []byte("and nobody can take this"))
	w.until("the relay knows", func() bool { return w.tunnel.endedBy() == ByBackend })
	got := make([]byte, len(all))
	if n, err := io.ReadFull(w.client, got); err != nil {
		w.Fatalf("read %d of %d bytes: %v", n, len(all), err)
	}
	if _, err := w.client.Read(got); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		w.Errorf("then %v, want an end", err)
	}
	w.client.Close()
	w.wantOver(ByBackend, "reset")
}

// resetBehindBytes is a backend that resets when all it said has left the
// relay for a client that has taken little of it.
func resetBehindBytes(w *world) {
	w.needsReset()
	w.open()
	w.client.(*net.TCPConn).SetReadBuffer(4 << 10)
	all := make([]byte, 64<<10)
	w.write(w.backend, all)
	w.until("the relay has written it all", func() bool { return w.relay.Stats().BackendBytes == uint64(len(all)) })
	reset(w.backend)
	w.until("the relay knows", func() bool { return w.tunnel.endedBy() == ByBackend })
	w.wantRest(w.client, all)
	w.client.Close()
	w.wantOver(ByBackend, "reset")
}

// clientKeepsTalkingToNobody never hangs up, though the backend has.
func clientKeepsTalkingToNobody(w *world) {
	w.opts.CloseWait = 1 // the client is to be cut
	w.open()
	w.backend.Close()
	w.wantRest(w.client, nil)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if _, err := w.client.Write(talk(client)); err != nil {
				return
			}
		}
	}()
	w.wantOver(ByBackend, "eof")
	<-stopped
}

func clientResetsMidFrame(w *world) {
	w.needsReset()
	w.open()
	resetsMidFrame(w, client, w.client, w.backend)
	w.wantOver(ByClient, "reset")
}

func backendResetsMidFrame(w *world) {
	w.needsReset()
	w.open()
	resetsMidFrame(w, backend, w.backend, w.client)
	w.wantOver(ByBackend, "reset")
}

func resetsMidFrame(w *world, s side, from, to net.Conn) {
	half := talk(s)[:9]
	w.write(from, half)
	w.wantNext(to, half)
	w.untilSettled(w.near[s.other()]) // or it would be told by an ordinary end
	reset(from)
	if _, err := to.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		w.Errorf("the other side reads %v, want a reset", err)
	}
}

// resetAfterHalfClose is a browser that closed its half and then vanished,
// while the backend neither speaks nor hangs up.
func resetAfterHalfClose(w *world) {
	w.needsReset()
	w.open()
	halfClose(w, w.client)
	w.wantRest(w.backend, nil)
	w.untilSettled(w.near[backend])
	reset(w.client)
	w.wantOver(ByClient, "eof")
	w.until("the backend's connection is reset", func() bool {
		_, err := w.backend.Write([]byte("anybody?"))
		return err != nil
	})
}

func TestTheFirstEndIsTheOneThatCounts(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	vanished := &net.OpError{Op: "read", Net: "tcp", Addr: &net.TCPAddr{Port: 3838}, Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	type note struct {
		side side
		err  error // nil: the proxy closes
	}
	for _, c := range []struct {
		name   string
		notes  []note
		by     ClosedBy
		reason string
	}{
		{"client, then backend", []note{{client, io.EOF}, {backend, io.EOF}}, ByClient, "eof"},
		{"backend, then client", []note{{backend, io.EOF}, {client, io.EOF}}, ByBackend, "eof"},
		{"reset", []note{{backend, reset}, {client, net.ErrClosed}}, ByBackend, "reset"},
		{"reset after a half-close", []note{{client, io.EOF}, {backend, reset}}, ByClient, "eof"},
		{"proxy", []note{{client, nil}, {client, io.EOF}, {backend, reset}}, ByProxy, "said so"},
		{"proxy after a half-close", []note{{client, io.EOF}, {client, nil}, {backend, io.EOF}}, ByProxy, "said so"},
		{"proxy too late", []note{{client, reset}, {client, nil}}, ByClient, "reset"},
		{"vanished", []note{{client, vanished}}, ByError, "client: connection timed out"},
		{"closed under us", []note{{backend, &net.OpError{Op: "read", Err: net.ErrClosed}}}, ByError, "backend: closed by another owner"},
		{"a half that cannot be passed on", []note{{backend, io.EOF}}, ByBackend, "eof"},
		{"pipe", []note{{client, io.ErrClosedPipe}}, ByClient, "reset"},
		{"no note", nil, ByError, "cut"},
	} {
		var e ending
		for _, n := range c.notes {
			if n.err == nil {
				e.close("said so")
			} else {
				e.note(n.side, n.err)
			}
		}
		if by, reason := e.verdict(); by != c.by || reason != c.reason {
			t.Errorf("%s: by %s (%s), want by %s (%s)", c.name, by, reason, c.by, c.reason)
		}
	}
}

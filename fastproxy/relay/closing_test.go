package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Farewells such as shiny makes them: a message and a Close frame to the
// client, a Close frame to the backend.
var (
	bye        = Farewell{ToClient: slices.Concat(frame(false, true, 1, []byte(`c[4500,"Signed out"]`)), closing(false)), ToBackend: closing(true), Reason: "logout"}
	byeTersely = Farewell{ToClient: closing(false), ToBackend: closing(true), Reason: "logout"}
)

func closing(masked bool) []byte {
	return frame(masked, true, 8, binary.BigEndian.AppendUint16(nil, 4500))
}

// farewellAtEveryCut closes a tunnel after each byte of what a side says.
// The rest of the frame passes, then come the words, then the end.
func farewellAtEveryCut(w *world) {
	for _, s := range []side{client, backend} {
		said := talk(s)
		words := bye.ToClient
		fit := naive(said, s == client).data
		if s == client {
			words, fit = bye.ToBackend, naive(said, true).control
		}
		for cut := 0; cut <= len(said); cut++ {
			w.open()
			from, to := w.client, w.backend
			if s == backend {
				from, to = w.backend, w.client
			}
			w.write(from, said[:cut])
			w.wantNext(to, said[:cut])
			w.tunnel.Close(bye)
			from.Write(said[cut:]) // nobody may be left to take it
			i, _ := slices.BinarySearch(fit, cut)
			w.wantRest(to, slices.Concat(said[cut:fit[i]], words))
			to.Close()
			io.Copy(io.Discard, from)
			from.Close()
			w.wantOver(ByProxy, "logout")
		}
	}
}

// farewellOnceThoughManyClose closes from many goroutines while the backend
// never stops talking: the client gets whole frames, the words, the end.
func farewellOnceThoughManyClose(w *world) {
	w.open()
	var all sync.WaitGroup
	all.Go(func() {
		for f := talk(backend); ; {
			if _, err := w.backend.Write(f); err != nil {
				return
			}
		}
	})
	all.Go(func() { // hang up when told to
		got, _ := io.ReadAll(w.backend)
		if string(got) != string(bye.ToBackend) {
			w.Errorf("the backend was told %q, want %q", got, bye.ToBackend)
		}
		w.backend.Close()
	})
	w.wantNext(w.client, talk(backend))
	for range 32 {
		all.Go(func() { w.tunnel.Close(bye) })
	}
	rest, err := io.ReadAll(w.client)
	if err != nil {
		w.Error(err)
	}
	talked, found := strings.CutSuffix(string(rest), string(bye.ToClient))
	if !found || strings.Contains(talked, string(bye.ToClient)) {
		w.Errorf("the words are not said exactly once and last: … %q", rest[max(0, len(rest)-100):])
	}
	if at := naive([]byte(talked), false).data; at[len(at)-1] != len(talked) {
		w.Error("the words fall within a frame")
	}
	w.client.Close()
	all.Wait()
	w.wantOver(ByProxy, "logout")
}

func controlFarewellWithinMessage(w *world) {
	w.open()
	begun := frame(false, false, 1, []byte("to be continued"))
	w.write(w.backend, begun)
	w.wantNext(w.client, begun)
	w.tunnel.Close(byeTersely)
	w.wantRest(w.client, byeTersely.ToClient)
	w.wantRest(w.backend, byeTersely.ToBackend)
}

func noFarewellBehindClose(w *world) {
	w.open()
	w.write(w.backend, closing(false))
	w.wantNext(w.client, closing(false))
	w.write(w.client, closing(true))
	w.wantNext(w.backend, closing(true))
	w.tunnel.Close(bye)
	w.wantRest(w.client, nil)
	w.wantRest(w.backend, nil)
}

func noFarewellInOtherProtocols(w *world) {
	w.open()
	w.write(w.backend, []byte("* OK IMAP4rev1 ready\r\n"))
	w.wantNext(w.client, []byte("* OK IMAP4rev1 ready\r\n"))
	w.write(w.client, []byte("a1 NOOP\r\n"))
	w.wantNext(w.backend, []byte("a1 NOOP\r\n"))
	w.tunnel.Close(bye)
	w.wantRest(w.client, nil)
	w.wantRest(w.backend, nil)
}

func emptyFarewell(w *world) {
	w.opts.CloseWait = time.Hour
	w.open()
	half := talk(backend)[:3]
	w.write(w.backend, half)
	w.wantNext(w.client, half)
	w.tunnel.Close(Farewell{Reason: "shutdown"})
	w.wantRest(w.client, nil)
	w.wantRest(w.backend, nil)
	w.client.Close()
	w.backend.Close()
	w.wantOver(ByProxy, "shutdown")
}

func closeBeforeStart(w *world) {
	w.join([]byte("unsaid"), []byte("unsaid"))
	w.tunnel.Close(bye)
	w.tunnel.Start()
	w.wantRest(w.client, bye.ToClient)
	w.wantRest(w.backend, bye.ToBackend)
	w.client.Close()
	w.backend.Close()
	if s := w.wantOver(ByProxy, "logout"); s.ClientBytes != 0 || s.BackendBytes != 0 {
		w.Errorf("%d and %d bytes were passed on", s.ClientBytes, s.BackendBytes)
	}
}

// stuckClientIsCut fills every buffer on the way to a client that does not
// read. Both far ends stay open: only the relay can end this.
func stuckClientIsCut(w *world) {
	w.opts.CloseWait = 50 * time.Millisecond
	w.open()
	w.backend.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for f := frame(false, true, 2, make([]byte, 1<<20)); ; {
		if _, err := w.backend.Write(f); err != nil {
			break
		}
	}
	w.tunnel.Close(bye)
	w.wantOver(ByProxy, "logout")
}

func frameThatNeverEndsIsCut(w *world) {
	w.opts.CloseWait = 50 * time.Millisecond
	w.open()
	half := talk(backend)[:7]
	w.write(w.backend, half)
	w.wantNext(w.client, half)
	w.tunnel.Close(bye)
	w.wantOver(ByProxy, "logout")
	if got, _ := io.ReadAll(w.client); len(got) != 0 {
		w.Errorf("%q was said within a frame", got)
	}
}

func closeAfterTheEnd(w *world) {
	w.open()
	w.client.Close()
	w.backend.Close()
	<-w.over
	w.tunnel.Close(bye)
	w.tunnel.Start()
	if t := w.relay.Stats(); t.Tunnels > 1 || t.Joined != 1 {
		w.Errorf("counted %+v", t)
	}
}

func closeDuringHalfClose(w *world) {
	w.open()
	halfClose(w, w.client)
	w.wantRest(w.backend, nil)
	w.write(w.backend, talk(backend))
	w.wantNext(w.client, talk(backend))
	w.tunnel.Close(bye)
	w.wantRest(w.client, bye.ToClient)
	w.client.Close()
	w.backend.Close()
	w.wantOver(ByProxy, "logout")
}

func failedJoinClosesBoth(w *world) {
	r := w.newRelay(w.opts)
	never := func(Stats) { w.Error("done was called") }
	for _, broken := range []side{client, backend} {
		for _, missing := range []bool{false, true} {
			farClient, nearClient := connect(w.T, w.legs.client)
			farBackend, nearBackend := connect(w.T, w.legs.backend)
			near := [2]Leg{{Conn: nearClient}, {Conn: nearBackend}}
			closeConn(near[broken].Conn)
			if missing {
				near[broken].Conn = nil
			}
			if _, err := r.Join(near[client], near[backend], never); err == nil {
				w.Fatalf("joined without a %s", broken)
			}
			wantGone(w, farClient)
			wantGone(w, farBackend)
		}
	}
	if t := r.Stats(); t != (Totals{}) {
		w.Errorf("counted %+v", t)
	}
}

func wantGone(w *world, far net.Conn) {
	w.Helper()
	if _, err := far.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		w.Errorf("the other end is still open: %v", err)
	}
	far.Close()
}

func drainEndsEveryTunnel(w *world) {
	w.relay = w.newRelay(w.opts)
	var all sync.WaitGroup
	ended := make(chan Stats, 20)
	for i := range cap(ended) {
		w.join(nil, nil)
		if i%3 != 0 {
			w.tunnel.Start()
		}
		c, b, over := w.client, w.backend, w.over
		all.Go(func() {
			w.wantRest(c, bye.ToClient)
			c.Close()
			w.wantRest(b, bye.ToBackend)
			b.Close()
			ended <- <-over
		})
	}
	if err := w.relay.Drain(w.Context(), bye); err != nil {
		w.Error(err)
	}
	if t := w.relay.Stats(); t != (Totals{Joined: 20}) {
		w.Errorf("counted %+v", t)
	}
	all.Wait()
	for range cap(ended) {
		if s := <-ended; s.ClosedBy != ByProxy || s.Reason != "logout" {
			w.Errorf("ended by %s (%s)", s.ClosedBy, s.Reason)
		}
	}
	farClient, nearClient := connect(w.T, w.legs.client)
	farBackend, nearBackend := connect(w.T, w.legs.backend)
	if _, err := w.relay.Join(Leg{Conn: nearClient}, Leg{Conn: nearBackend}, nil); !errors.Is(err, ErrDraining) {
		w.Errorf("Join after Drain: %v, want ErrDraining", err)
	}
	wantGone(w, farClient)
	wantGone(w, farBackend)
	if err := w.relay.Drain(w.Context(), bye); err != nil {
		w.Errorf("Drain again: %v", err)
	}
}

func drainCuts(w *world) {
	w.opts.CloseWait = time.Hour
	w.open()
	half := talk(backend)[:7]
	w.write(w.backend, half)
	w.wantNext(w.client, half)
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	err := w.relay.Drain(ctx, bye)
	if err == nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 tunnels cut") {
		w.Errorf("Drain: %v, want it to tell of one tunnel cut", err)
	}
	w.wantOver(ByProxy, "logout")
}

func TestALegThatCannotHalfCloseEndsTheTunnel(t *testing.T) {
	far, near := net.Pipe()
	farBackend, nearBackend := connect(t, "tcp")
	over := make(chan Stats, 1)
	tunnel, err := New(Options{}).Join(Leg{Conn: near}, Leg{Conn: nearBackend}, func(s Stats) { over <- s })
	if err != nil {
		t.Fatal(err)
	}
	tunnel.Start()
	farBackend.Close()
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client reads %v, want the end", err)
	}
	if s := <-over; s.ClosedBy != ByBackend {
		t.Errorf("ended by %s (%s)", s.ClosedBy, s.Reason)
	}
}

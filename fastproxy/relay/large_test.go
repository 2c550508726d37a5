package relay

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The rules of this file are about frames that are large enough for an engine
// to carry them in another way than the rest.

// noise is the payload of large frames: nothing in it repeats.
var noise = sync.OnceValue(func() []byte { return randomBytes(rand.New(rand.NewPCG(3, 3)), 4<<20) })

// largeFrame is one of n bytes of payload, as that side would send it.
func largeFrame(s side, n int) []byte { return frame(s == client, true, 2, noise()[:n]) }

// ends are the far ends of what one side says: where it is said, and where it
// arrives.
func (w *world) ends(s side) (from, to net.Conn) {
	if s == client {
		return w.client, w.backend
	}
	return w.backend, w.client
}

// say writes from a goroutine, since it may be more than the buffers on the
// way take. That nobody takes it is not an error.
func say(to net.Conn, b []byte) (said *sync.WaitGroup) {
	said = new(sync.WaitGroup)
	said.Go(func() { to.Write(b) })
	return said
}

func largeFrameCutInItsHead(w *world) {
	w.open()
	for _, s := range []side{client, backend} {
		from, to := w.ends(s)
		f := slices.Concat(largeFrame(s, 150_000), talk(s))
		for cut := 1; cut <= 16; cut++ {
			w.write(from, f[:cut])
			w.wantNext(to, f[:cut])
			said := say(from, f[cut:])
			w.wantNext(to, f[cut:])
			said.Wait()
		}
	}
}

// largeFramePipelined has read some of a large frame along with the head of the
// upgrade.
func largeFramePipelined(w *world) {
	for _, s := range []side{client, backend} {
		f := slices.Concat(largeFrame(s, 300_000), talk(s))
		for _, cut := range []int{1, 9, 14, 100, 40_000, 250_000, 300_010} {
			var pending [2][]byte
			pending[s] = f[:cut]
			w.join(pending[client], pending[backend])
			from, to := w.ends(s)
			said := say(from, f[cut:])
			w.tunnel.Start()
			w.wantNext(to, f)
			said.Wait()
			w.client.Close()
			w.backend.Close()
			<-w.over
		}
	}
}

// slowWriterOfALargeFrame says a little only when what it said before has
// arrived: no engine may wait for more.
func slowWriterOfALargeFrame(w *world) {
	w.open()
	rng := rand.New(rand.NewPCG(5, 5))
	for _, s := range []side{client, backend} {
		from, to := w.ends(s)
		for f := slices.Concat(largeFrame(s, 2<<20), talk(s)); len(f) > 0; {
			n := min(len(f), 1+rng.IntN(1<<rng.IntN(18)))
			said := say(from, f[:n])
			w.wantNext(to, f[:n])
			said.Wait()
			f = f[n:]
		}
	}
}

func slowReaderOfALargeFrame(w *world) {
	w.open()
	carry := slices.Concat(largeFrame(backend, 4<<20), talk(backend))
	heapBefore := heap()
	w.backend.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	written := 0
	for held := false; !held && written < 64<<20; {
		n, err := w.backend.Write(carry[written%len(carry):])
		written += n
		held = err != nil
	}
	if grown := heap() - heapBefore; grown > 8<<20 {
		w.Errorf("%d bytes of heap hold what the client does not read", grown)
	}
	w.backend.SetWriteDeadline(time.Time{})
	halfClose(w, w.backend)
	for at := 0; at < written; {
		n := min(written-at, len(carry)-at%len(carry), 100_000)
		w.wantNext(w.client, carry[at%len(carry):][:n])
		at += n
	}
	w.wantRest(w.client, nil)
	w.client.Close()
	if s := w.wantOver(ByBackend, "eof"); s.BackendBytes != uint64(written) {
		w.Errorf("counted %d bytes, want %d", s.BackendBytes, written)
	}
}

func halfCloseInALargeFrame(w *world) {
	for _, s := range []side{client, backend} {
		w.open()
		from, to := w.ends(s)
		half := largeFrame(s, 1<<20)[:600_000]
		w.write(from, half[:1000])
		said := say(from, half[1000:])
		w.wantNext(to, half[:500_000])
		said.Wait()
		halfClose(w, from)
		w.wantRest(to, half[500_000:])
		w.write(to, talk(s.other()))
		w.wantNext(from, talk(s.other()))
		to.Close()
		w.wantRest(from, nil)
		w.wantOver(ClosedBy(s.String()), "eof")
	}
}

func resetInALargeFrame(w *world) {
	w.needsReset()
	for _, s := range []side{client, backend} {
		w.open()
		from, to := w.ends(s)
		half := largeFrame(s, 1<<20)[:600_000]
		said := say(from, half)
		w.wantNext(to, half)
		said.Wait()
		w.untilSettled(w.near[s.other()]) // or it would be told by an ordinary end
		reset(from)
		if _, err := to.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			w.Errorf("the other side reads %v, want a reset", err)
		}
		w.wantOver(ClosedBy(s.String()), "reset")
	}
}

// endInALargeFrameWhileBytesWait says more of a frame than the relay can hold
// to a client that reads only after the backend has gone.
func endInALargeFrameWhileBytesWait(w *world) {
	w.open()
	part := largeFrame(backend, 4<<20)[:3<<20]
	var said sync.WaitGroup
	said.Go(func() {
		w.backend.Write(part)
		w.backend.Close()
	})
	w.wantNext(w.client, part[:1000])
	w.wantRest(w.client, part[1000:])
	said.Wait()
	w.client.Close()
	w.wantOver(ByBackend, "eof")
}

// readerGoneInALargeFrame resets a client that has not read what is on its way
// to it.
func readerGoneInALargeFrame(w *world) {
	w.needsReset()
	w.open()
	w.client.(*net.TCPConn).SetReadBuffer(64 << 10) // so that most is on its way
	f := largeFrame(backend, 4<<20)
	said := say(w.backend, f)
	w.wantNext(w.client, f[:200_000])
	reset(w.client)
	if s := w.wantOver(ByClient, "reset"); s.BackendBytes < 200_000 {
		w.Errorf("counted %d bytes, though the client has read 200,000", s.BackendBytes)
	}
	said.Wait()
}

// farewellBehindALargeFrame closes a tunnel in the middle of a frame of each
// side, while bytes wait for a reader and while none do: the rest of the frame
// passes, then come the words, then the end.
func farewellBehindALargeFrame(w *world) {
	w.opts.CloseWait = patience
	for _, waits := range []bool{false, true} {
		for _, s := range []side{client, backend} {
			w.open()
			from, to := w.ends(s)
			f, words := largeFrame(s, 3<<20), bye.ToClient
			if s == client {
				words = bye.ToBackend
			}
			var said *sync.WaitGroup
			read := 700_000
			if waits {
				said = say(from, slices.Concat(f, talk(s)))
				w.wantNext(to, f[:read])
				w.tunnel.Close(bye)
			} else {
				said = say(from, f[:read])
				w.wantNext(to, f[:read])
				said.Wait()
				w.tunnel.Close(bye)
				said = say(from, slices.Concat(f[read:], talk(s)))
			}
			got, err := io.ReadAll(to)
			if err != nil || !bytes.HasPrefix(got, f[read:]) || !bytes.HasSuffix(got, words) {
				w.Fatalf("%s, bytes wait: %v: %d bytes (%v) behind the first %d, the last %q", s, waits, len(got), err, read, got[max(0, len(got)-20):])
			}
			// What came with the end of the frame before the relay knew passes too.
			between := got[len(f)-read : len(got)-len(words)]
			if !slices.Contains(naive(talk(s), s == client).data, len(between)) || !bytes.HasPrefix(talk(s), between) {
				w.Errorf("%s: %d bytes between the frame and the words", s, len(between))
			}
			to.Close()
			io.Copy(io.Discard, from)
			said.Wait()
			from.Close()
			w.wantOver(ByProxy, "logout")
		}
	}
}

// aMillionMessages sends that many small ones, and among them a few large.
func aMillionMessages(w *world) {
	messages := 1_000_000
	if raceDetector || testing.Short() || w.legs.backend != "tcp" || w.legs.client != "tcp" {
		messages = 30_000
	}
	w.open()
	rng := rand.New(rand.NewPCG(8, 8))
	exchange(w, messages, 1<<20, func() int {
		if rng.IntN(20_000) == 0 {
			return rng.IntN(1 << 20)
		}
		return rng.IntN(40)
	}, backend)
}

// mixedMessages sends large and small frames both ways at once, cut at random.
func mixedMessages(w *world) {
	w.open()
	exchange(w, 60, 300_000, func() int { return rand.IntN(1<<rand.IntN(21) + 1) }, client, backend)
}

package relay

import (
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// talk is a few frames of every shape, as that side would send them.
func talk(s side) []byte {
	masked := s == client
	return slices.Concat(
		frame(masked, true, 1, []byte("hello "+s.String())),
		frame(masked, true, 9, nil),
		frame(masked, false, 1, []byte("ab")), frame(masked, true, 10, []byte("pong")), frame(masked, true, 0, []byte("cd")),
		frame(masked, true, 2, make([]byte, 130)),
		frame(masked, true, 1, nil))
}

// pendingBytesComeFirst cuts what each side says at every byte: what is
// before the cut had been read along with the head.
func pendingBytesComeFirst(w *world) {
	c, b := talk(client), talk(backend)
	for cut := 0; cut <= max(len(c), len(b)); cut++ {
		ci, bi := min(cut, len(c)), min(cut, len(b))
		pc, pb := slices.Clone(c[:ci]), slices.Clone(b[:bi])
		w.join(pc, pb)
		clear(pc) // Join has copied them
		clear(pb)
		w.write(w.client, c[ci:])
		w.write(w.backend, b[bi:])
		w.tunnel.Start()
		w.wantNext(w.backend, c)
		w.wantNext(w.client, b)
		w.client.Close()
		w.backend.Close()
		s := <-w.over
		if s.ClientBytes != uint64(len(c)) || s.BackendBytes != uint64(len(b)) {
			w.Fatalf("cut at %d: counted %d and %d bytes, want %d and %d", cut, s.ClientBytes, s.BackendBytes, len(c), len(b))
		}
	}
}

func everyByteIsPassedOnAtOnce(w *world) {
	w.open()
	for i, b := range talk(client) {
		w.write(w.client, []byte{b})
		w.wantNext(w.backend, []byte{b})
		if got := w.tunnel.ClientBytes(); got > uint64(i+1) {
			w.Fatalf("%d client bytes counted after %d", got, i+1)
		}
	}
	for _, b := range talk(backend) {
		w.write(w.backend, []byte{b})
		w.wantNext(w.client, []byte{b})
	}
}

func nothingFlowsBeforeStart(w *world) {
	w.join([]byte("from client "), []byte("from backend "))
	w.write(w.client, []byte("more"))
	w.write(w.backend, []byte("more"))
	if w.legs.backend == "tcp" && w.tunnel.ClientBytes() != 0 {
		w.Error("bytes were counted before Start")
	}
	w.backend.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := w.backend.Read(make([]byte, 1)); !isTimeout(err) {
		w.Errorf("read %d bytes (%v) before Start", n, err)
	}
	w.backend.SetReadDeadline(time.Time{})
	w.tunnel.Start()
	w.tunnel.Start()
	w.wantNext(w.backend, []byte("from client more"))
	w.wantNext(w.client, []byte("from backend more"))
}

// randomMessagesArrive sends messages of all sizes both ways at once, cut at
// random: mostly small, now and then up to 128 KiB.
func randomMessagesArrive(w *world) {
	w.open()
	messages := 600
	if testing.Short() {
		messages = 200
	}
	exchange(w, messages, 40_000, func() int { return rand.IntN(1<<rand.IntN(18) + 1) }, client, backend)
}

// exchange has sides send messages of so many bytes at once, written in pieces
// of up to the given size, and compares checksums. It ends the tunnel.
func exchange(w *world, messages, piece int, size func() int, from ...side) {
	w.Helper()
	type result struct {
		sum   uint32
		bytes int
		err   error
	}
	sent, got := [2]result{}, [2]result{}
	ends := [2]net.Conn{w.client, w.backend}
	var all sync.WaitGroup
	for s, conn := range ends {
		all.Go(func() {
			messages := messages
			defer halfClose(w, conn)
			if !slices.Contains(from, side(s)) {
				return
			}
			rng := rand.New(rand.NewPCG(uint64(s), 7))
			r := &sent[s]
			for out := []byte(nil); (messages > 0 || len(out) > 0) && r.err == nil; {
				for ; messages > 0 && len(out) < piece; messages-- {
					out = append(out, frame(side(s) == client, true, 2, noise()[rng.IntN(1<<20):][:size()])...)
				}
				n := min(len(out), 1+rng.IntN(piece))
				r.sum = crc32.Update(r.sum, crc32.IEEETable, out[:n])
				r.bytes += n
				_, r.err = conn.Write(out[:n])
				out = append(out[:0], out[n:]...)
			}
		})
		all.Go(func() {
			r := &got[1-s]
			buf := make([]byte, 50_000)
			for r.err == nil {
				var n int
				n, r.err = conn.Read(buf)
				r.sum = crc32.Update(r.sum, crc32.IEEETable, buf[:n])
				r.bytes += n
			}
		})
	}
	all.Wait()
	for s := range ends {
		if sent[s].err != nil || got[s].err != io.EOF || sent[s].sum != got[s].sum || sent[s].bytes != got[s].bytes {
			w.Errorf("%s sent %d bytes %x (%v), the other got %d bytes %x (%v)", side(s), sent[s].bytes, sent[s].sum,
				sent[s].err, got[s].bytes, got[s].sum, got[s].err)
		}
	}
	st := <-w.over
	if st.ClientBytes != uint64(sent[client].bytes) || st.BackendBytes != uint64(sent[backend].bytes) {
		w.Errorf("counted %d and %d bytes, want %d and %d", st.ClientBytes, st.BackendBytes, sent[client].bytes, sent[backend].bytes)
	}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// slowReaderHoldsBackTheWriter lets a backend say more than any socket
// buffer takes to a client that does not read, then lets the client read.
func slowReaderHoldsBackTheWriter(w *world) {
	w.open()
	const all = 64 << 20
	before := heap()
	w.backend.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	piece := make([]byte, 1<<20)
	written := 0
	for written < all {
		n, err := w.backend.Write(piece)
		if written += n; err != nil {
			break
		}
	}
	if written >= all {
		w.Fatal("the backend was never held back")
	}
	if grown := heap() - before; grown > 8<<20 {
		w.Errorf("%d bytes of heap hold what the client does not read", grown)
	}
	w.backend.SetWriteDeadline(time.Time{})
	halfClose(w, w.backend)
	if n, err := io.Copy(io.Discard, w.client); n != int64(written) || err != nil {
		w.Errorf("the client read %d of %d bytes (%v)", n, written, err)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// largeClientMessage is as long as Shiny Server's limit (websocket-driver's
// 0x3ffffff).
func largeClientMessage(w *world) {
	w.open()
	carryFrame(w, w.client, w.backend, true, 64<<20-1)
}

// hugeBackendFrame is as long as R's largest string allows.
func hugeBackendFrame(w *world) {
	if testing.Short() || raceDetector || w.legs.backend != "tcp" || w.legs.client != "tcp" {
		w.Skip("takes seconds")
	}
	w.open()
	carryFrame(w, w.backend, w.client, false, 0x1fffffe8)
}

// carryFrame sends one frame of n bytes and a small one behind it, and bounds
// what the whole process takes from the system meanwhile.
func carryFrame(w *world, from, to net.Conn, masked bool, n int) {
	w.Helper()
	piece, buf := make([]byte, 1<<20), make([]byte, 1<<20)
	for i := range piece {
		piece[i] = byte(i * 31)
	}
	head := frame(masked, true, 2, make([]byte, 1<<16))[:10]
	for i := range 8 {
		head[2+i] = byte(n >> (56 - 8*i))
	}
	if masked {
		head = append(head, 1, 2, 3, 4)
	}
	tail := frame(masked, true, 1, []byte("end"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var sent uint32
	var sending sync.WaitGroup
	sending.Go(func() {
		put := func(b []byte) {
			sent = crc32.Update(sent, crc32.IEEETable, b)
			if _, err := from.Write(b); err != nil {
				w.Error(err)
			}
		}
		put(head)
		for left := n; left > 0 && !w.Failed(); left -= min(left, len(piece)) {
			put(piece[:min(left, len(piece))])
		}
		put(tail)
	})
	var got uint32
	for left := len(head) + n + len(tail); left > 0; {
		k, err := to.Read(buf)
		if err != nil {
			w.Fatalf("%d bytes before the end: %v", left, err)
		}
		got = crc32.Update(got, crc32.IEEETable, buf[:k])
		left -= k
	}
	sending.Wait()
	runtime.ReadMemStats(&after)
	if got != sent {
		w.Errorf("checksum %x, want %x", got, sent)
	}
	if grown := int64(after.Sys) - int64(before.Sys); grown > 16<<20 {
		w.Errorf("%d bytes of memory were taken to carry %d", grown, n)
	}
}

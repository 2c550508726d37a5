package relay

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// tornDownAtRandom makes tunnels whose ends talk, stop, close their halves,
// close, reset and are closed by the proxy, in any order and all at once.
// Whatever happens, each is over in the end, and only once.
func tornDownAtRandom(w *world) {
	w.opts.CloseWait = 20 * time.Millisecond
	w.relay = w.newRelay(w.opts)
	const tunnels = 120
	var all sync.WaitGroup
	for i := range tunnels {
		w.join(nil, talk(backend)[:i%5])
		c, b, tunnel, over := w.client, w.backend, w.tunnel, w.over
		all.Go(func() { misbehave(c, client, i) })
		all.Go(func() { misbehave(b, backend, i) })
		all.Go(func() {
			tunnel.Start()
			if i%3 == 0 {
				tunnel.Close(bye)
			}
			s := <-over
			if i%3 != 0 && s.ClosedBy == ByProxy {
				w.Errorf("ended by %s (%s) though nobody closed it", s.ClosedBy, s.Reason)
			}
			select {
			case <-over:
				w.Error("done was called twice")
			default:
			}
		})
	}
	all.Wait()
	w.until("no tunnel is left", func() bool { return w.relay.Stats().Tunnels == 0 })
	if got := w.relay.Stats().Joined; got != tunnels {
		w.Errorf("%d tunnels counted, want %d", got, tunnels)
	}
}

// misbehave is one end of a tunnel in the hands of seed.
func misbehave(conn net.Conn, s side, seed int) {
	rng := rand.New(rand.NewPCG(uint64(seed), uint64(s)))
	defer conn.Close()
	for range rng.IntN(6) {
		conn.SetDeadline(time.Now().Add(20 * time.Millisecond)) // the other end may do nothing
		switch f := talk(s); rng.IntN(5) {
		case 0:
			conn.Write(f[:rng.IntN(len(f))])
		case 1:
			conn.Write(make([]byte, rng.IntN(1<<20)))
		case 2:
			conn.Read(make([]byte, 1+rng.IntN(100)))
		case 3:
			conn.(interface{ CloseWrite() error }).CloseWrite()
			io.Copy(io.Discard, conn)
		case 4:
			if tcp, ok := conn.(*net.TCPConn); ok {
				reset(tcp)
			}
			return
		}
	}
}

// idleTunnelHoldsNoBuffer bounds what a silent tunnel costs at half of the
// smallest buffer, after it has carried something.
func idleTunnelHoldsNoBuffer(w *world) {
	if w.legs.client == "tls" {
		w.Skip("TLS has buffers of its own")
	}
	const tunnels, limit = 200, 16 << 10
	for range 2 { // the first round fills pools and pays for goroutine structs
		w.join(nil, nil)
	}
	var starts []func()
	for range tunnels {
		w.join(nil, nil)
		c, b, tunnel := w.client, w.backend, w.tunnel
		starts = append(starts, func() {
			tunnel.Start()
			w.write(c, talk(client))
			w.wantNext(b, talk(client))
			w.write(b, talk(backend))
			w.wantNext(c, talk(backend))
		})
	}
	before := inUse()
	for _, start := range starts {
		start()
	}
	if per := (inUse() - before) / tunnels; per > limit {
		w.Errorf("an idle tunnel holds %d bytes, more than %d", per, limit)
	}
}

// inUse is heap and stacks, without what pools would give back.
func inUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func messageAllocatesNothing(w *world) {
	if raceDetector || w.legs.client == "tls" {
		w.Skip("the race detector and TLS allocate for themselves")
	}
	w.open()
	up, down := talk(client), talk(backend)
	buf := make([]byte, len(up)+len(down))
	trip := func() {
		w.client.Write(up)
		io.ReadFull(w.backend, buf[:len(up)])
		w.backend.Write(down)
		io.ReadFull(w.client, buf[:len(down)])
	}
	trip()
	if n := testing.AllocsPerRun(200, trip); n > 0 {
		w.Errorf("%v allocations to carry a message each way", n)
	}
}

//go:build linux

package relay

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkWaits says what a message through a tunnel costs, and how long it
// takes there and back, by how the loop waits: 64 bytes over 500 tunnels in
// turn, the relay on core 0, both ends on core 1. Run it alone, with
// -benchtime 1x; loop's BenchmarkWait is the same without a relay.
//
// "4000" is 4,000 round trips a second, every message a wake-up; "max" all
// tunnels at once; "logins" is 4,000 with a goroutine that hashes beside it.
//
// Found in two runs on two busy cores:
//
//	        CPU µs a message                   median latency ms
//	        nested       raw          portable     nested     raw       portable
//	4000    19.6 - 20.3  16.5 - 19.9  27.2 - 27.3  0.7 - 0.8  0.7       0.7
//	max     5.7 - 6.6    5.6 - 6.1    8.7 - 11.4
//	logins                                         17 - 30    10 - 13   45 - 215
func BenchmarkWaits(b *testing.B) {
	for _, load := range []string{"4000", "max", "logins"} {
		for _, how := range []string{"nested", "raw", "portable"} {
			b.Run(load+"/"+how, func(b *testing.B) {
				what := how
				if load == "logins" {
					what += "/logins"
				}
				benchmarkWaits(b, startCarrier(b, what), load)
			})
		}
	}
}

func benchmarkWaits(b *testing.B, r *carrierProcess, load string) {
	const tunnels, rate, lasts = 500, 4000, 3 * time.Second
	pin(b, 1)
	defer unpin(b)
	var clients []net.Conn
	for range tunnels {
		ends := r.open(b, r.ports[0])
		clients = append(clients, ends[client])
		go echo(ends[backend])
	}
	trips(clients, 1)
	before, began := r.worked(b), time.Now()
	n := 0
	if load == "max" {
		for ; time.Since(began) < lasts; n += 20 * tunnels {
			trips(clients, 20)
		}
	} else {
		took := pace(clients, rate, lasts)
		n = len(took)
		slices.Sort(took)
		b.ReportMetric(float64(took[n/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[n*99/100].Microseconds()), "p99-µs")
	}
	if load != "logins" { // else most of it is the hashing
		b.ReportMetric((r.worked(b)-before)/float64(2*n)*1e6, "cpu-µs/msg")
	}
	b.ReportMetric(0, "ns/op")
}

func echo(conn net.Conn) {
	for b := make([]byte, 2048); ; {
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		conn.Write(b[:n])
	}
}

// pace has the clients talk in turn, so many round trips a second, and returns
// how long each took from when it was due.
func pace(clients []net.Conn, rate int, lasts time.Duration) (took []time.Duration) {
	msg := frame(true, true, 1, make([]byte, 64))
	step := time.Second / time.Duration(rate)
	began := time.Now().Add(10 * time.Millisecond)
	each := int(lasts/step) / len(clients)
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, c := range clients {
		all.Go(func() {
			var mine []time.Duration
			got := make([]byte, len(msg))
			for k := range each {
				due := began.Add(time.Duration(k*len(clients)+i) * step)
				time.Sleep(time.Until(due))
				c.Write(msg)
				if _, err := io.ReadFull(c, got); err != nil {
					return
				}
				mine = append(mine, time.Since(due))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	all.Wait()
	return took
}

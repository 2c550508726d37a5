//go:build linux

package relay

import (
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"testing"
)

// bulkWays are how a large frame could be carried.
var bulkWays = []struct {
	name       string
	spliceFrom uint64
	buffer     int // 0: the default
}{
	{"copy", math.MaxUint64, 0},
	{"copy-256KiB", math.MaxUint64, 256 << 10},
	{"splice", spliceFrom, 0},
}

// BenchmarkBulk says what a relay pays in CPU time for a gigabyte of frames of
// one size, from one backend to one client: a process of its own on core 0,
// with both ends on core 1. Medians of interleaved rounds. Run it alone, with
// -benchtime 1x.
func BenchmarkBulk(b *testing.B) {
	r := startCarrier(b, "bulk")
	pin(b, 1)
	defer unpin(b)
	var ends [][2]net.Conn
	for i := range bulkWays {
		ends = append(ends, r.open(b, r.ports[i]))
	}
	for _, size := range []int{16 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("frames=%dKiB", size>>10), func(b *testing.B) {
			const rounds, each = 9, 64 << 20
			f := frame(false, true, 2, make([]byte, size))
			cost := make([][]float64, len(bulkWays))
			for round := range rounds {
				for i := range bulkWays {
					i = (i + round) % len(bulkWays)
					before := r.worked(b)
					stream(b, ends[i][backend], ends[i][client], f, each/len(f))
					cost[i] = append(cost[i], (r.worked(b)-before)*(1<<30)/each)
				}
			}
			b.ReportMetric(0, "ns/op")
			for i, way := range bulkWays {
				slices.Sort(cost[i])
				b.ReportMetric(cost[i][rounds/2], "cpu-s/GB-"+way.name)
			}
		})
	}
}

// stream sends a frame n times.
func stream(b *testing.B, from io.Writer, to io.Reader, f []byte, n int) {
	go func() {
		for range n {
			from.Write(f)
		}
	}()
	buf := make([]byte, 256<<10)
	for left := n * len(f); left > 0; {
		k, err := to.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		left -= k
	}
}

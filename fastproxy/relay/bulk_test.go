//go:build linux

package relay

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
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
	r := startCarrier(b)
	pin(b, 1)
	defer unpin(b)
	var ends [][2]net.Conn
	for i := range bulkWays {
		ends = append(ends, r.open(b, i))
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

// bulkCarrier is the second process. It listens on a port for each of
// bulkWays, where the backend connects first and the client second, and says
// how long it has worked when asked.
type bulkCarrier struct {
	ask   io.Writer
	lines *bufio.Scanner
	ports []string
}

func startCarrier(b *testing.B) *bulkCarrier {
	cmd := exec.Command("taskset", "-c", "0", os.Args[0], "-test.run", "^TestCarryInASecondProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "RELAY_CARRY=yes")
	ask, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ask.Close()
		cmd.Wait()
	})
	r := &bulkCarrier{ask: ask, lines: bufio.NewScanner(out)}
	r.ports = strings.Fields(r.line(b, "ports "))
	return r
}

func (r *bulkCarrier) line(b *testing.B, prefix string) string {
	for r.lines.Scan() {
		if rest, ok := strings.CutPrefix(r.lines.Text(), prefix); ok {
			return rest
		}
	}
	b.Fatal("the second process said nothing")
	return ""
}

func (r *bulkCarrier) worked(b *testing.B) (seconds float64) {
	fmt.Fprintln(r.ask)
	fmt.Sscan(r.line(b, "worked "), &seconds)
	return seconds
}

func (r *bulkCarrier) open(b *testing.B, i int) (ends [2]net.Conn) {
	for _, s := range []side{backend, client} {
		conn, err := net.Dial("tcp", r.ports[i])
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		ends[s] = conn
	}
	return ends
}

// TestCarryInASecondProcess is the second process of BenchmarkBulk.
func TestCarryInASecondProcess(t *testing.T) {
	if os.Getenv("RELAY_CARRY") == "" {
		t.Skip("is part of BenchmarkBulk")
	}
	loops := runLoops(t, 1)
	ports := "\nports"
	for _, way := range bulkWays {
		r := New(Options{Buffer: way.buffer})
		e := newLooped([]*loop.Loop{loops[0]}, r)
		e.spliceFrom, r.engine = way.spliceFrom, e.couple
		door, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer door.Close()
		ports += " " + door.Addr().String()
		go func() {
			b, _ := door.Accept()
			c, err := door.Accept()
			if err != nil {
				return
			}
			if tunnel, err := r.Join(Leg{Conn: c}, Leg{Conn: b}, nil); err == nil {
				tunnel.Start()
			}
		}()
	}
	fmt.Println(ports)
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		fmt.Printf("\nworked %g\n", cpu().Seconds())
	}
}

// pin keeps every thread of this process on one core.
func pin(b *testing.B, core int) {
	var set unix.CPUSet
	set.Set(core)
	affinity(b, &set)
}

func unpin(b *testing.B) {
	var set unix.CPUSet
	for core := range 1024 {
		set.Set(core)
	}
	affinity(b, &set)
}

func affinity(b *testing.B, set *unix.CPUSet) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		b.Fatal(err)
	}
	for _, task := range tasks {
		var tid int
		fmt.Sscan(task.Name(), &tid)
		unix.SchedSetaffinity(tid, set)
	}
}

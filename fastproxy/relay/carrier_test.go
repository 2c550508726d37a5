//go:build linux

package relay

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fastproxy/fastproxy/loop"
)

// carrierProcess is a second process that carries, on core 0, so that its CPU
// time can be told from that of the two ends. It listens on some ports; to
// each come a backend and a client in turn, and are joined.
type carrierProcess struct {
	ask   io.Writer
	lines *bufio.Scanner
	ports []string
}

// startCarrier starts one; what says how it carries.
func startCarrier(b *testing.B, what string) *carrierProcess {
	cmd := exec.Command("taskset", "-c", "0", os.Args[0], "-test.run", "^TestCarryInASecondProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "RELAY_CARRY="+what)
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
	r := &carrierProcess{ask: ask, lines: bufio.NewScanner(out)}
	r.ports = strings.Fields(r.line(b, "ports "))
	return r
}

func (r *carrierProcess) line(b *testing.B, prefix string) string {
	for r.lines.Scan() {
		if rest, ok := strings.CutPrefix(r.lines.Text(), prefix); ok {
			return rest
		}
	}
	b.Fatal("the second process said nothing")
	return ""
}

// worked is its CPU time so far.
func (r *carrierProcess) worked(b *testing.B) (seconds float64) {
	fmt.Fprintln(r.ask)
	fmt.Sscan(r.line(b, "worked "), &seconds)
	return seconds
}

// open makes a tunnel and returns its far ends.
func (r *carrierProcess) open(b *testing.B, port string) (ends [2]net.Conn) {
	for _, s := range []side{backend, client} {
		conn, err := net.Dial("tcp", port)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		ends[s] = conn
	}
	return ends
}

// TestCarryInASecondProcess is the second process of BenchmarkBulk and
// BenchmarkWaits.
func TestCarryInASecondProcess(t *testing.T) {
	what, logins := strings.CutSuffix(os.Getenv("RELAY_CARRY"), "/logins")
	if what == "" {
		t.Skip("is part of some benchmarks")
	}
	ctx, stop := context.WithCancel(t.Context())
	var relays []*Relay
	switch what {
	case "bulk":
		for _, way := range bulkWays {
			r := New(Options{Buffer: way.buffer})
			e := newLooped(runLoops(t, 1), r)
			e.spliceFrom, r.engine = way.spliceFrom, e.couple
			relays = append(relays, r)
		}
	case "nested", "raw":
		l, err := loop.New(loop.Options{Wait: map[string]loop.Wait{"nested": loop.Nested, "raw": loop.Raw}[what]})
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan error, 1)
		go func() { over <- l.Run(ctx) }()
		defer func() { <-over }()
		relays = append(relays, NewOn([]*loop.Loop{l}, Options{}))
	case "portable":
		relays = append(relays, New(Options{}))
	}
	defer stop()
	if logins {
		hashing := make(chan struct{})
		go func() {
			defer close(hashing)
			hashUntil(ctx)
		}()
		defer func() { stop(); <-hashing }()
	}
	ports := "\nports"
	for _, r := range relays {
		door, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer door.Close()
		ports += " " + door.Addr().String()
		go joinAll(door, r)
	}
	fmt.Println(ports)
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		fmt.Printf("\nworked %g\n", cpu().Seconds())
	}
	for _, r := range relays {
		r.Drain(ctx, Farewell{})
	}
}

// joinAll joins those who come, a backend and a client in turn.
func joinAll(door net.Listener, r *Relay) {
	for {
		b, _ := door.Accept()
		c, err := door.Accept()
		if err != nil {
			return
		}
		if tunnel, err := r.Join(Leg{Conn: c}, Leg{Conn: b}, nil); err == nil {
			tunnel.Start()
		}
	}
}

// hashUntil does what a password check does: it needs a processor.
func hashUntil(ctx context.Context) {
	for b := make([]byte, 16<<20); ctx.Err() == nil; {
		sha256.Sum256(b)
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

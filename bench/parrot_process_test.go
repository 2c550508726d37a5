//go:build linux

package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newParrotProcess starts a parrot in a process of its own, which has file
// descriptors, memory and CPU of its own.
func newParrotProcess(t testing.TB) (target Target, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestBeAParrotProcess$")
	cmd.Env = append(os.Environ(), "BENCH_PARROT=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "parrot at "); ok {
			return Target{URL: "ws://" + at + "/echo", Timeout: 10 * time.Second, Pids: []int{cmd.Process.Pid}}, cmd.Process.Pid
		}
	}
	t.Fatal("the parrot's process said nothing")
	return target, 0
}

func TestBeAParrotProcess(t *testing.T) {
	if os.Getenv("BENCH_PARROT") == "" {
		t.Skip("is part of other tests")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p := newParrot(t)
	fmt.Printf("parrot at %s\n", p.at)
	<-ctx.Done()
}

func TestHoldKeepsNineThousandWebSockets(t *testing.T) {
	const n = 9000
	if limit, ok := fileLimit(); !ok || limit < n+spareFiles {
		t.Skipf("needs %d open files, has %d", n+spareFiles, limit)
	}
	target, _ := newParrotProcess(t)
	r := mustHold(t, HoldOptions{Target: target, N: n, Ramp: 4000, For: time.Second, Ping: 1000})
	c := r.Counts
	if c.Opened != n || c.OpenAtEnd != n || c.Answered != c.Sent || r.Err() != nil {
		t.Errorf("%+v, %v", c, r.Err())
	}
	if b := r.Client.BytesPerConnection; b <= 0 || b >= 1024 {
		t.Errorf("%.0f bytes a connection here", b)
	}
	if r.Client.Goroutines > 20 {
		t.Errorf("%d goroutines", r.Client.Goroutines)
	}
	u := r.Targets[0]
	if u.FDsEnd-u.FDsStart != n || u.PSSIdle <= u.PSSStart || u.CPUSeconds <= 0 || r.Derived["bytes_per_connection"] <= 0 || r.Derived["cpu_seconds_per_1000_connections"] <= 0 {
		t.Errorf("target %+v, derived %v", u, r.Derived)
	}
	t.Logf("client: %.0f B a connection, %.2f s CPU; target: %.0f B a connection; handshake p99 %.0f µs, ping p99 %.0f µs",
		r.Client.BytesPerConnection, r.Client.CPUSeconds, r.Derived["bytes_per_connection"], r.Latency["handshake"].P99, r.Latency["ping"].P99)
}

func TestHoldCountsWhoComesBackAfterARestart(t *testing.T) {
	target, pid := newParrotProcess(t)
	live := new(Live)
	go func() {
		for live.Phase() != "holding" {
			time.Sleep(time.Millisecond)
		}
		syscall.Kill(pid, syscall.SIGTERM) // and nobody starts it again
	}()
	target.PidFiles, target.Pids = []string{t.TempDir() + "/pid"}, nil
	if err := os.WriteFile(target.PidFiles[0], fmt.Appendln(nil, pid), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Hold(t.Context(), HoldOptions{Target: target, N: 50, Ramp: Max, For: 2500 * time.Millisecond, Reconnect: true, settle: 1}, live)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Counts
	if c.Lost != 50 || c.Reopened != 0 || c.Retries < 100 || c.Failed != 0 || r.Err() == nil {
		t.Errorf("%+v, %v", c, r.Err())
	}
	if !strings.Contains(r.Targets[0].Error, "is gone") {
		t.Errorf("target %+v", r.Targets[0])
	}
}

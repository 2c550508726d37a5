package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

var portsGiven atomic.Int32

// freePort returns where a program that is about to start may listen: at a port
// that the kernel gives to no connection, and that is given out once.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprint("127.0.0.1:", 31000+(os.Getpid()*101+int(portsGiven.Add(1)))%1000)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// buildPeers builds the programs of peers/ and gives their path.
func buildPeers(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "peers")
	if out, err := exec.Command("go", "build", "-o", file, "./peers").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func TestCompareRunsAPlanOverStartedTargets(t *testing.T) {
	backend, proxy := freePort(t), freePort(t)
	plan, err := ReadPlan(writePlan(t, fmt.Sprintf(`
version: 1
name: small
rounds: 2
pause: 1ms
prepare: [test -d "$PLAN", "echo 'X-A: b' > headers"]
services:
  - {name: backend, start: 'exec %[1]s backend %[2]s', ready: '%[2]s', version: echo one; echo two}
targets:
  - {name: direct, url: 'http://%[2]s/', header_file: headers}
  - {name: proxied, url: 'http://%[3]s/', start: 'exec %[1]s proxy %[3]s http://%[2]s'}
scenarios:
  - {name: idle, kind: hold, path: echo, n: 20, ramp: 1000/s, for: 300ms, ping: 100/s, echo: true, fresh: true, rounds: 1}
  - {name: talk, kind: chat, path: echo, n: 10, ramp: 1000/s, rate: max, warmup: 1ms, for: 300ms}
  - {name: page, kind: http, path: 1k, conns: 4, rate: max, body: 1024, warmup: 1ms, for: 300ms}
`, buildPeers(t), backend, proxy)))
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	c, err := Compare(context.Background(), CompareOptions{Plan: plan, Note: func(line string) { notes = append(notes, line) }}, &Live{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Err(); err != nil {
		t.Error(err)
	}
	var order []string
	for _, run := range c.Runs {
		order = append(order, fmt.Sprint(run.Round, run.Scenario, " ", run.Target))
		if run.Target == "proxied" && run.Result.Derived[c.figureKey(run.Scenario)] <= 0 {
			t.Errorf("round %d, %s: no figure of the proxy: %v", run.Round, run.Scenario, run.Result.Derived)
		}
	}
	want := "1idle direct, 1idle proxied, 1talk direct, 1talk proxied, 1page direct, 1page proxied, 2talk proxied, 2talk direct, 2page proxied, 2page direct"
	if got := strings.Join(order, ", "); got != want {
		t.Errorf("the order was\n%s, want\n%s\n%s", got, want, strings.Join(notes, "\n"))
	}
	if len(c.Versions) != 1 || c.Versions[0] != "backend: one" {
		t.Errorf("versions are %q", c.Versions)
	}
	for _, at := range []string{backend, proxy} {
		if conn, err := net.Dial("tcp", at); err == nil {
			conn.Close()
			t.Errorf("somebody still listens at %s", at)
		}
	}
}

func (c *Comparison) figureKey(scenario string) string {
	for _, s := range c.Scenarios {
		if s.Name == scenario {
			return s.Figure
		}
	}
	return ""
}

func TestCompareKeepsWhatFailedAndEndsEarlyWithTheRest(t *testing.T) {
	plan, err := ReadPlan(writePlan(t, fmt.Sprintf(`
version: 1
targets: [{name: nobody, url: 'http://%s/'}]
scenarios: [{name: page, kind: http, conns: 1, rate: max, for: 100ms, timeout: 1s}]
`, freePort(t))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := Compare(ctx, CompareOptions{Plan: plan, Note: func(string) { cancel() }}, &Live{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Runs) != 1 || c.Runs[0].Error == "" || c.Ended != "interrupted" {
		t.Errorf("%d runs, %+v, ended %q; want one that failed, and an early end", len(c.Runs), c.Runs, c.Ended)
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "1 of 1 runs do not count") {
		t.Errorf("Err is %v", err)
	}
}

func TestCompareRefusesNamesThatThePlanDoesNotHave(t *testing.T) {
	plan := &Plan{Targets: []PlanTarget{{}}, Scenarios: []PlanScenario{{Name: "s"}}}
	for _, o := range []CompareOptions{{Plan: plan, Targets: []string{"x"}}, {Plan: plan, Scenarios: []string{"x"}}} {
		var asked *UsageError
		if _, err := Compare(context.Background(), o, &Live{}); !errors.As(err, &asked) || !strings.Contains(err.Error(), `"x"`) {
			t.Errorf("got %v, want a usage error that names x", err)
		}
	}
}

func TestProgramThatDiesSaysItsLastWords(t *testing.T) {
	dir := t.TempDir()
	s := &PlanService{Name: "broken", Start: "echo cannot bind >&2; exit 3"}
	_, err := startProgram(context.Background(), s, freePort(t), dir, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot bind") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want how it ended and what it wrote", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := startProgram(context.Background(), s, l.Addr().String(), dir, nil); err == nil || !strings.Contains(err.Error(), "answers at "+l.Addr().String()+" already") {
		t.Errorf("with another on its port: %v", err)
	}
}

func TestCommandsRunOnTheirCoresAndWeStayOnOurs(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.NumCPU() < 2 {
		t.Skip("needs Linux and two cores")
	}
	out := filepath.Join(t.TempDir(), "out")
	allowed := func() string {
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		return valueOf(string(text), "Cpus_allowed_list")
	}
	before := allowed()
	cmd := shell("grep Cpus_allowed_list /proc/self/status > "+out, t.TempDir(), nil)
	if err := startOn(cmd, []int{1}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if got := valueOf(string(text), "Cpus_allowed_list"); err != nil || got != "1" {
		t.Errorf("the command ran on %q (%v), want 1", got, err)
	}
	undo, err := pinSelf([]int{0})
	if err != nil {
		t.Fatal(err)
	}
	during := allowed()
	undo()
	if after := allowed(); during != "0" || after != before {
		t.Errorf("this process was on %q, then %q, then %q; want 0 in between", before, during, after)
	}
	if err := startOn(shell("true", t.TempDir(), nil), []int{900}); err == nil || !strings.Contains(err.Error(), "pin to cores [900]") {
		t.Errorf("a core that is not there: %v", err)
	}
}

func TestBusySecondsLeaveOutIdleAndGuests(t *testing.T) {
	if got := busySeconds("cpu  100 20 30 9000 800 5 6 7 50 60\ncpu0 1 1 1 1\n"); math.Abs(got-1.68) > 1e-9 {
		t.Errorf("got %v, want 1.68: user, nice, system, irq, softirq, steal", got)
	}
}

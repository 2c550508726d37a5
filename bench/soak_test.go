//go:build linux

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a soak puts on the proxy, and by how much it may differ afterwards. A
// leak of one descriptor, goroutine or 100 bytes for each connection that died
// would be many thousands in ten minutes.
const (
	soakTunnels = 9000
	soakRamp    = Rate(1000)
	soakChurn   = Rate(200)  // tunnels that die, a second
	soakEchoes  = Rate(1000) // round trips a second
	soakGets    = Rate(300)  // requests a second, on 64 connections

	sparedFiles      = 2
	sparedGoroutines = 4
	sparedMemory     = 2 << 20 // and a tenth
	settleWithin     = 3 * time.Minute
)

// TestSoak has a real fastproxy carry 9,000 tunnels of which some die and come
// every moment, in every way in which connections end, and requests beside
// them: `make soak` for ten minutes, SOAK=1m make soak for one. Afterwards it
// must have as many descriptors, goroutines and bytes as after a first short
// load. It wants fastproxy, sspasswd and peers in PATH.
func TestSoak(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("SOAK"))
	if os.Getenv("SOAK") == "" {
		t.Skip("make soak runs it, for the time that SOAK says")
	}
	if err != nil {
		t.Fatalf("SOAK: found %q, want a time such as 10m", os.Getenv("SOAK"))
	}
	s := newSoaked(t)
	t.Logf("at the start:          %v", s.settled(t, nil))

	s.load(t, 5*time.Second)
	before := s.settled(t, nil)
	t.Logf("after a first load:    %v", before)

	s.load(t, d)
	after := s.settled(t, &before)
	t.Logf("after %-8v         %v", d, after)
	for _, fault := range after.beyond(before) {
		t.Errorf("after %v with %d tunnels, %.0f of which died each second, fastproxy has %s", d, soakTunnels, float64(soakChurn), fault)
	}
	if after.goroutines > before.goroutines+sparedGoroutines {
		t.Logf("its goroutines:\n%s", s.control(t, "/debug/pprof/goroutine?debug=1"))
	}
}

// soaked is the proxy under test.
type soaked struct {
	target Target // the app's page, signed in
	pid    int
	client *http.Client // of its control socket
}

func newSoaked(t *testing.T) *soaked {
	dir, ctx := t.TempDir(), t.Context()
	backend, door, ops := freePort(t), freePort(t), freePort(t)
	control := filepath.Join(dir, "control.sock")
	settings := fmt.Sprintf(`listen: %[1]s
public_url: http://%[1]s
ops_listen: %[2]s
control_socket: %[3]s
passwd:
  file: passwd
log:
  file: fastproxy.log
mounts:
  - path: /reports/
    upstream: [http://%[4]s]
    upstream_path: /reports/
    allow: signed_in
`, door, ops, control, backend)
	if err := os.WriteFile(filepath.Join(dir, "fastproxy.yml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(ctx, "echo kim-password | sspasswd -C 0.05 -c passwd kim && mkdir -m 700 state", dir, nil); err != nil {
		t.Fatal(err)
	}
	var proxy *program
	for _, p := range []PlanService{
		{Name: "backend", Start: "exec peers backend " + backend, Ready: backend},
		{Name: "fastproxy", Start: "exec fastproxy serve --config fastproxy.yml", Ready: door, Env: []string{"STATE_DIR=state"}},
	} {
		var err error
		if proxy, err = startProgram(context.WithoutCancel(ctx), &p, p.Ready, dir, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.stop)
	}
	s := &soaked{
		pid: proxy.cmd.Process.Pid,
		client: &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true, // or the proxy has one more connection
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", control)
			},
		}},
	}
	s.target = Target{URL: "http://" + door + "/reports/", Pids: []int{s.pid}}
	in := SignIn{Logins: []Login{{User: "kim", Password: "kim-password"}}}
	var err error
	if s.target.Header, err = in.Header(ctx, s.target); err != nil {
		t.Fatal(err)
	}
	return s
}

// load is the tunnels and the requests, for d once all tunnels are open.
func (s *soaked) load(t *testing.T, d time.Duration) {
	t.Helper()
	tunnels, pages := s.target, s.target
	tunnels.URL = strings.Replace(s.target.URL, "http", "ws", 1) + "echo"
	pages.URL += "1k"
	pages.Pids = nil
	var both sync.WaitGroup
	play := func(name string, run func(live *Live) (*Result, error)) {
		live := new(Live)
		both.Go(func() {
			r, err := run(live)
			if err == nil {
				err = r.Err()
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if r != nil {
				t.Logf("%s: %d opened, %d died and were replaced, %d answers; %s", name, r.Counts.Opened, r.Counts.Visits, r.Counts.Answered, r.use())
			}
		})
	}
	play("tunnels", func(live *Live) (*Result, error) {
		return Hold(t.Context(), HoldOptions{Target: tunnels, N: soakTunnels, Ramp: soakRamp, For: d, Ping: soakEchoes, Echo: true, Churn: soakChurn}, live)
	})
	play("requests", func(live *Live) (*Result, error) {
		return HTTP(t.Context(), HTTPOptions{Target: pages, Conns: 64, Rate: soakGets, For: d, Size: 1024}, live)
	})
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// use is what the watched process used, in a line.
func (r *Result) use() string {
	var parts []string
	for _, u := range r.Targets {
		var most int64
		for _, p := range u.Series {
			most = max(most, p.PSS)
		}
		parts = append(parts, fmt.Sprintf("%s, %s at most", u.line(), size(float64(most))))
	}
	return strings.Join(parts, "; ")
}

// soakReading is what the proxy has at a moment without connections.
type soakReading struct {
	files, goroutines int
	memory            int64
}

func (r soakReading) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %s of memory", r.files, r.goroutines, size(float64(r.memory)))
}

// beyond says in what r is more than before was.
func (r soakReading) beyond(before soakReading) (faults []string) {
	if r.files > before.files+sparedFiles {
		faults = append(faults, fmt.Sprintf("%s descriptors, %d before", thousands(int64(r.files)), before.files))
	}
	if r.goroutines > before.goroutines+sparedGoroutines {
		faults = append(faults, fmt.Sprintf("%s goroutines, %d before", thousands(int64(r.goroutines)), before.goroutines))
	}
	if r.memory > before.memory+before.memory/10+sparedMemory {
		faults = append(faults, fmt.Sprintf("%s of memory, %s before", size(float64(r.memory)), size(float64(before.memory))))
	}
	return faults
}

// settled waits until what the proxy has no longer gets less, or, where it is
// known what it had before, until it has no more than that; not for ever.
func (s *soaked) settled(t *testing.T, before *soakReading) soakReading {
	t.Helper()
	last := s.read(t)
	for still, until := 0, time.Now().Add(settleWithin); time.Now().Before(until); {
		time.Sleep(2 * time.Second)
		now := s.read(t)
		if before != nil && len(now.beyond(*before)) == 0 {
			return now
		}
		if still++; now.files < last.files || now.goroutines < last.goroutines || now.memory < last.memory-last.memory/100 {
			still = 0
		}
		if last = now; before == nil && still >= 4 {
			break
		}
	}
	return last
}

func (s *soaked) read(t *testing.T) soakReading {
	t.Helper()
	s.control(t, "/debug/pprof/heap?gc=1") // collects
	total, _, _ := strings.Cut(strings.TrimPrefix(s.control(t, "/debug/pprof/goroutine?debug=1"), "goroutine profile: total "), "\n")
	n, err := strconv.Atoi(total)
	if err != nil {
		t.Fatalf("found the goroutine profile %q, want a number", clip(total, 60))
	}
	now, err := useOf(s.pid)
	if err != nil {
		t.Fatalf("fastproxy: %v", err)
	}
	return soakReading{files: now.fds, goroutines: n, memory: now.pss}
}

// control asks the control socket.
func (s *soaked) control(t *testing.T, path string) string {
	t.Helper()
	answer, err := s.client.Get("http://control" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, answer.StatusCode, err)
	}
	return string(text)
}

func TestWhatASoakLeavesBehindIsNamed(t *testing.T) {
	before := soakReading{files: 22, goroutines: 21, memory: 30 << 20}
	if faults := (soakReading{files: 23, goroutines: 22, memory: 34 << 20}).beyond(before); len(faults) != 0 {
		t.Errorf("a little more is %q", faults)
	}
	got := strings.Join((soakReading{files: 1022, goroutines: 1021, memory: 40 << 20}).beyond(before), ", ")
	if want := "1,022 descriptors, 22 before, 1,021 goroutines, 21 before, 41.9 MB of memory, 31.5 MB before"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

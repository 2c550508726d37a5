package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fastproxy/bench"
)

// TestMain makes this test binary fastbench itself when a test asks for that.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_FASTBENCH") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fastbench is a process of it.
func fastbench(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TEST_FASTBENCH=1", "FASTBENCH_LOGIN=")
	return cmd
}

// ends runs it to its end.
func ends(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	cmd := fastbench(args...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	cmd.Run()
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// page is a server that says the same to everybody.
func page(t *testing.T, status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("hello"))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func TestWrongUseEndsWithTwoAndSaysWhat(t *testing.T) {
	here := t.TempDir()
	for _, c := range []struct {
		args string
		want string
	}{
		{"", "expected one of"},
		{"dance", "unexpected argument dance"},
		{"hold", `expected "<URL>"`},
		{"hold ws://h/ --ramp fast", `found rate "fast"`},
		{"chat ws://h/ --size 9..1", `found size "9..1"`},
		{"http http://h/ --method POST", "--method must be one of"},
		{"http http://h/ -H nothing", `want "Name: value"`},
		{"http http://h/ --login nobody", "want user:password"},
		{"http http://h/ --json " + here + "/no/file", "no such file or directory"},
		{"http ftp://h/", "want ws://, wss://, http:// or https://"},
		{"record http://h/ --pid 1", "unknown flag --pid"}, // nothing is measured there
		{"compare " + here + "/plan.yml", "no such file"},
		{"replay " + here + "/recording.log http://127.0.0.1:1/ --output-dir " + here + "/out", "no such file"},
		{"replay", `expected "<RECORDING> <URL>"`},
		{"replay r.log http://h/ --log-level loud", `found level "loud"`},
		{"replay " + here + "/recording.log http://127.0.0.1:1/ --log-level WARN --output-dir " + here + "/out", "no such file"},
	} {
		code, out, errs := ends(t, strings.Fields(c.args)...)
		want := exitUsage
		if strings.HasPrefix(c.args, "compare") {
			want = exitFailed // a file that cannot be read
		}
		if code != want || !strings.Contains(errs, c.want) || out != "" || strings.Contains(errs, "bench: bench:") {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", c.args, code, out, errs, want, c.want)
		}
	}
	if code, out, _ := ends(t, "--help"); code != exitOK || !strings.Contains(out, "replay") {
		t.Errorf("--help: exit %d, %q", code, out)
	}
	if code, out, _ := ends(t, "version"); code != exitOK || !strings.HasPrefix(out, "fastbench ") {
		t.Errorf("version: exit %d, %q", code, out)
	}
}

func TestARunWritesItsFiguresAsTextAndJSONAndPage(t *testing.T) {
	dir := t.TempDir()
	file, report := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	code, out, errs := ends(t, "http", page(t, 200), "--conns", "2", "--rate", "200/s", "--warmup", "10ms", "--for", "300ms", "--json", file, "--report", report)
	if code != exitOK || !strings.Contains(out, "2 of 2 opened") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.Result
	if err := json.Unmarshal(text, &r); err != nil || r.Schema != bench.SchemaVersion || r.Scenario != "http" || r.Counts.Answered == 0 {
		t.Errorf("the JSON holds %+v, %v", r.Counts, err)
	}
	if html, err := os.ReadFile(report); err != nil || !strings.Contains(string(html), "<title>fastbench http "+r.URL) {
		t.Errorf("the report is no report: %v", err)
	}
}

func TestWrongAnswersEndWithOne(t *testing.T) {
	for _, url := range []string{page(t, 503), "http://127.0.0.1:1/"} {
		code, out, errs := ends(t, "http", url, "--conns", "1", "--rate", "200/s", "--for", "100ms", "--warmup", "1ms", "--timeout", "2s", "-q")
		if code != exitFailed || out == "" || !strings.Contains(errs, "fastbench: http: ") {
			t.Errorf("%s: exit %d\n%s%s", url, code, out, errs)
		}
	}
}

func TestCtrlCEndsARunThatStillReports(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
	})}
	go s.Serve(l)
	defer s.Close()
	cmd := fastbench("http", "http://"+l.Addr().String()+"/", "--conns", "1", "--rate", "100/s", "--for", "10m", "--size", "0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	cmd.Process.Signal(syscall.SIGINT)
	var lines []string
	for in := bufio.NewScanner(out); in.Scan(); {
		lines = append(lines, in.Text())
	}
	err = cmd.Wait()
	if text := strings.Join(lines, "\n"); err != nil || !strings.Contains(text, "interrupted") || !strings.Contains(text, "1 of 1 opened") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestReplayHasTheFlagsOfShinycannon(t *testing.T) {
	_, out, _ := ends(t, "replay", "--help")
	for _, flag := range []string{"--workers", "--loaded-duration-minutes", "--start-interval", "--header", "-H,", "--output-dir", "--overwrite-output", "--debug-log", "--log-level"} {
		if !strings.Contains(out, flag) {
			t.Errorf("replay has no %s", flag)
		}
	}
}

func TestATargetsNameMayHoldAComma(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.yml")
	text := "version: 1\ntargets: [{name: 'a, b', url: 'http://127.0.0.1:1/'}]\nscenarios: [{name: s, kind: http, conns: 1, rate: max}]\n"
	if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := ends(t, "compare", plan, "--target", "a, b", "--scenario", "x"); code != exitUsage || !strings.Contains(errs, `no scenario "x"`) {
		t.Errorf("exit %d, %q; want the target found and the scenario not", code, errs)
	}
}

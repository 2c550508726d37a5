package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func replayOf(t *testing.T, address, recording string, more ...func(*ReplayOptions)) (*Result, string) {
	t.Helper()
	o := ReplayOptions{Target: Target{URL: address}, Recording: recording, OutputDir: t.TempDir() + "/out"}
	for _, change := range more {
		change(&o)
	}
	r, err := Replay(t.Context(), o, &Live{})
	if err != nil {
		t.Fatal(err)
	}
	return r, o.OutputDir
}

func TestBothSamplesAreReplayed(t *testing.T) {
	for _, sample := range samples {
		s := newStandIn(t, sample)
		r, _ := replayOf(t, s.URL, quick(t, sample, nil), func(o *ReplayOptions) { o.Workers = 3 })
		if err := r.Err(); err != nil {
			t.Errorf("%s: %v", sample, err)
		}
		if r.Counts.Sessions != 3 || r.Counts.Opened != 3 || r.Counts.OpenAtEnd != 0 || r.Ended != "done" || len(r.Sessions) != 3 {
			t.Errorf("%s: %+v, %d traces, %s", sample, r.Counts, len(r.Sessions), r.Ended)
		}
		if n := s.posts["/session/${SESSION}/upload/${UPLOAD_JOB_ID}?w="]; n != 20000 {
			t.Errorf("%s: %d bytes were posted, want 20000", sample, n)
		}
		for kind, want := range map[string]int64{"page": 3, "handshake": 3, "upload": 3, "session": 3} {
			if got := r.Latency[kind].Count; got != want {
				t.Errorf("%s: timed %d %ss, want %d", sample, got, kind, want)
			}
		}
	}
}

// TestEveryChangedStatusAndKeyIsNoticedAtItsLine changes one thing of the
// recording at a time: each recorded status, and each top-level key of each
// message from the server.
func TestEveryChangedStatusAndKeyIsNoticedAtItsLine(t *testing.T) {
	for _, sample := range samples {
		s := newStandIn(t, sample)
		statuses, keys := 0, 0
		for i := range s.recording.Events {
			e := s.recording.Events[i]
			if e.Status != 0 {
				statuses++
				other := map[int]int{200: 404, 404: 200}[e.Status]
				failsAt(t, s, sample, e.Line, fmt.Sprintf(`"status":%d`, e.Status), fmt.Sprintf(`"status":%d`, other))
			}
			for _, key := range e.want.keys {
				keys++
				quote := `\"`
				if s.recording.sockJS() {
					quote = `\\\"`
				}
				failsAt(t, s, sample, e.Line, quote+key+quote+":", quote+key+"X"+quote+":")
			}
			if e.want.literal != "" {
				keys++
				failsAt(t, s, sample, e.Line, `"message":"o"`, `"message":"{\"o\":1}"`)
			}
		}
		if statuses < 18 || keys < 12 {
			t.Errorf("%s: changed %d statuses and %d keys, want more", sample, statuses, keys)
		}
	}
}

var failRow = regexp.MustCompile(`(?m)^0,0,0,PLAYBACK_FAIL,\d+,(\d+),$`)

// failsAt replays a sample in which one line was changed.
func failsAt(t *testing.T, s *standIn, sample string, line int, old, new string) {
	t.Helper()
	path := quick(t, sample, func(text string) string {
		lines := strings.Split(text, "\n")
		if !strings.Contains(lines[line-1], old) {
			t.Fatalf("line %d has no %s", line, old)
		}
		lines[line-1] = strings.Replace(lines[line-1], old, new, 1)
		return strings.Join(lines, "\n")
	})
	r, dir := replayOf(t, s.URL, path)
	text := sessionFiles(t, dir)["0_0_0.csv"]
	m := failRow.FindStringSubmatch(text)
	if m == nil || m[1] != fmt.Sprint(line) || !strings.HasSuffix(text, m[0]+"\n") {
		t.Errorf("%s line %d, %s made %s: the session ends with\n%s", sample, line, old, new, text[max(0, len(text)-300):])
	}
	if r.Counts.Sessions != 0 || r.Counts.Wrong != 1 || r.Counts.FailedSessions != 1 || r.Err() == nil || !r.Sessions[0].Failed {
		t.Errorf("%s line %d: %+v", sample, line, r.Counts)
	}
}

// TestTheOutputDirectoryIsThatOfShinycannon compares whole files, times aside.
func TestTheOutputDirectoryIsThatOfShinycannon(t *testing.T) {
	s := newStandIn(t, samples[0])
	r, dir := replayOf(t, s.URL, quick(t, samples[0], nil), func(o *ReplayOptions) {
		o.Args = []string{"recording.log", s.URL, "--workers", "1", "-H", "Cookie: a=secret", "--login=kim:secret", "-HAuthorization: Bearer secret"}
		o.Header = http.Header{"Cookie": {"a=secret"}}
		o.DebugLog = true
	})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	text := sessionFiles(t, dir)["0_0_0.csv"]
	lines := strings.Split(text, "\n")
	if lines[0] != "# recording.log "+s.URL+" --workers 1 -H Cookie:… --login=kim:… -H=Authorization:…" {
		t.Errorf("the first comment is %s", lines[0])
	}
	if !strings.HasPrefix(lines[1], "# {") || !json.Valid([]byte(lines[1][2:])) {
		t.Errorf("the second comment is %s", lines[1])
	}
	var want strings.Builder
	want.WriteString("session_id,worker_id,iteration,event,timestamp,input_line_number,comment\n0,0,0,PLAYER_SESSION_CREATE,T,0,\n")
	for _, e := range s.recording.Events {
		fmt.Fprintf(&want, "0,0,0,%s_START,T,%d,\n0,0,0,%s_END,T,%d,\n", e.Type, e.Line, e.Type, e.Line)
	}
	want.WriteString("0,0,0,PLAYBACK_DONE,T,0,\n")
	got := regexp.MustCompile(`,\d{13},`).ReplaceAllString(strings.Join(lines[2:], "\n"), ",T,")
	if got != want.String() {
		t.Errorf("the CSV file is\n%s\nwant\n%s", got, want.String())
	}
	recorded, _ := os.ReadFile(dir + "/recording.log")
	version, _ := os.ReadFile(dir + "/shinycannon-version.txt")
	if string(recorded) != quickText(t, samples[0]) || !strings.HasPrefix(string(version), "1.1") {
		t.Errorf("recording.log has %d bytes, the version is %s", len(recorded), version)
	}
	debug, _ := os.ReadFile(dir + "/debug.log")
	if !strings.Contains(string(debug), "msg=received") || !strings.Contains(string(debug), "msg=sent") {
		t.Errorf("the debug log is\n%.500s", debug)
	}
	all := text + string(debug) + string(version)
	if strings.Contains(all, "secret") || strings.Contains(all, strings.Repeat("0", 31)+"1") {
		t.Error("a secret is in the output")
	}
}

func quickText(t *testing.T, sample string) string {
	t.Helper()
	text, err := os.ReadFile(quick(t, sample, nil))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAPersonThinksOnlyWhereShinycannonSleeps gives every event of a recording
// a begin of its own.
func TestAPersonThinksOnlyWhereShinycannonSleeps(t *testing.T) {
	s := newStandIn(t, samples[0])
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	begins := regexp.MustCompile(`"begin":"[^"]*"`)
	path := edited(t, samples[0], func(text string) string {
		return begins.ReplaceAllStringFunc(text, func(string) string {
			at = at.Add(10 * time.Millisecond)
			return `"begin":"` + at.Format("2006-01-02T15:04:05.000Z") + `"`
		})
	})
	r, dir := replayOf(t, s.URL, path)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	var slept, want []string
	for line := range strings.Lines(sessionFiles(t, dir)["0_0_0.csv"]) {
		if f := strings.Split(line, ","); len(f) > 5 && f[3] == "PLAYBACK_SLEEPBEFORE_START" {
			slept = append(slept, f[5])
		}
	}
	open := false
	for _, e := range s.recording.Events {
		if e.Type == wsSend || e.Type == wsClose || e.Type == reqGet && open {
			want = append(want, fmt.Sprint(e.Line))
		}
		open = open || e.Type == wsOpen
	}
	if !slices.Equal(slept, want) {
		t.Errorf("slept before lines %v, want %v", slept, want)
	}
	if p := r.Latency["session"]; p.Min < float64(10_000*len(want)) {
		t.Errorf("the session took %.0f µs, want at least %d", p.Min, 10_000*len(want))
	}
}

func TestWorkersPlayOnWhileTheLoadIsKeptUp(t *testing.T) {
	s := newStandIn(t, samples[0])
	r, dir := replayOf(t, s.URL, quick(t, samples[0], nil), func(o *ReplayOptions) {
		o.Workers, o.StartInterval, o.LoadedDuration = 4, 10*time.Millisecond, 2*time.Second
	})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	files := sessionFiles(t, dir)
	if len(files) != r.Counts.Sessions || len(files) <= 4 || s.most < 2 {
		t.Errorf("%d files of %d sessions, %d at once", len(files), r.Counts.Sessions, s.most)
	}
	seen := map[string]bool{}
	for name := range files {
		var session, worker, iteration int
		if n, _ := fmt.Sscanf(name, "%d_%d_%d.csv", &session, &worker, &iteration); n != 3 || worker > 3 || session >= len(files) || seen[fmt.Sprint(session)] {
			t.Errorf("a file is called %s", name)
		}
		seen[fmt.Sprint(session)] = true
	}
	if len(r.Sessions) > 2+drawnTraces {
		t.Errorf("%d traces", len(r.Sessions))
	}
}

func TestManyWorkersPlayAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("many sockets: not with -short")
	}
	s := newStandIn(t, samples[1])
	r, _ := replayOf(t, s.URL, quick(t, samples[1], nil), func(o *ReplayOptions) { o.Workers, o.OutputDir = 60, "" })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Sessions != 60 {
		t.Errorf("%+v", r.Counts)
	}
}

func TestASocketThatTheServerEndsFailsTheSession(t *testing.T) {
	s := newStandIn(t, samples[0])
	send := slices.IndexFunc(s.recording.Events, func(e Event) bool { return e.Type == wsReceive })
	s.closer = func(int) int { return send }
	r, dir := replayOf(t, s.URL, quick(t, samples[0], nil))
	if r.Counts.Lost != 1 || r.CloseCodes["eof"] != 1 || r.Counts.OpenAtEnd != 0 || r.Counts.Failed+r.Counts.Wrong != 0 {
		t.Errorf("%+v, close codes %v", r.Counts, r.CloseCodes)
	}
	if len(r.Failures) != 1 || r.Failures[0].Kind != "lost: eof" || !strings.HasSuffix(r.Failures[0].Sample, ": the server ended the socket: eof") {
		t.Errorf("failures are %v", r.Failures)
	}
	if m := failRow.FindStringSubmatch(sessionFiles(t, dir)["0_0_0.csv"]); m == nil {
		t.Error("no PLAYBACK_FAIL")
	}
	if text := summaryOf(t, r); !strings.Contains(text, "0 done, 1 failed") {
		t.Errorf("the summary does not count it:\n%s", text)
	}
}

func TestATargetThatIsAwayIsCountedAndNotRunDown(t *testing.T) {
	r, dir := replayOf(t, "http://127.0.0.1:1", quick(t, samples[0], nil), func(o *ReplayOptions) {
		o.Workers, o.LoadedDuration = 2, 200*time.Millisecond
	})
	if n := len(sessionFiles(t, dir)); n != 2 {
		t.Errorf("%d sessions were tried in 0.2 s, want each worker to wait after its first", n)
	}
	if len(r.Failures) != 1 || r.Failures[0].Kind != "refused" || r.Failures[0].Count != 2 || r.Counts.Failed != 2 || r.Err() == nil {
		t.Errorf("%+v, failures %v", r.Counts, r.Failures)
	}
}

func TestStatusesOfATargetThatRefusesAreCountedByKind(t *testing.T) {
	s := newStandIn(t, samples[0])
	s.cookie = "pass=1"
	r, _ := replayOf(t, s.URL, quick(t, samples[0], nil))
	if len(r.Failures) != 1 || r.Failures[0].Kind != "status 401" || r.Failures[0].Sample != "line 4: REQ_HOME /: answered 401, recorded is 200" {
		t.Errorf("failures are %v", r.Failures)
	}
	r, _ = replayOf(t, s.URL, quick(t, samples[0], nil), func(o *ReplayOptions) { o.Header = http.Header{"Cookie": {"pass=1"}} })
	if err := r.Err(); err != nil {
		t.Errorf("with the cookie: %v", err)
	}
	s.down = true
	r, _ = replayOf(t, s.URL, quick(t, samples[0], nil))
	if r.Failures[0].Kind != "status 503" {
		t.Errorf("failures are %v", r.Failures)
	}
}

func TestAnInterruptedReplayStillReports(t *testing.T) {
	s := newStandIn(t, samples[0])
	ctx, cancel := context.WithCancel(t.Context())
	live := &Live{}
	go func() {
		for live.Open.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	dir := t.TempDir() + "/out"
	r, err := Replay(ctx, ReplayOptions{Target: Target{URL: s.URL}, Recording: samples[0], Workers: 2, LoadedDuration: time.Hour, OutputDir: dir}, live)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != "interrupted" || r.Err() != nil || len(r.Notes) != 1 || r.Counts.Opened != 2 {
		t.Errorf("%s, %v, notes %v", r.Ended, r.Err(), r.Notes)
	}
	for name, text := range sessionFiles(t, dir) {
		if strings.Contains(text, "PLAYBACK_DONE") || strings.Contains(text, "PLAYBACK_FAIL") || !strings.Contains(text, "WS_OPEN_END") {
			t.Errorf("%s is\n%s", name, text)
		}
	}
}

func TestWhatCannotBePlayedIsRefusedBeforeAnythingIsSent(t *testing.T) {
	sent := 0
	s := serve(t, func(http.ResponseWriter, *http.Request) { sent++ })
	used := t.TempDir()
	os.WriteFile(used+"/thesis.txt", []byte("x"), 0o600)
	for what, change := range map[string]func(*ReplayOptions){
		"a missing recording":         func(o *ReplayOptions) { o.Recording = "nowhere.log" },
		"no URL":                      func(o *ReplayOptions) { o.URL = "" },
		"a WebSocket's URL":           func(o *ReplayOptions) { o.URL = "ws://a/" },
		"fewer than no workers":       func(o *ReplayOptions) { o.Workers = -1 },
		"a transport for plain Shiny": func(o *ReplayOptions) { o.Transport = XHR },
		"an unknown transport":        func(o *ReplayOptions) { o.Transport = "pigeon" },
		"an output that is there":     func(o *ReplayOptions) { o.OutputDir = used },
		"an output of something else": func(o *ReplayOptions) { o.OutputDir, o.Overwrite = used, true },
		"--oidc without a login":      func(o *ReplayOptions) { o.SignIn.OIDC = true },
		"a debug log for nowhere":     func(o *ReplayOptions) { o.OutputDir, o.DebugLog = "", true },
		"more workers than files":     func(o *ReplayOptions) { o.Workers = 50_000_000 },
		"a process that is not there": func(o *ReplayOptions) { o.Pids = []int{1 << 30} },
		"a missing API key": func(o *ReplayOptions) {
			o.Recording = quick(t, samples[0], func(s string) string { return strings.Replace(s, "\n{", "\n# rscApiKeyRequired: true\n{", 1) })
		},
	} {
		o := ReplayOptions{Target: Target{URL: s.URL}, Recording: samples[0], OutputDir: t.TempDir() + "/out"}
		change(&o)
		_, err := Replay(t.Context(), o, &Live{})
		var u *UsageError
		if !errors.As(err, &u) {
			t.Errorf("%s: %v, want a UsageError", what, err)
		}
		if _, err := os.Stat(o.OutputDir); o.OutputDir != "" && o.OutputDir != used && err == nil {
			t.Errorf("%s: an output directory was made", what)
		}
	}
	if _, err := os.Stat(used + "/thesis.txt"); err != nil || sent != 0 {
		t.Errorf("sent %d requests, %v", sent, err)
	}
}

func TestAnOutputDirectoryOfAnEarlierReplayIsReplaced(t *testing.T) {
	s := newStandIn(t, samples[0])
	path := quick(t, samples[0], nil)
	_, dir := replayOf(t, s.URL, path, func(o *ReplayOptions) { o.Workers = 2 })
	_, again := replayOf(t, s.URL, path, func(o *ReplayOptions) { o.OutputDir, o.Overwrite = dir, true })
	if n := len(sessionFiles(t, again)); n != 1 {
		t.Errorf("%d sessions are there, want one", n)
	}
}

func summaryOf(t *testing.T, r *Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteSummary(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

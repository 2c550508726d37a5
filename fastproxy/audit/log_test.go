package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a writer that a test can look at, block and break.
type sink struct {
	mu    sync.Mutex
	b     bytes.Buffer
	fails error // of every write, after the bytes in room
	room  int
	gate  chan struct{} // not nil: a write waits until it is closed
	began chan struct{} // not nil: closed by the first write
	once  sync.Once
}

func (s *sink) Write(p []byte) (int, error) {
	if s.began != nil {
		s.once.Do(func() { close(s.began) })
	}
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		n := min(len(p), s.room)
		s.room -= n
		s.b.Write(p[:n])
		return n, s.fails
	}
	return s.b.Write(p)
}

func (s *sink) lines(t *testing.T) []map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return parseLines(t, s.b.String())
}

func parseLines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for l := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("a line that is no JSON: %q: %v", l, err)
		}
		all = append(all, m)
	}
	return all
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func count(all []map[string]any, key string, value any) (n int) {
	for _, m := range all {
		if m[key] == value {
			n++
		}
	}
	return n
}

func access() *Access {
	return &Access{Start: time.Unix(1700000000, 0).UTC(), Duration: 1500 * time.Microsecond, RequestID: "4711", Client: netip.MustParseAddr("192.0.2.7"),
		Method: "GET", Path: "/reports/", Host: "apps.example.org", UserAgent: "curl", Kind: "page", Mount: "/reports/", Upstream: "127.0.0.1:3838",
		Status: 200, BytesIn: 3, BytesOut: 4096, User: "auth0|kim", Login: "oidc"}
}

func TestRecordsHaveTheNamesThatShippersKnow(t *testing.T) {
	tunnel := access()
	tunnel.WebSocket, tunnel.Status, tunnel.ClosedBy, tunnel.Reason = true, 101, "client", "bye"
	logout := &Event{Action: Logout, RequestID: "4711", Client: netip.MustParseAddr("2001:db8::1"), User: "passwd:tina", Login: "passwd", Streams: 2}
	failed := &Event{Action: LoginFailed, RequestID: "4712", Issuer: "https://issuer.example/", Path: "/callback", Reason: "access_denied"}
	for _, c := range []struct {
		name   string
		record any
		want   string
	}{
		{"access", access(), `{"@timestamp":"2023-11-14T22:13:20.0015Z","event.dataset":"fastproxy.access","event.duration":1500000,"event.outcome":"success",
			"http.request.id":"4711","http.request.method":"GET","http.request.body.bytes":3,"http.response.status_code":200,"http.response.body.bytes":4096,
			"url.path":"/reports/","url.domain":"apps.example.org","user_agent.original":"curl","client.address":"192.0.2.7","user.id":"auth0|kim","fastproxy.login":"oidc",
			"fastproxy.kind":"page","fastproxy.mount":"/reports/","fastproxy.upstream":"127.0.0.1:3838","log.level":"info","message":"GET /reports/"}`},
		{"nobody known", &Access{Start: time.Unix(1700000000, 0).UTC(), RequestID: "1", Method: "GET", Path: "/", Status: 502, Reason: "upstream_unreachable"},
			`{"@timestamp":"2023-11-14T22:13:20Z","event.dataset":"fastproxy.access","event.duration":0,"event.outcome":"failure","event.reason":"upstream_unreachable",
			"http.request.id":"1","http.request.method":"GET","http.request.body.bytes":0,"http.response.status_code":502,"http.response.body.bytes":0,
			"url.path":"/","log.level":"info","message":"GET /"}`},
		{"websocket", tunnel, `{"@timestamp":"2023-11-14T22:13:20.0015Z","event.dataset":"fastproxy.websocket","event.duration":1500000,"event.outcome":"success",
			"http.request.id":"4711","http.request.method":"GET","http.request.body.bytes":3,"http.response.status_code":101,"http.response.body.bytes":4096,
			"url.path":"/reports/","url.domain":"apps.example.org","user_agent.original":"curl","client.address":"192.0.2.7","user.id":"auth0|kim","fastproxy.login":"oidc",
			"fastproxy.kind":"page","fastproxy.mount":"/reports/","fastproxy.upstream":"127.0.0.1:3838","fastproxy.closed_by":"client","event.reason":"bye",
			"log.level":"info","message":"GET /reports/"}`},
		{"logout", logout, `{"event.dataset":"fastproxy.audit","event.action":"logout","event.outcome":"success","http.request.id":"4711","client.address":"2001:db8::1",
			"user.id":"passwd:tina","fastproxy.login":"passwd","fastproxy.streams_closed":2,"log.level":"info","message":"logout"}`},
		{"failed login", failed, `{"event.dataset":"fastproxy.audit","event.action":"login_failed","event.outcome":"failure","event.reason":"access_denied","http.request.id":"4712",
			"fastproxy.issuer":"https://issuer.example/","url.path":"/callback","log.level":"warn","message":"login_failed"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &sink{}
			l := New(s, zapcore.InfoLevel)
			switch r := c.record.(type) {
			case *Access:
				l.Access(r)
			case *Event:
				l.Event(r)
			}
			closeLog(t, l)
			got := s.lines(t)[0]
			var want map[string]any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if _, timed := want["@timestamp"]; !timed { // an event's is now
				if at, err := time.Parse(time.RFC3339Nano, got["@timestamp"].(string)); err != nil || time.Since(at) > time.Minute {
					t.Errorf("time %v: %v", got["@timestamp"], err)
				}
				delete(got, "@timestamp")
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s: found %v, want %v", k, got[k], v)
				}
				delete(got, k)
			}
			if len(got) > 0 {
				t.Errorf("unexpected fields: %v", got)
			}
		})
	}
}

func TestHostileTextStaysInsideItsField(t *testing.T) {
	s := &sink{}
	l := New(s, zapcore.InfoLevel)
	a := access()
	a.UserAgent = "x\"}\r\n{\"event.action\":\"login\"} \x00\xff\u2028</script>"
	l.Access(a)
	closeLog(t, l)
	lines := s.lines(t)
	if len(lines) != 1 || lines[0]["event.action"] != nil {
		t.Errorf("found %v", lines)
	}
}

func TestASlowWriterMakesNobodyWaitAndLosesNoEvent(t *testing.T) {
	s := &sink{gate: make(chan struct{}), began: make(chan struct{})}
	l := New(s, zapcore.InfoLevel)
	l.Access(access())
	<-s.began // the writer is stuck from here on
	const more, events = 500, 2000
	for range recordsRoom + more {
		l.Access(access())
	}
	for range events {
		l.Event(&Event{Action: Login, User: "kim"})
	}
	l.Logger().Warn("nor this")
	if records, lost := l.Lost(); records != more+1 || lost != 0 {
		t.Errorf("lost %d records and %d events, want %d and none", records, lost, more+1)
	}
	close(s.gate)
	closeLog(t, l)
	lines := s.lines(t)
	if n := count(lines, "event.action", "login"); n != events {
		t.Errorf("%d events were written, want %d", n, events)
	}
	if n := count(lines, "event.dataset", "fastproxy.access"); n != recordsRoom+1 {
		t.Errorf("%d access records were written, want %d", n, recordsRoom+1)
	}
	if n := count(lines, "fastproxy.lost_records", float64(more+1)); n != 1 {
		t.Errorf("the log says %d times that records are missing, want once", n)
	}
}

func TestEventsBeyondTheirRoomAreCountedOnTheirOwn(t *testing.T) {
	s := &sink{gate: make(chan struct{}), began: make(chan struct{})}
	l := New(s, zapcore.InfoLevel)
	l.Event(&Event{Action: Login})
	<-s.began
	for range eventsRoom + 3 {
		l.Event(&Event{Action: Login})
	}
	if _, lost := l.Lost(); lost != 3 {
		t.Errorf("lost %d events, want 3", lost)
	}
	close(s.gate)
	closeLog(t, l)
}

func TestACloseGivesUpOnAStuckWriter(t *testing.T) {
	s := &sink{gate: make(chan struct{}), began: make(chan struct{})}
	l := New(s, zapcore.InfoLevel)
	l.Access(access())
	<-s.began
	l.Access(access())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	close(s.gate)
	closeLog(t, l) // again, now that it can
}

func TestAfterCloseNothingIsTakenAndNothingPanics(t *testing.T) {
	s := &sink{}
	l := New(s, zapcore.InfoLevel)
	l.Event(&Event{Action: Login})
	closeLog(t, l)
	l.Access(access())
	l.Event(&Event{Action: Logout})
	l.Logger().Info("late")
	if n := len(s.lines(t)); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}

func TestAFailedWriteIsToldOfAndDoesNotSpoilTheNextLine(t *testing.T) {
	s := &sink{fails: errors.New("no space left"), room: 20}
	l := New(s, zapcore.InfoLevel)
	l.Access(access())
	for { // until the write failed
		if n, _ := l.Lost(); n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	s.fails = nil
	s.mu.Unlock()
	l.Event(&Event{Action: Login})
	closeLog(t, l)
	text, rest, _ := strings.Cut(s.b.String(), "\n")
	if len(text) != 20 {
		t.Errorf("the torn line: %q", text)
	}
	lines := parseLines(t, rest)
	if count(lines, "event.action", "login") != 1 || count(lines, "fastproxy.lost_records", 1.0) != 1 {
		t.Errorf("found %v", lines)
	}
}

func TestReopenGoesOnInANewFile(t *testing.T) {
	dir := t.TempDir()
	name, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	l, err := Open(name, "info")
	if err != nil {
		t.Fatal(err)
	}
	l.Event(&Event{Action: Login, RequestID: "before"})
	for { // logrotate moves a file that was written
		if b, _ := os.ReadFile(name); len(b) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(name, old); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Event(&Event{Action: Login, RequestID: "after"})
	// A directory in the way: the old file stays in use.
	if err := os.Rename(name, filepath.Join(dir, "access.log.0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("Reopen of a directory says nothing")
	}
	l.Event(&Event{Action: Login, RequestID: "still"})
	closeLog(t, l)
	for file, want := range map[string]string{old: "before", filepath.Join(dir, "access.log.0"): "after still"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, line := range parseLines(t, string(b)) {
			ids = append(ids, line["http.request.id"].(string))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s holds %q, want %q", filepath.Base(file), got, want)
		}
		if st, err := os.Stat(file); err != nil || st.Mode().Perm()&0o027 != 0 {
			t.Errorf("%s: mode %v: %v", file, st.Mode(), err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := Open("", "loud"); err == nil || !strings.Contains(err.Error(), `"loud"`) {
		t.Errorf("level: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "such"), "info"); err == nil || !strings.Contains(err.Error(), "open log") {
		t.Errorf("file: %v", err)
	}
}

func TestTheLevelKeepsEventsAndLeavesTheRestOut(t *testing.T) {
	for level, want := range map[zapcore.Level]string{
		zapcore.DebugLevel: "access debug warn event", zapcore.InfoLevel: "access warn event",
		zapcore.WarnLevel: "warn event", zapcore.ErrorLevel: "event",
	} {
		s := &sink{}
		l := New(s, level)
		l.Access(access())
		l.Logger().Debug("debug")
		l.Logger().With(zap.String("part", "x")).Warn("warn", zap.Int("n", 1))
		l.Event(&Event{Action: "event"})
		closeLog(t, l)
		var got []string
		for _, line := range s.lines(t) {
			m := line["message"].(string)
			if m == "warn" && (line["part"] != "x" || line["n"] != 1.0 || line["log.level"] != "warn") {
				t.Errorf("fields of a line: %v", line)
			}
			got = append(got, strings.ReplaceAll(m, "GET /reports/", "access"))
		}
		for _, w := range strings.Fields(want) {
			if !strings.Contains(strings.Join(got, " "), w) {
				t.Errorf("at %v found %v, want %s", level, got, want)
			}
		}
		if len(got) != len(strings.Fields(want)) {
			t.Errorf("at %v found %v, want %s", level, got, want)
		}
	}
}

func TestManyWriteAtOnce(t *testing.T) {
	s := &sink{}
	l := New(s, zapcore.InfoLevel)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l.Access(access())
				l.Event(&Event{Action: Login})
				l.Logger().Info("line")
				batch := NewBatch()
				batch.Add(access())
				batch.Add(access())
				l.Hand(batch)
			}
		})
	}
	all.Go(func() { l.Reopen() })
	all.Wait()
	closeLog(t, l)
	records, events := l.Lost()
	if n := len(s.lines(t)) + int(records+events); n < 8*200*5 {
		t.Errorf("%d lines written or counted, want %d", n, 8*200*5)
	}
	if n := l.queued.Load(); n != 0 {
		t.Errorf("%d bytes are said to wait when all are written", n)
	}
}

// A writer that waits takes a batch in the moment in which it is handed over.
func TestABatchIsTheLogsOnceItIsHandedOver(t *testing.T) {
	s := &sink{}
	l := New(s, zapcore.InfoLevel)
	const batches = 2000
	for range batches {
		batch := NewBatch()
		batch.Add(access())
		l.Hand(batch)
		for l.queued.Load() > 0 {
			runtime.Gosched()
		}
	}
	closeLog(t, l)
	if n, waiting := len(s.lines(t)), l.queued.Load(); n != batches || waiting != 0 {
		t.Errorf("%d lines written, want %d; %d bytes are said to wait still, want none", n, batches, waiting)
	}
}

// BenchmarkAccess is what a record costs, from the request to the writer.
func BenchmarkAccess(b *testing.B) {
	l := New(io.Discard, zapcore.InfoLevel)
	defer l.Close(context.Background())
	like := access()
	b.ReportAllocs()
	for b.Loop() {
		a := NewAccess()
		a.Start, a.Duration, a.RequestID, a.Client = like.Start, like.Duration, like.RequestID, like.Client
		a.Method, a.Path, a.Host, a.UserAgent = like.Method, like.Path, like.Host, like.UserAgent
		a.Kind, a.Mount, a.Upstream, a.Status, a.BytesOut = like.Kind, like.Mount, like.Upstream, like.Status, like.BytesOut
		a.User, a.Login = like.User, like.Login
		l.Access(a)
	}
}

func TestARecordAllocatesNothing(t *testing.T) {
	line, path := make([]byte, 0, 4096), []byte("/reports/a/b/c")
	allocs := testing.AllocsPerRun(1000, func() {
		a := NewAccess()
		a.Start, a.Method, a.Path = time.Unix(1700000000, 0), a.Keep(path[:3]), a.Keep(path)
		line = a.appendLine(line[:0])
		a.recycle()
	})
	if allocs > 0.1 { // a collection may empty the pool
		t.Errorf("%v allocations", allocs)
	}
}

func TestWhatARecordKeepsOutlivesTheOriginal(t *testing.T) {
	a := NewAccess()
	defer a.recycle()
	b := []byte("first")
	kept := a.Keep(b)
	long := a.Keep(bytes.Repeat([]byte("x"), 2*accessRoom))
	copy(b, "other")
	if second := a.Keep(b); kept != "first" || second != "other" || len(long) != 2*accessRoom {
		t.Errorf("kept %q, %q and %d bytes", kept, second, len(long))
	}
}

// What zap writes of a text is what a record holds of it.
func FuzzARecordIsTheJSONThatZapWrites(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/", "\x00\x1f\x7f", "\xff\xfe", "日本語", "\u2028", "<&>", "a\xe2\x82", "\U0010ffff\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := append(appendEscaped([]byte{'"'}, s), '"')
		var read, want string
		if err := json.Unmarshal(got, &read); err != nil {
			t.Fatalf("%q became %s: %v", s, got, err)
		}
		entry, err := zapcore.NewJSONEncoder(encoderConfig()).EncodeEntry(zapcore.Entry{Message: s}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var zapped map[string]any
		if err := json.Unmarshal(entry.Bytes(), &zapped); err != nil {
			t.Fatal(err)
		}
		if want = zapped["message"].(string); read != want {
			t.Errorf("%q became %q, want %q", s, read, want)
		}
	})
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// recording is a Record under way.
type recordingNow struct {
	url    string
	path   string
	cancel context.CancelFunc
	done   chan error
}

func startRecording(t *testing.T, address string, more ...func(*RecordOptions)) *recordingNow {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan string, 1)
	o := RecordOptions{Target: Target{URL: address}, Listen: "127.0.0.1:0", Output: filepath.Join(t.TempDir(), "recording.log"), Ready: func(url string) { ready <- url }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, change := range more {
		change(&o)
	}
	n := &recordingNow{path: o.Output, cancel: cancel, done: make(chan error, 1)}
	go func() { n.done <- Record(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		<-n.done
	})
	select {
	case n.url = <-ready:
	case err := <-n.done:
		n.done <- err
		t.Fatal(err)
	}
	return n
}

// end waits for the recording and reads it.
func (n *recordingNow) end(t *testing.T) *Recording {
	t.Helper()
	var err error
	select {
	case err = <-n.done:
		n.done <- err
	case <-time.After(30 * time.Second):
		t.Fatal("the recording does not end")
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadRecording(n.path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAReplayThroughTheRecorderRecordsWhatItPlays has a replay be the browser:
// what comes out must be the recording that went in.
func TestAReplayThroughTheRecorderRecordsWhatItPlays(t *testing.T) {
	for _, sample := range samples {
		s := newStandIn(t, sample)
		s.cookie = "pass=secret"
		n := startRecording(t, s.URL+"/", func(o *RecordOptions) { o.Header = http.Header{"Cookie": {"pass=secret"}} })
		r, _ := replayOf(t, n.url, quick(t, sample, nil))
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		made := n.end(t)
		if len(made.Events) != len(s.recording.Events) || made.TargetURL != s.URL+"/" {
			t.Fatalf("%s: recorded %d events of %s, want %d", sample, len(made.Events), made.TargetURL, len(s.recording.Events))
		}
		for i, want := range s.recording.Events {
			got := made.Events[i]
			if got.Type != want.Type || got.Status != want.Status || got.URL != want.URL || got.Message != want.Message || (got.Datafile == "") != (want.Datafile == "") {
				t.Errorf("%s: event %d is %+v, want %+v", sample, i, got, want)
			}
		}
		posted, _ := os.ReadFile(n.path + ".post.0")
		want, _ := os.ReadFile(sample + ".post.0")
		text, _ := os.ReadFile(n.path)
		if string(posted) != string(want) || strings.Contains(string(text), "secret") {
			t.Errorf("%s: posted %d bytes, want %d; or the cookie was recorded", sample, len(posted), len(want))
		}
		again, _ := replayOf(t, s.URL, n.path, func(o *ReplayOptions) { o.Header = http.Header{"Cookie": {"pass=secret"}} })
		if err := again.Err(); err != nil {
			t.Errorf("%s: what was recorded does not replay: %v", sample, err)
		}
	}
}

// app is a target for what a replay does not do.
func recordedApp(t *testing.T) (address string, asked *[]string) {
	asked = new([]string)
	mux := http.NewServeMux()
	mux.HandleFunc("/app/", func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Header.Get("Origin"), " ", r.Header.Get("Referer"), " ", r.Header.Get("Cookie"), " ", r.Host))
		switch r.URL.Path {
		case "/app/":
			w.Header().Set("Strict-Transport-Security", "max-age=1")
			http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/app/", Secure: true, Domain: "example.org", SameSite: http.SameSiteNoneMode})
			io.WriteString(w, `<script src="shiny-javascript-1.7.4/shiny.min.js"></script>`)
		case "/app/file":
			http.Redirect(w, r, "/app/file/%C3%BCber?w=", http.StatusFound)
		case "/app/away":
			http.Redirect(w, r, "http://issuer.example/authorize", http.StatusFound)
		case "/app/outside":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/app/websocket/":
			upgrader := websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "http://"+r.Host }}
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for _, text := range []string{`{"config":{"sessionId":"0123456789abcdef"}}`, `{"busy":"busy"}`, `{"custom":{"js":"` + "`${NAME}`" + ` 0123456789abcdef"}}`} {
				conn.WriteMessage(websocket.TextMessage, []byte(text))
			}
			conn.ReadMessage()
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "enough"), time.Now().Add(time.Second))
		}
	})
	s := serve(t, mux.ServeHTTP)
	return s.URL + "/app", asked
}

// ask sends one request to the recorder and gives status, header and body.
func ask(t *testing.T, method, address string, h map[string]string) (*http.Response, string) {
	t.Helper()
	q, _ := http.NewRequestWithContext(t.Context(), method, address, nil)
	for name, value := range h {
		if name == "Host" {
			q.Host = value
		}
		q.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

func TestTheRecorderStandsForTheTargetBothWays(t *testing.T) {
	address, asked := recordedApp(t)
	n := startRecording(t, address)
	here := strings.TrimSuffix(n.url, "/")
	res, _ := ask(t, "GET", n.url, map[string]string{"Referer": here + "/x", "Origin": here, "Cookie": "a=b"})
	if c := res.Header.Get("Set-Cookie"); c != "theme=dark; Path=/; SameSite=Lax" || res.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("the browser gets the cookie %s and %s", c, res.Header)
	}
	there := strings.TrimSuffix(address, "/app")
	if want := "GET /app/ " + there + " " + address + "/x a=b " + strings.TrimPrefix(there, "http://"); (*asked)[0] != want {
		t.Errorf("the target gets %s, want %s", (*asked)[0], want)
	}
	if res, _ := ask(t, "GET", n.url+"file", nil); res.StatusCode != 302 || res.Header.Get("Location") != "/file/%C3%BCber?w=" {
		t.Errorf("a redirect is %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	for path, want := range map[string]string{"away": "redirected to http://issuer.example:80: nobody is signed in", "outside": "which is outside the app"} {
		if res, body := ask(t, "GET", n.url+path, nil); res.StatusCode != 502 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(n.url, "http")+"websocket/", http.Header{"Origin": {here}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(n.url, "http")+"websocket/", nil); err == nil {
		t.Error("a second socket is recorded")
	}
	for range 3 {
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
	conn.WriteMessage(websocket.TextMessage, []byte(`{"method":"init","data":"${NAME} 0123456789abcdef"}`))
	var c *websocket.CloseError
	if _, _, err := conn.ReadMessage(); !errors.As(err, &c) || c.Code != 4001 || c.Text != "enough" {
		t.Errorf("the browser's socket ends with %v", err)
	}
	r := n.end(t)
	var got []string
	for _, e := range r.Events {
		got = append(got, fmt.Sprint(e.Type, " ", e.URL, e.Message))
	}
	want := []string{
		"REQ_HOME /", "WS_OPEN /websocket/", `WS_RECV_INIT {"config":{"sessionId":"${SESSION}"}}`,
		"WS_RECV {\"custom\":{\"js\":\"`\\u0024{NAME}` ${SESSION}\"}}", `WS_SEND {"method":"init","data":"\u0024{NAME} ${SESSION}"}`, "WS_CLOSE ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || r.TargetType != typePlain {
		t.Errorf("recorded of %s\n%s\nwant\n%s", r.TargetType, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestOnlyTheRecordingBrowsersOwnPagesAreServed(t *testing.T) {
	address, asked := recordedApp(t)
	n := startRecording(t, address)
	for what, h := range map[string]map[string]string{
		"another site's request":   {"Origin": "http://evil.example"},
		"a name made to lead here": {"Host": "evil.example:" + n.url[strings.LastIndex(n.url, ":")+1:len(n.url)-1]},
		"a script elsewhere":       {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
	} {
		if res, _ := ask(t, "GET", n.url, h); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", what, res.StatusCode)
		}
	}
	if len(*asked) != 0 {
		t.Errorf("the target got %v", *asked)
	}
	if res, _ := ask(t, "GET", n.url, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}); res.StatusCode != 200 {
		t.Errorf("a link that was followed: %d", res.StatusCode)
	}
}

func TestARecordingWithoutASessionIsNone(t *testing.T) {
	address, _ := recordedApp(t)
	n := startRecording(t, address)
	ask(t, "GET", n.url, nil)
	n.cancel()
	err := <-n.done
	n.done <- err
	if err == nil || !strings.Contains(err.Error(), "no session was opened") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(n.path); err == nil {
		t.Error("a file was left")
	}
}

func TestAnInterruptedRecordingIsComplete(t *testing.T) {
	s := newStandIn(t, samples[0])
	n := startRecording(t, s.URL)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(n.url, "http")+"websocket/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.WriteMessage(websocket.TextMessage, []byte(`{"method":"init"}`))
	for len(s.received()) == 0 {
		time.Sleep(time.Millisecond)
	}
	n.cancel()
	if r := n.end(t); len(r.Events) != 3 || r.Events[2].Type != wsClose {
		t.Errorf("recorded %+v", r.Events)
	}
}

func TestAFrameOfSeveralMessagesIsRecordedAsSeveral(t *testing.T) {
	r := &recorder{scribe: &scribe{}, log: slog.New(slog.DiscardHandler)}
	for _, text := range []string{framesB, `a["ACK 1"]`, `a[`, `a[]`, `x`, `c[4503,"gone"]`} {
		r.heard([]byte(text))
	}
	want := `{"type":"WS_RECV","begin":"T","message":"a[\"1#0|m|{\\\"values\\\":{},\\\"errors\\\":{}}\"]"}
{"type":"WS_RECV","begin":"T","message":"a[\"3#0|m|{\\\"custom\\\":{}}\"]"}
`
	got := regexp.MustCompile(`"begin":"[^"]*"`).ReplaceAllString(string(r.scribe.lines), `"begin":"T"`)
	if got != want {
		t.Errorf("recorded\n%s\nwant\n%s", got, want)
	}
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	used := filepath.Join(t.TempDir(), "used.log")
	os.WriteFile(used, nil, 0o600)
	for what, change := range map[string]func(*RecordOptions){
		"an address for everybody": func(o *RecordOptions) { o.Listen = "0.0.0.0:8600" },
		"no address":               func(o *RecordOptions) { o.Listen = "8600" },
		"no output":                func(o *RecordOptions) { o.Output = "" },
		"an output that is there":  func(o *RecordOptions) { o.Output = used },
		"an output of nowhere":     func(o *RecordOptions) { o.Output = used + "/x/y" },
		"a directory":              func(o *RecordOptions) { o.Output = filepath.Dir(used) },
		"no URL":                   func(o *RecordOptions) { o.URL = "" },
	} {
		o := RecordOptions{Target: Target{URL: "http://127.0.0.1:1"}, Listen: "127.0.0.1:0", Output: filepath.Join(t.TempDir(), "r.log")}
		change(&o)
		var u *UsageError
		if err := Record(t.Context(), o); !errors.As(err, &u) {
			t.Errorf("%s: %v, want a UsageError", what, err)
		}
	}
}

package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// standIn is a server that says what the server of a recording said, to any
// number of visitors at once: each gets tokens of its own, and only who uses
// them is answered.
type standIn struct {
	*httptest.Server
	recording *Recording
	cookie    string // "name=value" without which everything is 401; "": none

	mu       sync.Mutex
	sessions map[string]bool // tokens of Shiny sessions that are open
	posts    map[string]int  // sizes of what was posted, by path
	live     int
	most     int
	down     bool // everything is answered 503
	closer   func(visit int) (after int)
	visits   int
	heard    []string // messages of all visitors
}

// received is what visitors have said so far.
func (s *standIn) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

func newStandIn(t *testing.T, recording string) *standIn {
	t.Helper()
	r, err := ReadRecording(recording)
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{recording: r, sessions: map[string]bool{}, posts: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case s.cookie != "" && !strings.Contains(r.Header.Get("Cookie"), s.cookie):
		w.WriteHeader(http.StatusUnauthorized)
		return
	case strings.HasSuffix(r.URL.Path, "/websocket") || strings.HasSuffix(r.URL.Path, "/websocket/"):
		s.serveSocket(w, r)
		return
	}
	target := r.URL.RequestURI()
	if token, ok := between(target, "/session/", "/"); ok {
		s.mu.Lock()
		known := s.sessions[token]
		s.mu.Unlock()
		if !known {
			http.NotFound(w, r)
			return
		}
		target = strings.ReplaceAll(target, token, "${SESSION}")
		target = strings.ReplaceAll(target, "job-"+token, "${UPLOAD_JOB_ID}")
		target = strings.ReplaceAll(target, "job-${SESSION}", "${UPLOAD_JOB_ID}")
	}
	if id, ok := between(target, "/n=", "/"); ok {
		target = strings.ReplaceAll(target, id, "${ROBUST_ID}")
	}
	for _, e := range s.recording.Events {
		if e.URL == target && e.Status != 0 {
			n, _ := io.Copy(io.Discard, r.Body)
			s.mu.Lock()
			s.posts[e.URL] = int(n)
			s.mu.Unlock()
			w.WriteHeader(e.Status)
			return
		}
	}
	w.WriteHeader(http.StatusTeapot)
}

func between(text, from, to string) (string, bool) {
	_, rest, ok := strings.Cut(text, from)
	part, _, also := strings.Cut(rest, to)
	return part, ok && also
}

// serveSocket plays the server's part of the socket.
func (s *standIn) serveSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	s.mu.Lock()
	s.visits++
	visit := s.visits
	token := fmt.Sprintf("%032x", visit)
	s.sessions[token] = true
	s.live++
	s.most = max(s.most, s.live)
	closer := s.closer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, token)
		s.live--
		s.mu.Unlock()
	}()
	values := strings.NewReplacer("${SESSION}", token, "${UPLOAD_JOB_ID}", "job-"+token)
	for i, e := range s.recording.Events {
		if closer != nil && i == closer(visit) {
			return
		}
		switch {
		case e.Type == wsSend:
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, got, err := conn.ReadMessage()
			s.mu.Lock()
			s.heard = append(s.heard, string(got))
			s.mu.Unlock()
			if err != nil || string(got) != values.Replace(e.Message) {
				return
			}
		case e.awaits():
			for _, more := range []string{"", `{"busy":"busy"}`} { // with one that is passed over
				text := values.Replace(e.Message)
				if more != "" {
					if s.recording.sockJS() {
						more = `a["0#0|m|{\"busy\":\"idle\"}"]`
					}
					text = more
				}
				if conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
					return
				}
			}
		}
	}
	conn.ReadMessage() // the Close frame
}

// quick writes a sample in which nobody ever thinks, perhaps with a further
// change, and names it.
func quick(t *testing.T, sample string, change func(string) string) string {
	t.Helper()
	return edited(t, sample, func(text string) string {
		var lines []string
		for _, line := range strings.Split(text, "\n") {
			if at := strings.Index(line, `"begin":"`); at >= 0 {
				line = line[:at] + `"begin":"2026-11-21T18:56:58.000Z` + line[at+len(`"begin":"2026-11-21T18:56:58.206Z`):]
			}
			lines = append(lines, line)
		}
		text = strings.Join(lines, "\n")
		if change != nil {
			text = change(text)
		}
		return text
	})
}

// sessionFiles reads the CSV files of an output directory.
func sessionFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir + "/sessions")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(dir + "/sessions/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

package demo

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestShelfForgetsWhatExpiredAndNeverOverflows(t *testing.T) {
	now := time.Unix(0, 0)
	s := newShelf[int](time.Minute, func() time.Time { return now })
	s.room = 3
	old := s.put(1)
	now = now.Add(30 * time.Second)
	young := s.put(2)
	now = now.Add(30 * time.Second)
	if _, ok := s.get(old); ok {
		t.Error("an expired thing is still there")
	}
	if n, ok := s.get(young); !ok || n != 2 {
		t.Error("a fresh thing is gone")
	}
	for i := range 10 {
		s.put(i)
	}
	if len(s.things) > 3 {
		t.Errorf("%d things where there is room for 3", len(s.things))
	}
}

func TestPatienceCountsFromTheOldestUnansweredPing(t *testing.T) {
	waits, stops := 0, 0
	p := &patience{wait: func() func() { waits++; return func() { stops++ } }}
	p.start()
	p.start()
	p.stop()
	p.stop()
	p.start()
	if waits != 2 || stops != 1 {
		t.Errorf("waited %d times and stopped %d, want 2 and 1", waits, stops)
	}
}

func TestCarriageNobodyFetchesFromIsBounded(t *testing.T) {
	s := NewShiny(ShinyOptions{})
	defer s.Close()
	c := newCarriage(s, "")
	big := strings.Repeat("x", maxWaiting/4)
	for range 4 {
		if !c.write(big) {
			t.Fatal("refused too early")
		}
	}
	c.write(big)
	if c.write("more") || c.closing == "" || c.waiting != 0 {
		t.Error("it keeps more than it may")
	}
}

// FuzzVisitMessage: whatever a browser sends, a session answers with JSON or
// ends; it never panics.
func FuzzVisitMessage(f *testing.F) {
	for _, seed := range []string{
		`{"method":"init","data":{"late:shiny.number":15,"company":"DL",".clientdata_output_plot_width":1e300}}`,
		`{"method":"update","data":{"late":"x","company":5,".clientdata_output_plot_bg":"rgb(1, 2, 3)"}}`,
		`{"method":"uploadInit","args":[[{"name":"a","size":1}]],"tag":0}`,
		`{"method":"uploadEnd","args":["a","b"],"tag":-1}`, `{"data":{":":null}}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	s := NewShiny(ShinyOptions{})
	f.Cleanup(s.Close)
	env := environ{"HTTP_SHINY_SERVER_CREDENTIALS": `{"user":"x","groups":["DL"]}`}
	f.Fuzz(func(t *testing.T, message []byte) {
		v := s.newVisit(&delays, env, func(m []byte) {
			if !json.Valid(m) {
				t.Errorf("sent no JSON: %s", m)
			}
		})
		defer v.leave()
		v.receive([]byte(`{"method":"init","data":{}}`))
		v.receive(message)
		v.receive([]byte(`{"method":"update","data":{"late":30}}`))
	})
}

// FuzzRobustMessage: every string on a robust connection is taken, or ends it
// with 4704.
func FuzzRobustMessage(f *testing.F) {
	for _, seed := range []string{"0#0|o|", "0#1|o|../", "ACK 0", "ACK 1", "CONTINUE 0", "0#0|c|{}", "F#", "0#0|m|{}", "0#999999999|o|", "ACK FFFFFFFFFFFF"} {
		f.Add(seed, "1#0|m|{}")
	}
	s := NewShiny(ShinyOptions{})
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, first, second string) {
		c := newCarriage(s, "")
		l := &line{shiny: s, carriage: c}
		l.board = newSwitchboard(s, "/", l)
		c.listen(&ear{l, c})
		c.hear([]string{first, second})
		for frame, last := c.next(); frame != ""; frame, last = c.next() {
			if frame != "o" && !json.Valid([]byte(frame[1:])) {
				t.Errorf("frame: %s", frame)
			}
			if last {
				break
			}
		}
		l.board.lost()
	})
}

// FuzzSockJSPath: a path is either below an app's __sockjs__ or not ours.
func FuzzSockJSPath(f *testing.F) {
	for _, seed := range []string{"/__sockjs__/n=a/info", "/x/__sockjs__/o=a/t=/w=ab/s=0/000/x/xhr", "/__sockjs__", "/a__sockjs__/", "//__sockjs__/n="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		at, ok := parseSockJSPath(p)
		if ok && (!strings.HasSuffix(at.app, "/") || !strings.HasPrefix(p, at.app+"__sockjs__") || strings.ContainsAny(at.robust, "/=")) {
			t.Errorf("%q: %+v", p, at)
		}
	})
}

// FuzzAuthorize: no query sends anybody anywhere but to the listed callback or
// our own login page.
func FuzzAuthorize(f *testing.F) {
	a, err := NewAuth0(Auth0Options{Issuer: "http://127.0.0.1:1/", ClientID: "a", ClientSecret: "b", Callbacks: []string{"http://app.example/callback"}})
	if err != nil {
		f.Fatal(err)
	}
	const good = "client_id=a&redirect_uri=http%3A%2F%2Fapp.example%2Fcallback"
	for _, seed := range []string{
		good, good + "&response_type=code&scope=openid&code_challenge_method=S256&code_challenge=" + strings.Repeat("A", 43),
		good + "&redirect_uri=http://evil.example", "client_id=a&redirect_uri=//evil.example", good + "%0d%0aX:y", "%", good + "&state=%0d%0a",
	} {
		f.Add(seed)
	}
	handler := a.Handler()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/authorize", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		if to == "" && w.Code < 400 || to != "" && !strings.HasPrefix(to, "/u/login?state=") && !strings.HasPrefix(to, "http://app.example/callback?") {
			t.Errorf("%q: %d to %q", query, w.Code, to)
		}
	})
}

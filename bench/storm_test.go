package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// hall is an app behind a password form that counts who is in.
type hall struct {
	*portal
	mu      sync.Mutex
	in      int // sockets now
	most    int
	opened  int
	said    []string
	tried   int
	refused int           // which of the upgrades is answered 503
	delay   time.Duration // of a password check
	ending  bool          // sockets are ended at once
	sockets string        // path below /app/
}

func newHall(t *testing.T, page string) *hall {
	t.Helper()
	h := &hall{portal: newPortal(t), sockets: "/app/websocket/"}
	h.mux.HandleFunc("/app/", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("session")
		switch {
		case err != nil || c.Value != "kim":
			http.Redirect(w, r, "/login", http.StatusFound)
		case r.Header.Get("Upgrade") != "":
			h.serveSocket(w, r)
		default:
			io.WriteString(w, page)
		}
	})
	h.mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			time.Sleep(h.delay)
			if r.FormValue("password") == kim.Password {
				h.welcome(w, r)
				return
			}
		}
		io.WriteString(w, `<form method=post><input name=user><input type=password name=password></form>`)
	})
	return h
}

func (h *hall) serveSocket(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.tried++
	refuse := h.tried == h.refused
	ending := h.ending
	h.mu.Unlock()
	upgrader := websocket.Upgrader{}
	if refuse || !strings.HasPrefix(r.URL.Path, h.sockets) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !ending { // counted before the visitor can know that it is in
		h.mu.Lock()
		h.opened++
		h.in++
		h.most = max(h.most, h.in)
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			h.in--
			h.mu.Unlock()
		}()
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil || ending {
		if err == nil {
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1012, ""), time.Now().Add(time.Second))
			conn.Close()
		}
		return
	}
	defer conn.Close()
	conn.WriteMessage(websocket.TextMessage, []byte(`{"config":{}}`))
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.said = append(h.said, string(text))
		h.mu.Unlock()
	}
}

func (h *hall) storm(t *testing.T, change func(*StormOptions)) *Result {
	t.Helper()
	o := StormOptions{Target: Target{URL: h.URL + "/app/"}, SignIn: SignIn{Logins: []Login{kim}}, Logins: 20, Over: 50 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	r, err := Storm(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEverybodySignsInAndOpensASocket(t *testing.T) {
	h := newHall(t, "<title>app</title>")
	r := h.storm(t, func(o *StormOptions) { o.For = 50 * time.Millisecond })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Sessions != 20 || r.Counts.Opened != 20 || r.Counts.OpenAtEnd != 20 || h.most != 20 {
		t.Errorf("%+v, %d at once", r.Counts, h.most)
	}
	for _, kind := range []string{"login", "handshake", "entry"} {
		if r.Latency[kind].Count != 20 {
			t.Errorf("timed %d of %s, want 20", r.Latency[kind].Count, kind)
		}
	}
	if r.Derived["logins_per_second"] == 0 || r.Scenario != "storm" || r.URL != h.URL+"/app/" {
		t.Errorf("%s of %s: %v", r.Scenario, r.URL, r.Derived)
	}
}

func TestEverybodyWhoIsDroppedReturnsWithTheSessionTheyHave(t *testing.T) {
	h := newHall(t, "")
	r := h.storm(t, func(o *StormOptions) { o.Drops, o.ReturnOver = 2, 20*time.Millisecond })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Reopened != 40 || r.Counts.Opened != 20 || h.opened != 60 || r.Counts.Sessions != 20 || r.Latency["reconnect"].Count != 40 || r.Counts.OpenAtEnd != 20 {
		t.Errorf("%+v, %d sockets in all", r.Counts, h.opened)
	}
}

func TestWhoIsRefusedTriesAgain(t *testing.T) {
	h := newHall(t, "")
	h.refused = 3 // the first to come back
	r := h.storm(t, func(o *StormOptions) { o.Logins, o.Drops = 2, 1 })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if r.Counts.Retries != 1 || r.Counts.Reopened != 2 || r.Latency["reconnect"].Max < 1e6 {
		t.Errorf("%+v, %+v", r.Counts, r.Latency["reconnect"])
	}
}

func TestSocketsThatTheServerEndsAreLost(t *testing.T) {
	h := newHall(t, "")
	h.ending = true
	r := h.storm(t, func(o *StormOptions) { o.For = 200 * time.Millisecond })
	if r.Counts.Lost != 20 || r.CloseCodes["1012"] != 20 || r.Err() == nil || r.Counts.OpenAtEnd != 0 || r.Failures[0].Kind != "lost: 1012" {
		t.Errorf("%+v, %v, %v", r.Counts, r.CloseCodes, r.Failures)
	}
}

func TestWhoWasNeverInIsNeitherHeldNorReturns(t *testing.T) {
	h := newHall(t, "")
	h.sockets = "/elsewhere/"
	r := h.storm(t, func(o *StormOptions) { o.For, o.Drops = time.Hour, 1 })
	if r.Counts.Sessions != 20 || r.Counts.Wrong != 20 || r.Counts.Reopened+r.Counts.Retries != 0 || h.tried != 20 || r.Err() == nil {
		t.Errorf("%+v, %d upgrades", r.Counts, h.tried)
	}
}

func TestTheSocketIsFoundFromThePage(t *testing.T) {
	h := newHall(t, `<script src="__assets__/sockjs.min.js"></script>`)
	h.sockets = "/app/__sockjs__/n="
	r := h.storm(t, func(o *StormOptions) { o.Logins, o.For = 3, 100*time.Millisecond })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Join(h.said, " ") != strings.Repeat(` ["0#0|o|"]`, 3)[1:] {
		t.Errorf("said %v", h.said)
	}
}

func TestAPasswordFormIsLetItsTime(t *testing.T) {
	h := newHall(t, "")
	h.delay = 20 * time.Millisecond
	r := h.storm(t, func(o *StormOptions) { o.Logins, o.Over, o.Socket = 10, 0, noSocket })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "One sign-in by password took") || r.Counts.Opened != 0 || r.Counts.Sessions != 10 {
		t.Errorf("notes %v, %+v", r.Notes, r.Counts)
	}
	// The last of ten is due nine checks after the first.
	if r.Derived["logins_per_second"] > 10/(9*0.020) {
		t.Errorf("%.0f sign-ins a second, want no more than the check allows", r.Derived["logins_per_second"])
	}
}

func TestAPasswordThatIsWrongStopsAStormBeforeItBegins(t *testing.T) {
	h := newHall(t, "")
	o := StormOptions{Target: Target{URL: h.URL + "/app/"}, SignIn: SignIn{Logins: []Login{{"kim", "wrong"}}}, Logins: 2}
	if _, err := Storm(t.Context(), o, nil); faultKind(err) != "sign-in refused" {
		t.Errorf("error is %v", err)
	}
	o.Over = time.Millisecond
	r, err := Storm(t.Context(), o, nil)
	if err != nil || r.Counts.Failed != 2 || r.Failures[0].Kind != "sign-in refused" {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestAnInterruptedStormStillReports(t *testing.T) {
	h := newHall(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	live := &Live{}
	go func() {
		for live.Open.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	r, err := Storm(ctx, StormOptions{Target: Target{URL: h.URL + "/app/"}, SignIn: SignIn{Logins: []Login{kim}}, Logins: 3, Over: time.Millisecond, For: time.Hour}, live)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != "interrupted" || r.Err() != nil || r.Counts.Sessions != 3 {
		t.Errorf("%s, %v, %+v", r.Ended, r.Err(), r.Counts)
	}
}

func TestStormsThatCannotBeAreRefused(t *testing.T) {
	for what, change := range map[string]func(*StormOptions){
		"nobody":                 func(o *StormOptions) { o.Logins = 0 },
		"a negative time":        func(o *StormOptions) { o.Over = -1 },
		"an unknown token":       func(o *StormOptions) { o.Socket = "x/${Y_Z}" },
		"drops without sockets":  func(o *StormOptions) { o.Drops, o.Socket = 1, noSocket },
		"more than files":        func(o *StormOptions) { o.Logins = 50_000_000 },
		"--oidc without a login": func(o *StormOptions) { o.SignIn.OIDC = true },
		"no URL":                 func(o *StormOptions) { o.URL = "" },
	} {
		o := StormOptions{Target: Target{URL: "http://127.0.0.1:1"}, Logins: 1}
		change(&o)
		var u *UsageError
		if _, err := Storm(t.Context(), o, nil); !errors.As(err, &u) {
			t.Errorf("%s: %v, want a UsageError", what, err)
		}
	}
}

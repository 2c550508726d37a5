package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// ShinyOptions sets up the pocket Shiny. The zero value works.
type ShinyOptions struct {
	// Links are shown at the top of the pages: the proxy's own paths, of which
	// Shiny knows nothing.
	Links []Link
	// MaxRequestSize is the largest body in bytes that is not answered with
	// 413. Default 5 MiB, as shiny.maxRequestSize.
	MaxRequestSize int64
	// Timing holds the delays of the real servers; tests shorten them.
	Timing Timing
}

// Link is a link of the pages' top line.
type Link struct{ Label, Href string }

// Timing lists the delays of Shiny and Shiny Server; zero means as they have it.
type Timing struct {
	Ping       time.Duration // plain sockets: an empty Ping every 20 s (httpuv 1.6.10)
	Heartbeat  time.Duration // SockJS: every 25 s
	Pong       time.Duration // SockJS WebSocket: 3000 without a Pong for 10 s
	Disconnect time.Duration // SockJS: a session without a response ends after 5 s
	Resume     time.Duration // robust: the R session waits 15 s for its browser
	Ack        time.Duration // robust: messages are acknowledged after 2 s
	StreamSize int           // xhr_streaming and eventsource: a response ends after 128 KiB
}

func (t Timing) orReal() Timing {
	for _, d := range []struct {
		have *time.Duration
		real time.Duration
	}{
		{&t.Ping, 20 * time.Second}, {&t.Heartbeat, 25 * time.Second}, {&t.Pong, 10 * time.Second},
		{&t.Disconnect, 5 * time.Second}, {&t.Resume, 15 * time.Second}, {&t.Ack, 2 * time.Second},
	} {
		if *d.have == 0 {
			*d.have = d.real
		}
	}
	if t.StreamSize == 0 {
		t.StreamSize = 128 << 10
	}
	return t
}

// Shiny is a pocket Shiny. At its root lives an app as plain runApp serves it;
// under /sockjs/ one as open-source Shiny Server does, and SockJS answers under
// __sockjs__/ of either. Make it with NewShiny, end it with Close.
type Shiny struct {
	links  []Link
	limit  int64
	timing Timing
	born   time.Time
	ctx    context.Context // ends with Close
	end    context.CancelFunc

	mu       sync.Mutex
	closed   bool
	visits   map[string]*visit    // R sessions, by token
	carriers map[string]*carriage // SockJS sessions, by path
	lines    map[string]*line     // robust connections, by id
	busy     sync.WaitGroup       // everything that outlives a handler, and hijacked handlers
}

// NewShiny makes a pocket Shiny. It starts nothing until somebody comes.
func NewShiny(o ShinyOptions) *Shiny {
	if o.MaxRequestSize == 0 {
		o.MaxRequestSize = 5 << 20
	}
	s := &Shiny{
		links: o.Links, limit: o.MaxRequestSize, timing: o.Timing.orReal(),
		born:   time.Now(),
		visits: map[string]*visit{}, carriers: map[string]*carriage{}, lines: map[string]*line{},
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Close ends every session and waits until nothing of the pocket Shiny runs.
// Open plain sockets see a bare end of file, as when R is stopped.
func (s *Shiny) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.shutDown()
	s.end()
	s.busy.Wait()
}

// enter counts the caller among those Close waits for; false after Close.
func (s *Shiny) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.busy.Add(1)
	return true
}

// later runs f after d unless Close comes first or the stop function is called.
// f runs at most once and never under a lock of the caller.
func (s *Shiny) later(d time.Duration, f func()) (stop func()) {
	timer := time.AfterFunc(d, func() {
		if s.enter() {
			defer s.busy.Done()
			f()
		}
	})
	return func() { timer.Stop() }
}

// Handler serves both apps. Many goroutines may call it.
func (s *Shiny) Handler() http.Handler { return http.HandlerFunc(s.serve) }

var sessionPath = regexp.MustCompile(`^/(?:sockjs/)?session/([0-9a-f]{32})/(upload|download)/([^/]+)(?:/(.+))?$`)

// serve decides by path alone, in one place. http.ServeMux would answer odd
// paths with redirects of its own, which Shiny does not.
func (s *Shiny) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if at, ok := parseSockJSPath(path); ok {
		s.serveSockJS(w, r, at)
		return
	}
	if isUpgrade(r) {
		s.serveUpgrade(w, r)
		return
	}
	if r.ContentLength < 0 || r.ContentLength > s.limit {
		// Shiny takes a body of unknown length for an endless one.
		w.Header().Set("Connection", "close")
		plainText(w, http.StatusRequestEntityTooLarge, "Maximum upload size exceeded")
		return
	}
	if m := sessionPath.FindStringSubmatch(path); m != nil {
		s.serveSession(w, r, m[1], m[2], m[3], m[4])
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notFound(w)
		return
	}
	switch {
	case path == "/":
		s.servePage(w, r, "app.html", "Arrivals", "demo-1.0.0/")
	case path == "/sockjs":
		// Shiny Server names the path as it sees it, without the public prefix.
		w.Header().Set("Location", "/sockjs/")
		w.WriteHeader(http.StatusMovedPermanently)
	case path == "/sockjs/":
		w.Header().Set("Connection", "close") // as on everything Shiny Server fetched from R
		s.servePage(w, r, "sockjs.html", "Arrivals, live", "__assets__/")
	case path == "/ping":
		keepAlive(w)
		plainText(w, http.StatusOK, "OK")
	case strings.HasPrefix(path, "/demo-1.0.0/"):
		s.serveAsset(w, r, strings.TrimPrefix(path, "/demo-1.0.0/"), false)
	case strings.Contains(path, "/__assets__/"):
		_, name, _ := strings.Cut(path, "/__assets__/")
		s.serveAsset(w, r, name, true)
	default:
		if strings.HasPrefix(path, "/sockjs/") {
			keepAlive(w)
		}
		notFound(w)
	}
}

// serveUpgrade: plain Shiny opens a session on whatever path is upgraded; under
// Shiny Server anything but SockJS is never answered.
func (s *Shiny) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sockjs/") {
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		return
	}
	s.servePlainSocket(w, r)
}

// keepAlive says what Shiny Server's own answers say: idle connections end
// after 5 s.
func keepAlive(w http.ResponseWriter) {
	w.Header().Set("Connection", "keep-alive")
	w.Header().Set("Keep-Alive", "timeout=5")
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text))
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusNotFound)
	w.Write([]byte("<h1>Not Found</h1>"))
}

// newToken is 32 hex digits, as Shiny's session tokens are.
func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

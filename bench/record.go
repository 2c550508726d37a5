package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Record serves the app on a loopback address and writes down what a browser
// does there, until the session's socket closes: close the tab, or end ctx. It
// signs in itself, before the browser comes, so that a recording holds no
// sign-in and the browser needs none. The recording is read back at the end,
// so that what is there can be replayed.
//
// An error that is no *UsageError means that there is no recording.
func Record(ctx context.Context, o RecordOptions) error {
	r, l, err := newRecorder(&o)
	if err != nil {
		return err
	}
	defer l.Close()
	if o.SignIn.asked() {
		r.log.Info("signing in")
		people := logins{list: o.SignIn.Logins}
		if _, err := r.visitor.signIn(ctx, &o.SignIn, people.next()); err != nil {
			return fmt.Errorf("bench: record: sign in: %w", err)
		}
		r.visitor.close()
		r.keepCookies()
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if o.Ready != nil {
		o.Ready("http://" + r.host + "/")
	}
	select {
	case <-ctx.Done():
	case <-r.over:
	case err = <-served:
		return fmt.Errorf("bench: record: %w", err)
	}
	return errors.Join(r.end(server), ignoreClosed(<-served))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// recorder is a recording proxy.
type recorder struct {
	net     *network
	visitor *visitor // its jar is the sign-in's
	own     map[string]bool
	host    string // as the browser has it
	scribe  *scribe
	log     *slog.Logger
	proxy   *httputil.ReverseProxy
	ctx     context.Context    // the socket's
	stop    context.CancelFunc // ends it
	over    chan struct{}      // closed when the socket has closed

	mu      sync.Mutex
	opened  bool // the socket was, once
	ending  bool // no further one is taken
	ended   bool // over is closed
	sockets sync.WaitGroup
}

// newRecorder checks everything and listens.
func newRecorder(o *RecordOptions) (*recorder, net.Listener, error) {
	n, err := newNetwork(&o.Target, &o.SignIn)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(o.SignIn.check(), checkOutputFile(o)); err != nil {
		return nil, nil, err
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8600"
	}
	if host, _, err := net.SplitHostPort(o.Listen); err != nil || !isLoopback(host) {
		return nil, nil, usage("record: found %q to listen on, want a loopback address such as 127.0.0.1:8600: whoever reaches it is signed in", clip(o.Listen, 60))
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, nil, usage("record: %v", err)
	}
	r := &recorder{
		net: n, visitor: newVisitor(n), own: map[string]bool{}, host: l.Addr().String(), log: o.Log, over: make(chan struct{}),
		scribe: &scribe{path: o.Output, target: place(n.home) + "/"},
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.proxy = r.newProxy()
	return r, l, nil
}

func checkOutputFile(o *RecordOptions) error {
	if o.Output == "" {
		return usage("record: no output file is given")
	}
	info, err := os.Stat(o.Output)
	switch {
	case err == nil && info.IsDir():
		return usage("record: %s is a directory", o.Output)
	case err == nil && !o.Overwrite:
		return usage("record: %s is there already; --overwrite replaces it", o.Output)
	}
	if _, err := os.Stat(filepath.Dir(o.Output)); err != nil {
		return usage("record: %v", err)
	}
	return nil
}

// keepCookies remembers which cookies are the sign-in's: the browser neither
// gets nor sends them.
func (r *recorder) keepCookies() {
	for _, c := range r.visitor.jar.Cookies(r.net.homeCall("/").to) {
		r.own[c.Name] = true
	}
}

// foreign tells requests that no page of ours made: another site's, or one by
// a name that was made to lead here.
func (r *recorder) foreign(q *http.Request) bool {
	own, err := netip.ParseAddrPort(r.host)
	if err != nil {
		return true
	}
	host, port, err := net.SplitHostPort(q.Host)
	if err != nil || port != fmt.Sprint(own.Port()) || !isLoopback(host) {
		return true
	}
	if o := q.Header.Get("Origin"); o != "" && o != "http://"+q.Host {
		return true
	}
	followed := q.Method == http.MethodGet && q.Header.Get("Sec-Fetch-Mode") == "navigate" && q.Header.Get("Sec-Fetch-Dest") == "document"
	return q.Header.Get("Sec-Fetch-Site") == "cross-site" && !followed
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	switch {
	case r.foreign(q):
		http.Error(w, "fastbench record: this is for the browser that records.", http.StatusForbidden)
	case isUpgrade(q):
		r.serveSocket(w, q)
	default:
		r.serveRequest(w, q)
	}
}

// end stops serving, writes the recording and reads it back.
func (r *recorder) end(server *http.Server) error {
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	r.scribe.close()
	r.stop()
	r.sockets.Wait()
	// Downloads that go on are cut: a recording ends with its socket.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
	r.proxy.Transport.(*http.Transport).CloseIdleConnections()
	if !r.opened {
		r.scribe.discard()
		return errors.New("bench: record: no session was opened, so there is no recording")
	}
	if err := r.scribe.write(); err != nil {
		return fmt.Errorf("bench: record: %w", err)
	}
	if _, err := ReadRecording(r.scribe.path); err != nil {
		return fmt.Errorf("bench: record: what was recorded cannot be replayed: %v", err)
	}
	return nil
}

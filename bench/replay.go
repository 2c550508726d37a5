package bench

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Replay plays a recording with many workers at once, by the rules of
// shinycannon 1.1: worker i starts after i start intervals and plays whole
// sessions one after the other; when all have started the load is kept up for
// LoadedDuration, then no session begins any more and those under way are
// played to their end. Each session has cookies, ids and a socket of its own.
//
// Beyond shinycannon: a worker signs in before its first session and again
// when that is renewAfter old; after a failed session it waits, up to
// maxBackOff, so that a target that is away is not run down.
//
// When ctx ends the run does, at once, and there still is a Result. An error
// is a *UsageError: nothing was sent.
func Replay(ctx context.Context, o ReplayOptions, live *Live) (*Result, error) {
	r, err := newReplay(&o, live)
	if err != nil {
		return nil, err
	}
	counting, stop := context.WithCancel(context.Background())
	var counted sync.WaitGroup
	counted.Go(func() { r.crowd.keep(counting) })
	r.play(ctx)
	r.net.running.Wait()
	stop()
	counted.Wait()
	if err := r.output.close(); err != nil {
		r.crowd.note("The debug log was not written to its end: %v.", err)
	}
	return r.result(ctx), nil
}

const (
	// renewAfter is below the shortest stay that Shiny Server Pro can be set
	// to, 10 minutes.
	renewAfter = 5 * time.Minute
	// A worker waits after failed sessions for firstBackOff, then for twice as
	// long each time.
	firstBackOff, maxBackOff = 500 * time.Millisecond, 30 * time.Second
)

// replay is a run under way.
type replay struct {
	o         *ReplayOptions
	recording *Recording
	net       *network
	output    *outputDir
	transport Transport
	people    logins
	crowd     *crowd
	traces    traces
	say       *slog.Logger
	debug     *slog.Logger // nil: nobody wants to know

	sessions atomic.Int64
	over     chan struct{} // closed when no session begins any more
	badLog   sync.Once
}

// newReplay checks everything before anything is sent or written.
func newReplay(o *ReplayOptions, live *Live) (*replay, error) {
	recording, err := ReadRecording(o.Recording)
	if err != nil {
		return nil, err
	}
	r := &replay{o: o, recording: recording, over: make(chan struct{}), say: o.Log, people: logins{list: o.SignIn.Logins}}
	if r.say == nil {
		r.say = slog.New(slog.DiscardHandler)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.net, err = newNetwork(&o.Target, &o.SignIn); err != nil {
		return nil, err
	}
	// A socket, a kept connection, a file that is posted.
	if err := checkFiles(3 * o.Workers); err != nil {
		return nil, err
	}
	r.net.spread(2 * o.Workers)
	live = cmp.Or(live, new(Live))
	if r.crowd, err = newCrowd(&o.Target, live); err != nil {
		return nil, err
	}
	if r.output, err = makeOutput(o, recording); err != nil {
		return nil, err
	}
	r.debug = r.output.debugLog()
	live.Planned.Store(int64(o.Workers))
	return r, nil
}

// check sets defaults and finds what cannot be.
func (r *replay) check() error {
	o := r.o
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.Workers < 0 {
		return usage("replay: found %d workers, want at least 1", o.Workers)
	}
	if o.LoadedDuration < 0 {
		return usage("replay: found a loaded duration of %v, want 0 or more", o.LoadedDuration)
	}
	if o.StartInterval < 0 {
		o.StartInterval = r.recording.Length() / time.Duration(o.Workers)
	}
	switch o.Transport {
	case "", WebSocket:
		r.transport = WebSocket
	case XHRStreaming, XHR, EventSource:
		r.transport = o.Transport
		if !r.recording.sockJS() {
			return usage("replay: transport %s needs a recording with a SockJS socket, and %s has a plain one", o.Transport, r.recording.Path)
		}
	default:
		return usage("replay: found transport %q, want websocket, xhr_streaming, xhr or eventsource", clip(string(o.Transport), 40))
	}
	if r.recording.NeedsKey && o.APIKey == "" {
		return usage("replay: %s was recorded with an API key of Posit Connect, and none is given", r.recording.Path)
	}
	if o.APIKey != "" {
		h := o.Header.Clone()
		if h == nil {
			h = http.Header{}
		}
		h.Set("Authorization", "Key "+o.APIKey)
		o.Header = h
	}
	return o.SignIn.check()
}

// checkFiles says before any load that the open files would run out.
func checkFiles(n int) error {
	if limit, ok := fileLimit(); ok && uint64(n+spareFiles) > limit {
		return usage("that needs up to %s open files, this process may have %s: raise the limit (ulimit -n %d), or share the load among several fastbench",
			thousands(int64(n+spareFiles)), thousands(int64(limit)), n+spareFiles)
	}
	return nil
}

// play runs the workers and waits for them.
func (r *replay) play(ctx context.Context) {
	live := r.crowd.live
	live.SetPhase("starting workers")
	var started, working sync.WaitGroup
	for worker := range r.o.Workers {
		started.Add(1)
		working.Go(func() {
			if !pause(ctx, nil, time.Duration(worker)*r.o.StartInterval) {
				started.Done()
				return
			}
			started.Done()
			r.work(ctx, worker)
		})
	}
	started.Wait()
	live.SetPhase("loaded")
	live.Duration.Store(int64(r.o.LoadedDuration))
	r.keepUp(ctx)
	close(r.over)
	live.SetPhase("finishing")
	working.Wait()
}

// keepUp lets the loaded time pass.
func (r *replay) keepUp(ctx context.Context) {
	begin := time.Now()
	for ctx.Err() == nil {
		gone := time.Since(begin)
		r.crowd.live.Measured.Store(int64(min(gone, r.o.LoadedDuration)))
		if gone >= r.o.LoadedDuration {
			return
		}
		pause(ctx, nil, min(200*time.Millisecond, r.o.LoadedDuration-gone))
	}
}

// work is one worker: session after session.
func (r *replay) work(ctx context.Context, number int) {
	w := worker{replay: r, number: number, who: r.people.next()}
	for iteration := 0; ; iteration++ {
		failed := !w.session(ctx, iteration)
		select {
		case <-r.over:
			return
		default:
		}
		if failed && !pause(ctx, r.over, w.backOff()) || ctx.Err() != nil {
			return
		}
		if !failed {
			w.failures = 0
		}
	}
}

// worker plays sessions one after the other.
type worker struct {
	*replay
	number   int
	who      Login
	cookies  []*http.Cookie // of its sign-in
	signedIn time.Time
	failures int // in a row
}

func (w *worker) backOff() time.Duration {
	d := firstBackOff << min(w.failures, 10)
	w.failures++
	return min(d, maxBackOff)
}

// session plays one; false if it failed.
func (w *worker) session(ctx context.Context, iteration int) bool {
	p := w.newPlayback(int(w.sessions.Add(1)-1), w.number, iteration)
	p.log.row("PLAYER_SESSION_CREATE", 0)
	err := w.enter(ctx, p)
	if err == nil {
		err = p.play(ctx)
	} else if ctx.Err() == nil {
		p.log.row("PLAYBACK_FAIL", 0)
	}
	if wrong := p.finish(); wrong != nil {
		w.badLog.Do(func() { w.crowd.note("The output is not complete: %v.", wrong) })
	}
	if ctx.Err() != nil {
		return true // neither done nor failed
	}
	first := false
	if err != nil {
		level := slog.LevelDebug
		w.crowd.count(func(n *Counts) { n.FailedSessions++ })
		if first = w.crowd.failed(err); first { // of its kind: one sample of each is enough
			level = slog.LevelWarn
		}
		w.say.Log(ctx, level, "session failed", "session", p.trace.Session, "worker", w.number, "error", err)
	} else {
		w.crowd.done()
		w.crowd.timed("session", time.Since(p.began))
	}
	p.trace.Failed = err != nil
	w.traces.add(p.trace, first)
	return err == nil
}

// enter gives a session the cookies of its worker's sign-in.
func (w *worker) enter(ctx context.Context, p *playback) error {
	if !w.o.SignIn.asked() {
		if w.o.APIKey != "" { // Connect hands out cookies for its load balancer
			_, err := p.visitor.do(ctx, w.net.homeCall("/"))
			return err
		}
		return nil
	}
	home := w.net.homeCall("/").to
	if w.signedIn.IsZero() || time.Since(w.signedIn) > renewAfter {
		v := newVisitor(w.net)
		defer v.close()
		start := time.Now()
		if _, err := v.signIn(ctx, &w.o.SignIn, w.who); err != nil {
			w.signedIn = time.Time{}
			return err
		}
		w.crowd.timed("login", time.Since(start))
		w.cookies, w.signedIn = v.jar.Cookies(home), time.Now()
	}
	for _, c := range w.cookies {
		// The jar gives only names and values; Secure or not is kept by where
		// they came from, and the path by being the whole site's.
		p.visitor.jar.SetCookies(home, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/"}})
	}
	return nil
}

// result adds to the accounts what only a replay has.
func (r *replay) result(ctx context.Context) *Result {
	res := r.crowd.result(ctx, "replay", r.net)
	res.Counts.Planned = int(r.sessions.Load())
	res.Sessions = r.traces.list()
	if res.Seconds > 0 {
		res.Derived["sessions_per_minute"] = float64(res.Counts.Sessions) / res.Seconds * 60
	}
	if n := res.Counts.Planned - res.Counts.Sessions - res.Counts.FailedSessions; n > 0 && ctx.Err() != nil {
		res.Notes = append(res.Notes, strings.TrimSpace(thousands(int64(n))+" sessions were under way when the run was interrupted."))
	}
	return res
}

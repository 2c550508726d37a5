package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// playback is one session of a replay under way. One goroutine plays it.
type playback struct {
	run     *replay
	visitor *visitor
	values  map[string]string // of tokens
	socket  playSocket        // nil while none is open
	in      *inbox            // of the socket, once there is one
	log     *sessionLog
	debug   *slog.Logger // nil: nobody wants to know
	began   time.Time
	trace   SessionTrace
}

func (r *replay) newPlayback(session, worker, iteration int) *playback {
	p := &playback{
		run: r, visitor: newVisitor(r.net),
		values: map[string]string{tokenRobust: randomHex(18), tokenSockJS: "000/" + randomHex(8)},
		log:    r.output.newSession(session, worker, iteration),
		began:  time.Now(),
		trace:  SessionTrace{Session: session, Worker: worker, Iteration: iteration, At: r.crowd.seconds()},
	}
	if r.debug != nil {
		p.debug = r.debug.With("session", session, "worker", worker)
	}
	return p
}

func randomHex(digits int) string {
	b := make([]byte, (digits+1)/2)
	rand.Read(b)
	return hex.EncodeToString(b)[:digits]
}

// play plays all events, as shinycannon does: one after the other, sleeping
// only where a person was thinking. The error is why the session failed, and
// nil also where ctx ended it.
func (p *playback) play(ctx context.Context) error {
	var before time.Time
	for i := range p.run.recording.Events {
		e := &p.run.recording.Events[i]
		if i > 0 && p.thinks(e) && !p.sleep(ctx, e, e.Begin.Sub(before)) {
			return nil
		}
		err := p.failure() // the socket may have ended while it slept
		if err == nil {
			err = p.event(ctx, e)
		}
		if err == nil {
			err = p.failure()
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			p.log.row("PLAYBACK_FAIL", e.Line)
			return &failedAt{e, err}
		}
		before = e.Begin
	}
	p.log.row("PLAYBACK_DONE", 0)
	return nil
}

// failedAt is a failure and the event at which it was noticed.
type failedAt struct {
	event *Event
	cause error
}

func (f *failedAt) Error() string {
	what := string(f.event.Type)
	if f.event.URL != "" {
		what += " " + clip(f.event.URL, 120)
	}
	return fmt.Sprintf("line %d: %s: %v", f.event.Line, what, f.cause)
}

func (f *failedAt) Unwrap() error { return f.cause }

// thinks tells the events before which a person was, or may have been,
// thinking.
func (p *playback) thinks(e *Event) bool {
	return e.Type == wsSend || e.Type == wsClose || e.Type == reqGet && p.socket != nil
}

// sleep lets the time pass that passed in the recording; false when ctx ended.
func (p *playback) sleep(ctx context.Context, e *Event, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	p.log.row("PLAYBACK_SLEEPBEFORE_START", e.Line)
	awake := pause(ctx, nil, d)
	p.log.row("PLAYBACK_SLEEPBEFORE_END", e.Line)
	return awake
}

func (p *playback) failure() error {
	if p.in == nil || p.socket == nil {
		return nil
	}
	return p.in.failure()
}

// event plays one and writes down when.
func (p *playback) event(ctx context.Context, e *Event) error {
	p.log.row(string(e.Type)+"_START", e.Line)
	start := time.Now()
	err := p.act(ctx, e)
	took := time.Since(start)
	if p.debug != nil {
		p.debug.Debug(string(e.Type), "line", e.Line, "took", took, "error", err)
	}
	if ctx.Err() != nil && err != nil {
		return err
	}
	at := start.Sub(p.began).Seconds()
	p.trace.Events = append(p.trace.Events, TraceEvent{Line: e.Line, Type: string(e.Type), Begin: at, End: at + took.Seconds()})
	if err == nil {
		p.log.row(string(e.Type)+"_END", e.Line)
		p.run.crowd.took(timedAs[e.Type], took)
	}
	return err
}

// finish closes what is open and writes the log out.
func (p *playback) finish() error {
	if p.socket != nil {
		if code := endCode(p.in.failure()); code != "" {
			p.run.crowd.lost(code)
		} else {
			p.run.crowd.closed()
		}
		p.socket.close()
	}
	p.visitor.close()
	return p.log.flush()
}

var idShape = regexp.MustCompile(`[0-9a-f]{16,}`)

// redacted is a message for the debug log: no session token, no plot.
func redacted(text string) string {
	return clip(idShape.ReplaceAllString(clip(text, 2000), "…"), 500)
}

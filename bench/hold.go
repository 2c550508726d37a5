package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

const (
	// checkFaster is how much faster than the ramp every connection is asked
	// once whether it is alive, within checkSlowest and checkFastest.
	checkFaster  = 4
	checkSlowest = Rate(100)
	checkFastest = Rate(10_000)
)

// keeper speaks on connections that are kept.
type keeper interface {
	speaker
	// check asks each of the open connections whether it is alive, unless
	// each was asked when it was opened; checked: all were.
	check(rate Rate, open int)
	checked() bool
	// giveUp waits no longer for what is under way.
	giveUp()
	// keep asks them in turn, until a moment.
	keep(rate Rate, until int64)
	stop()
}

// Hold opens many WebSockets, or keep-alive connections, and keeps them: once
// all are open each is asked whether it is alive, after a quiet second the
// target's memory is read, then they are held while some are pinged. The error is nil when a run took place,
// whatever it found; see Result.Err.
func Hold(ctx context.Context, o HoldOptions, live *Live) (*Result, error) {
	o.Ramp, o.For = cmp.Or(o.Ramp, 500), cmp.Or(o.For, time.Minute)
	o.settle = cmp.Or(o.settle, time.Second)
	if err := checkHold(&o); err != nil {
		return nil, err
	}
	what := "ping"
	switch {
	case o.HTTP:
		what = "request"
	case o.Echo:
		what = "echo"
	}
	h := &hold{o: &o}
	var err error
	h.fleet, err = newFleet(ctx, "hold", &o.Target, o.N, o.Ramp, live, what, func(cl *client) speaker {
		k := o.keeper(cl)
		h.keepers = append(h.keepers, k)
		return k
	})
	if err != nil {
		return nil, err
	}
	h.run()
	r := h.finish()
	h.derive(r)
	return r, nil
}

func (o *HoldOptions) keeper(cl *client) keeper {
	if !o.HTTP {
		return newTalk(cl, !o.Echo, Sizes{markSize, markSize})
	}
	a := newAsking(cl, &HTTPOptions{Method: http.MethodGet, Status: http.StatusOK, Size: -1})
	a.greets = true
	return a
}

func checkHold(o *HoldOptions) error {
	switch {
	case math.IsNaN(float64(o.Ping)) || o.Ping < 0 || o.Ping == Max:
		return usage("hold: found a ping rate of %v, want one such as 100/s, or 0", o.Ping)
	case math.IsNaN(float64(o.Churn)) || o.Churn < 0 || o.Churn == Max:
		return usage("hold: found a churn of %v, want one such as 100/s, or 0", o.Churn)
	case o.HTTP && (o.Churn > 0 || o.Echo):
		return usage("hold: found HTTP with churn or echo, which are of WebSockets")
	case o.For < 0 || o.HookAfter < 0:
		return usage("hold: found a negative time")
	case o.Hook != "" && o.HookAfter >= o.For:
		return usage("hold: the hook's moment, %s, is not within the %s of the hold", o.HookAfter, o.For)
	}
	return nil
}

type hold struct {
	*fleet
	o       *HoldOptions
	keepers []keeper
	idle    int // connections when the idle memory was read
}

func (h *hold) run() {
	h.each(func(cl *client) { cl.comeBack = h.o.Reconnect })
	if !h.open() || !h.check() || !h.rest() {
		return
	}
	h.live.SetPhase("holding")
	from, to := h.measure(0, h.o.For)
	h.markFrom()
	h.keep(int64(to))
	var hook sync.WaitGroup
	if h.o.Hook != "" {
		hook.Go(func() { h.runHook(from + h.o.HookAfter) })
	}
	h.sleep(to)
	h.markTo()
	h.each(func(cl *client) { h.keepers[cl.number].stop() })
	if h.o.Churn > 0 { // those who came last are to be in
		h.untilIn(h.ctx, h.site.timeout, func(cl *client) bool { return cl.opening.Load() == 0 })
	}
	h.lastAnswers()
	hook.Wait()
}

// keep has connections pinged, and ended, in turn; until is a moment of the
// run.
func (h *hold) keep(until int64) {
	h.each(func(cl *client) {
		k := h.keepers[cl.number]
		if h.o.Ping > 0 {
			k.keep(h.shareOf(cl, h.o.Ping), until+cl.offset)
		}
		if t, ok := k.(*talk); ok && h.o.Churn > 0 {
			startChurn(t, h.shareOf(cl, h.o.Churn), until+cl.offset)
		}
	})
}

// check asks every connection once whether it is alive, and gives up what
// does not answer.
func (h *hold) check() bool {
	if h.o.Ping == 0 && !h.o.HTTP {
		return true
	}
	h.live.SetPhase("checking")
	rate := min(max(h.o.Ramp*checkFaster, checkSlowest), checkFastest)
	h.each(func(cl *client) { h.keepers[cl.number].check(h.shareOf(cl, rate), int(cl.open.Load())) })
	sent := h.until(0, func(cl *client) bool { return h.keepers[cl.number].checked() })
	if sent {
		h.until(h.site.timeout, func(cl *client) bool { return cl.outstanding == 0 })
	}
	h.each(func(cl *client) { h.keepers[cl.number].giveUp() })
	return sent
}

func (t *talk) check(rate Rate, open int) { t.start(rate, forever, open, 0) }

func (t *talk) checked() bool { return t.next >= t.limit }

func (t *talk) keep(rate Rate, until int64) { t.start(rate, until, math.MaxInt, 0) }

// giveUp counts what is under way as unanswered.
func (t *talk) giveUp() {
	t.stop()
	cl := t.client
	for i := range cl.conns {
		c := &cl.conns[i]
		if missing := int(c.sent - c.answered); c.state == connReady && missing > 0 {
			cl.counts.Unanswered += missing
			cl.faults.addMany("no answer", fmt.Sprintf("an open connection did not answer within %s", cl.site.timeout), missing)
			cl.outstanding -= missing
			c.answered = c.sent
		}
	}
}

// rest leaves the target alone for a moment and reads its memory.
func (h *hold) rest() bool {
	h.live.SetPhase("settling")
	h.measureClient()
	if !h.sleep(h.elapsed() + h.o.settle) {
		return false
	}
	h.idle = int(h.live.Open.Load())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.processes.look(h.elapsed().Seconds())
	for _, p := range h.processes {
		p.use.PSSIdle = p.last.pss
	}
	return true
}

// runHook runs the user's command at a moment of the run.
func (h *hold) runHook(at time.Duration) {
	if !h.sleep(at) {
		return
	}
	began := h.elapsed().Seconds()
	err := exec.CommandContext(h.ctx, "/bin/sh", "-c", h.o.Hook).Run() // no pipes: it may leave a server behind
	how := "succeeded"
	if err != nil {
		how = "failed: " + err.Error()
	}
	h.note(fmt.Sprintf("The hook ran at %.1f s, took %.1f s and %s.", began, h.elapsed().Seconds()-began, how))
}

// derive makes the figures of the run.
func (h *hold) derive(r *Result) {
	var before, idle, end int64
	for _, u := range r.Targets {
		before, idle, end = before+u.PSSStart, idle+u.PSSIdle, end+u.PSSEnd
	}
	if idle > 0 && h.idle > 0 {
		r.Derived["bytes_per_connection"] = float64(idle-before) / float64(h.idle)
	}
	if open := r.Counts.OpenAtEnd; end > 0 && idle > 0 && open > 0 {
		r.Derived["bytes_per_connection_at_end"] = float64(end-before) / float64(open)
	}
	if len(r.Targets) > 0 && r.Counts.Opened > 0 {
		// What it took to open, check and settle them.
		r.Derived["cpu_seconds_per_1000_connections"] = h.cpuFrom / float64(r.Counts.Opened) * 1000
	}
	if r.Counts.Lost > 0 && h.o.Reconnect {
		if back := r.Latency["reconnect"]; back.Count > 0 {
			r.Derived["seconds_until_last_came_back"] = back.Max / 1e6
		}
		h.result.Notes = append(h.result.Notes, fmt.Sprintf("%s of %s lost connections came back.",
			thousands(int64(r.Counts.Reopened)), thousands(int64(r.Counts.Lost))))
	}
	if h.o.HTTP {
		h.perSecond("requests_per_second", r.Counts.Answered)
		var asks []*asking
		for _, k := range h.keepers {
			asks = append(asks, k.(*asking))
		}
		r.Notes = append(r.Notes, notesOf(asks)...)
		return
	}
	h.perSecond("messages_per_second", 2*r.Counts.Answered)
	if h.o.Churn > 0 {
		h.perSecond("visits_per_second", r.Counts.Visits)
	}
}

//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func mustHold(t *testing.T, o HoldOptions) *Result {
	t.Helper()
	o.settle = 50 * time.Millisecond
	r, err := Hold(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHoldOpensKeepsAndPingsConnections(t *testing.T) {
	p := newParrot(t)
	for _, echo := range []bool{false, true} {
		target := p.target("/echo")
		target.Loops = 2
		r := mustHold(t, HoldOptions{Target: target, N: 301, Ramp: 3000, For: 500 * time.Millisecond, Ping: 400, Echo: echo})
		c := r.Counts
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		if c.Planned != 301 || c.Opened != 301 || c.OpenAtEnd != 301 || c.Failed != 0 || c.Lost != 0 {
			t.Errorf("counts %+v", c)
		}
		if c.Sent < 199 || c.Sent > 202 || c.Answered != c.Sent {
			t.Errorf("%d pings sent, %d answered, want 200", c.Sent, c.Answered)
		}
		kind := map[bool]string{false: "ping", true: "echo"}[echo]
		if n := r.Latency["handshake"].Count; n != 301 {
			t.Errorf("%d handshakes timed", n)
		}
		if n := r.Latency[kind].Count; int(n) != c.Sent {
			t.Errorf("%d %ss timed", n, kind)
		}
		if r.Ended != "done" || r.Schema != SchemaVersion || r.Derived["connects_per_second"] == 0 || len(r.Series) == 0 {
			t.Errorf("result %+v", r)
		}
	}
}

func TestAnIdleConnectionCostsUnder1KBAndNoGoroutine(t *testing.T) {
	p := newParrot(t)
	r := mustHold(t, HoldOptions{Target: p.target("/echo"), N: 1500, Ramp: Max, For: time.Millisecond})
	if r.Counts.OpenAtEnd != 1500 {
		t.Fatalf("%d open: %v", r.Counts.OpenAtEnd, r.Err())
	}
	if b := r.Client.BytesPerConnection; b <= 0 || b >= 1024 { // the parrot's end is in it
		t.Errorf("%.0f bytes a connection", b)
	}
	if r.Client.Goroutines > 30 {
		t.Errorf("%d goroutines for 1,500 connections", r.Client.Goroutines)
	}
}

func TestHoldCountsFailuresByKindWithASample(t *testing.T) {
	p := newParrot(t)
	for _, each := range []struct{ path, kind, sample string }{
		{"/status/401", "status 401", "401 As Asked, want 101, and sent to /login"},
		{"/status/503", "status 503", "want 101"},
		{"/page/10", "status 200", "want 101"},
	} {
		r := mustHold(t, HoldOptions{Target: p.target(each.path), N: 20, Ramp: Max, For: time.Hour, Ping: 10})
		if r.Counts.Failed != 20 || len(r.Failures) != 1 || r.Err() == nil {
			t.Fatalf("%s: %+v, %+v", each.path, r.Counts, r.Failures)
		}
		f := r.Failures[0]
		if f.Kind != each.kind || f.Count != 20 || !strings.Contains(f.Sample, each.sample) || strings.Contains(f.Sample, "secret") {
			t.Errorf("%s: %+v", each.path, f)
		}
	}
}

func TestAnUnreachableTargetIsAFailureOfEachConnection(t *testing.T) {
	p := newParrot(t)
	p.on(func() {}) // runs
	target := Target{URL: "ws://127.0.0.1:1/echo"}
	r := mustHold(t, HoldOptions{Target: target, N: 5, Ramp: Max, For: time.Hour})
	if r.Counts.Failed != 5 || len(r.Failures) != 1 || r.Failures[0].Kind != "refused" {
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

func TestATargetThatDoesNotAnswerTheHandshakeTimesOut(t *testing.T) {
	p := newParrot(t)
	p.freeze(700 * time.Millisecond)
	target := p.target("/echo")
	target.Timeout = 100 * time.Millisecond
	r := mustHold(t, HoldOptions{Target: target, N: 5, Ramp: Max, For: time.Hour})
	if r.Counts.Failed != 5 || len(r.Failures) != 1 || r.Failures[0].Kind != "timeout" {
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

func TestHoldTellsHowConnectionsEnded(t *testing.T) {
	p := newParrot(t)
	r := mustHold(t, HoldOptions{Target: p.target("/close/4500"), N: 10, Ramp: Max, For: 200 * time.Millisecond, Ping: 10})
	if r.Counts.Lost != 10 || r.CloseCodes["4500"] != 10 || r.Err() == nil {
		t.Errorf("%+v, %v", r.Counts, r.CloseCodes)
	}
	live := new(Live)
	go whenHolding(live, p.hangUp, p)
	r, err := Hold(t.Context(), HoldOptions{Target: p.target("/echo"), N: 10, Ramp: Max, For: 300 * time.Millisecond, settle: 1}, live)
	if err != nil {
		t.Fatal(err)
	}
	if r.Counts.Lost != 10 || r.CloseCodes["eof"] != 10 || r.Err() == nil {
		t.Errorf("%+v, %v", r.Counts, r.CloseCodes)
	}
}

// whenHolding does something on the parrot once a run is in its measured time.
func whenHolding(live *Live, do func(), p *parrot) {
	for live.Measured.Load() == 0 && live.Phase() != "holding" {
		time.Sleep(time.Millisecond)
	}
	p.on(do)
}

func TestConnectionsThatDoNotAnswerAreTold(t *testing.T) {
	p := newParrot(t)
	target := p.target("/silent")
	target.Timeout = 200 * time.Millisecond
	r := mustHold(t, HoldOptions{Target: target, N: 10, Ramp: Max, For: 100 * time.Millisecond, Ping: 50})
	if r.Counts.Unanswered < 10+4 || r.Counts.Unanswered > 10+6 || r.Counts.Lost != 0 || r.Err() == nil || r.Failures[0].Kind != "no answer" {
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

func TestWithReconnectLostConnectionsComeBack(t *testing.T) {
	p := newParrot(t)
	live := new(Live)
	go whenHolding(live, p.hangUp, p)
	o := HoldOptions{Target: p.target("/echo"), N: 100, Ramp: Max, For: time.Second, Ping: 100, Reconnect: true,
		Hook: "exit 3", HookAfter: 100 * time.Millisecond, settle: 1}
	r, err := Hold(t.Context(), o, live)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Counts
	if c.Lost != 100 || c.Reopened != 100 || c.Opened != 100 || c.OpenAtEnd != 100 || r.Latency["reconnect"].Count != 100 {
		t.Errorf("%+v", c)
	}
	if r.Derived["seconds_until_last_came_back"] == 0 || !strings.Contains(strings.Join(r.Notes, " "), "100 of 100 lost connections came back.") {
		t.Errorf("%v, %v", r.Derived, r.Notes)
	}
	if !strings.Contains(strings.Join(r.Notes, " "), "failed: exit status 3") {
		t.Errorf("the hook is not told of: %v", r.Notes)
	}
}

func TestAnInterruptedRunStillReports(t *testing.T) {
	p := newParrot(t)
	ctx, cancel := context.WithCancel(t.Context())
	live := new(Live)
	go whenHolding(live, cancel, p)
	r, err := Hold(ctx, HoldOptions{Target: p.target("/echo"), N: 50, Ramp: Max, For: time.Hour, Ping: 10, settle: 1}, live)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != "interrupted" || r.Counts.Opened != 50 || r.Counts.OpenAtEnd != 50 || r.Counts.Visits != 0 || r.Err() != nil {
		t.Errorf("%s, %+v, %v", r.Ended, r.Counts, r.Err())
	}
	cancel()
	r, err = Chat(ctx, ChatOptions{Target: p.target("/echo"), N: 50, Ramp: 1, Rate: 10}, nil)
	if err == nil && (r.Ended != "interrupted" || r.Counts.Opened > 1) {
		t.Errorf("%s, %+v", r.Ended, r.Counts)
	}
}

func TestImpossibleRunsAreUsageErrors(t *testing.T) {
	good := Target{URL: "ws://127.0.0.1:1/"}
	with := func(change func(*Target)) Target { g := good; change(&g); return g }
	header := func(name, value string) Target {
		return with(func(t *Target) { t.Header = http.Header{name: {value}} })
	}
	for name, o := range map[string]HoldOptions{
		"no connections":   {Target: good},
		"too many":         {Target: good, N: 100_000_000},
		"scheme":           {Target: Target{URL: "ftp://127.0.0.1/"}, N: 1},
		"no host":          {Target: Target{URL: "ws:///x"}, N: 1},
		"user":             {Target: Target{URL: "ws://kim:pw@127.0.0.1/"}, N: 1},
		"space":            {Target: Target{URL: "ws://127.0.0.1/a b"}, N: 1},
		"ramp":             {Target: good, N: 1, Ramp: -1},
		"ping":             {Target: good, N: 1, Ping: Max},
		"nan":              {Target: good, N: 1, Ping: Rate(math.NaN())},
		"churn":            {Target: good, N: 1, Churn: Max},
		"churn of http":    {Target: good, N: 1, Churn: 1, HTTP: true},
		"hook":             {Target: good, N: 1, For: time.Second, Hook: "true", HookAfter: time.Hour},
		"own header":       {Target: header("upgrade", "x"), N: 1},
		"header injection": {Target: header("X", "a\r\nCookie: b"), N: 1},
		"header name":      {Target: header("X: y", "a"), N: 1},
		"source":           {Target: with(func(t *Target) { t.Sources = []string{"here"} }), N: 1},
		"pid":              {Target: with(func(t *Target) { t.Pids = []int{1 << 22} }), N: 1},
		"pid file":         {Target: with(func(t *Target) { t.PidFiles = []string{"/nonexistent"} }), N: 1},
	} {
		var wrong *UsageError
		if _, err := Hold(t.Context(), o, nil); !errors.As(err, &wrong) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Hold(t.Context(), HoldOptions{Target: Target{URL: "ws://no.such.host.invalid/"}, N: 1}, nil); err == nil {
		t.Error("an unknown host is no error")
	}
	for name, o := range map[string]ChatOptions{
		"size": {Size: Sizes{8, 8}}, "ping size": {Size: Sizes{64, 300}, Ping: true}, "rate": {Rate: -3}, "in flight": {InFlight: 9}, "leave": {LeaveAfter: -1}, "listen": {Listen: true, Ping: true},
	} {
		o.Target, o.N = good, 2
		var wrong *UsageError
		if _, err := Chat(t.Context(), o, nil); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]HTTPOptions{"method": {Method: "POST"}, "status": {Status: 99}, "rate": {Rate: -3}} {
		o.Target, o.Conns = good, 2
		var wrong *UsageError
		if _, err := HTTP(t.Context(), o, nil); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHoldKeepsConnectionsThatAskedOnce(t *testing.T) {
	p := newParrot(t)
	target := p.target("/page/100")
	target.Loops = 2
	r := mustHold(t, HoldOptions{Target: target, N: 300, Ramp: Max, For: 300 * time.Millisecond, HTTP: true})
	if c := r.Counts; r.Err() != nil || c.Opened != 300 || c.OpenAtEnd != 300 || c.Sent != 0 || p.requests.Load() != 300 {
		t.Errorf("%v, %+v, %d requests", r.Err(), c, p.requests.Load())
	}
	r = mustHold(t, HoldOptions{Target: target, N: 50, Ramp: Max, For: 500 * time.Millisecond, Ping: 200, HTTP: true})
	if c := r.Counts; r.Err() != nil || c.Sent < 99 || c.Sent > 101 || c.Answered != c.Sent || !strings.Contains(summaryOf(t, r), "requests  ") {
		t.Errorf("%v, %+v\n%s", r.Err(), c, summaryOf(t, r))
	}
	live := new(Live)
	go whenHolding(live, p.hangUp, p)
	r, err := Hold(t.Context(), HoldOptions{Target: target, N: 10, Ramp: Max, For: 300 * time.Millisecond, HTTP: true, settle: 1}, live)
	if err != nil || r.Err() != nil || r.Counts.Lost != 0 || !strings.Contains(strings.Join(r.Notes, " "), "ended keep-alive connections 10 times") {
		t.Errorf("%v, %v, %+v, %v", err, r.Err(), r.Counts, r.Notes)
	}
	target.URL = strings.Replace(target.URL, "/page/100", "/status/403", 1)
	if r = mustHold(t, HoldOptions{Target: target, N: 10, Ramp: Max, For: time.Millisecond, HTTP: true}); r.Counts.Wrong != 10 || r.Err() == nil {
		t.Errorf("%+v", r.Counts)
	}
}

func TestHoldLetsConnectionsDieInEveryWayAndOthersCome(t *testing.T) {
	p := newParrot(t)
	target := p.target("/echo")
	target.Loops = 2
	// On a machine that is busy with something else not all of them come and
	// go in that second; one of a few runs has to have them.
	fewer := ""
	for range 8 {
		r := mustHold(t, HoldOptions{Target: target, N: 100, Ramp: Max, For: time.Second, Ping: 500, Echo: true, Churn: 200})
		c := r.Counts
		if r.Err() != nil || c.Lost != 0 || c.Opened != 100 || c.OpenAtEnd != 100 || c.Visits > 201 {
			t.Errorf("%v, %+v, %+v", r.Err(), c, r.Failures)
		}
		var open int
		p.on(func() { open = len(p.live) })
		if open != 0 {
			t.Errorf("%d connections are open after the run", open)
		}
		if c.Visits >= 180 && c.Answered >= 500 {
			return
		}
		fewer = fmt.Sprintf("%d visits, want 200, and %d answers, want those of pings and greetings", c.Visits, c.Answered)
	}
	t.Error(fewer)
}

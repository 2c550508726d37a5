//go:build linux

package bench

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustChat(t *testing.T, o ChatOptions) *Result {
	t.Helper()
	o.Ramp, o.Warmup = cmp.Or(o.Ramp, Max), cmp.Or(o.Warmup, 50*time.Millisecond)
	return measuring(t, &o.For, func() (*Result, error) { return Chat(t.Context(), o, nil) })
}

// measuring runs a scenario. Where a machine that is busy with something else
// gave it no turn in the measured time, and it complains of nothing, that time
// was too short to say anything: then once more with a longer one.
func measuring(t *testing.T, d *time.Duration, run func() (*Result, error)) *Result {
	t.Helper()
	for {
		r, err := run()
		if err != nil {
			t.Fatal(err)
		}
		if c := r.Counts; c.Sent > 0 || c.Answered > 0 || r.Err() != nil || *d > 3*time.Second {
			return r
		}
		*d *= 4
	}
}

func TestChatSendsOnScheduleAndChecksEveryAnswer(t *testing.T) {
	p := newParrot(t)
	for name, o := range map[string]ChatOptions{
		"text":      {Rate: 500, Size: Sizes{64, 1024}},
		"ping":      {Rate: 500, Size: Sizes{32, 125}, Ping: true},
		"long":      {Rate: 50, Size: Sizes{70_000, 400_000}},
		"fragments": {Rate: 500, Size: Sizes{64, 64}},
		"two loops": {Rate: 500, Target: Target{Loops: 2}},
	} {
		loops := o.Loops
		o.Target = p.target("/echo")
		if o.Loops = loops; name == "fragments" {
			o.Target.URL = strings.Replace(o.URL, "/echo", "/fragments", 1)
		}
		o.N, o.For = 20, 400*time.Millisecond
		r := mustChat(t, o)
		want := int(float64(o.Rate) * o.For.Seconds())
		if c := r.Counts; c.Answered != c.Sent || c.Sent < want-2 || c.Sent > want+2 || r.Err() != nil {
			t.Errorf("%s: %+v, want %d, %v", name, c, want, r.Err())
		}
		if c := r.Counts; c.BytesIn != c.BytesOut || c.BytesIn < c.Answered*o.Size.Min {
			t.Errorf("%s: %d bytes in, %d out", name, c.BytesIn, c.BytesOut)
		}
	}
}

func TestChatGoesFlatOut(t *testing.T) {
	p := newParrot(t)
	for _, inFlight := range []int{0, 1, 8} {
		r := mustChat(t, ChatOptions{Target: p.target("/echo"), N: 50, InFlight: inFlight, For: 200 * time.Millisecond})
		if c := r.Counts; c.Answered != c.Sent || c.Sent == 0 || r.Err() != nil {
			t.Errorf("%d in flight: %+v, %v", inFlight, c, r.Err())
		}
		if r.Derived["messages_per_second"] == 0 {
			t.Errorf("derived %v", r.Derived)
		}
	}
}

func TestChatNoticesChangedAndMissingAnswers(t *testing.T) {
	p := newParrot(t)
	r := mustChat(t, ChatOptions{Target: p.target("/mangle"), N: 5, Rate: 100, For: 200 * time.Millisecond})
	if r.Counts.Wrong < 20 || r.Err() == nil || r.Failures[0].Kind != "wrong answer" {
		t.Errorf("mangled: %+v, %+v", r.Counts, r.Failures)
	}
	target := p.target("/silent")
	target.Timeout = 100 * time.Millisecond
	r = mustChat(t, ChatOptions{Target: target, N: 5, Rate: 100, For: 200 * time.Millisecond})
	if r.Counts.Unanswered < 19 || r.Counts.Unanswered > 21 || r.Err() == nil {
		t.Errorf("silent: %+v", r.Counts)
	}
	r = mustChat(t, ChatOptions{Target: p.target("/close/1011"), N: 5, Rate: Max, For: 200 * time.Millisecond})
	if r.Counts.Lost != 5 || r.CloseCodes["1011"] != 5 || r.Err() == nil {
		t.Errorf("closed: %+v, %v", r.Counts, r.CloseCodes)
	}
	if notes := strings.Join(r.Notes, " "); !strings.Contains(notes, "--ping") {
		t.Errorf("a server that is no echo: the notes are %q, want what to do", notes)
	}
}

// TestPercentilesAgreeWithAKnownDelay asks a server that answers after a set
// distribution of delays. On a machine that is busy with something else the
// server and we ourselves are late; one of a few runs has to agree.
func TestPercentilesAgreeWithAKnownDelay(t *testing.T) {
	p := newParrot(t)
	const within = 0.02
	// More short than long ones, no two alike.
	delay := func(u float64) time.Duration { return time.Duration((300 + 600*u*u) * float64(time.Millisecond)) }
	var far []string
	for range 8 {
		p.on(func() {
			p.delays = nil
			u := 0.0
			p.delay = func() time.Duration { // the golden ratio spreads u evenly
				u = math.Mod(u+math.Phi, 1)
				return delay(u)
			}
		})
		// Answers of one connection could overtake each other, as Pongs may.
		r := mustChat(t, ChatOptions{Target: p.target("/echo"), N: 1000, Rate: 1000, For: 1200 * time.Millisecond, Ping: true, Size: Sizes{64, 64}})
		var really []int64
		p.on(func() { really = slices.Sorted(slices.Values(p.delays)) })
		got := r.Latency["ping"]
		far = nil
		for _, q := range []struct {
			name     string
			quantile float64
			found    float64
		}{{"p50", 0.5, got.P50}, {"p90", 0.9, got.P90}, {"p99", 0.99, got.P99}, {"p99.9", 0.999, got.P999}} {
			was := float64(really[int(q.quantile*float64(len(really)-1))]) / 1e3
			set := float64(delay(q.quantile).Microseconds())
			t.Logf("%s: found %.0f µs, the server really waited %.0f µs, the distribution says %.0f µs", q.name, q.found, was, set)
			if q.found < was*(1-within) || q.found > was*(1+within) {
				far = append(far, q.name)
			}
		}
		if len(far) == 0 {
			return
		}
	}
	t.Errorf("%v are more than 2 %% off in every run", far)
}

// TestAServerThatFreezesShowsInTheTail is the test for coordinated omission:
// who waits for answers before asking again would ask nothing during the
// freeze, and see one long answer for each connection.
func TestAServerThatFreezesShowsInTheTail(t *testing.T) {
	p := newParrot(t)
	live := new(Live)
	go whenMeasuring(live, func() { p.freeze(time.Second) })
	r, err := Chat(t.Context(), ChatOptions{Target: p.target("/echo"), N: 20, Ramp: Max, Rate: 1000,
		For: 1800 * time.Millisecond, Warmup: 50 * time.Millisecond}, live)
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if n := r.Counts.Sent; n < 1799 || n > 1801 {
		t.Errorf("%d sent, want 1800 as without the freeze", n)
	}
	got := r.Latency["echo"]
	if got.P999 < 900_000 || got.P90 < 500_000 {
		t.Errorf("p90 %.0f µs, p99.9 %.0f µs: the freeze of one second is not seen", got.P90, got.P999)
	}

	go whenMeasuring(live, func() { p.freeze(time.Second) })
	live.SetPhase("")
	r, err = HTTP(t.Context(), HTTPOptions{Target: p.target("/page/10"), Conns: 20, Rate: 1000, Size: -1, For: 1800 * time.Millisecond, Warmup: 50 * time.Millisecond}, live)
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if got := r.Latency["request"]; got.P999 < 900_000 || got.P90 < 500_000 || r.Counts.Sent < 1799 || r.Counts.Sent > 1801 {
		t.Errorf("%d requests, p90 %.0f µs, p99.9 %.0f µs: the freeze of one second is not seen", r.Counts.Sent, got.P90, got.P999)
	}
}

func whenMeasuring(live *Live, do func()) {
	for live.Phase() != "measuring" {
		time.Sleep(time.Millisecond)
	}
	do()
}

func TestChatCountsConnectionsThatComeTalkAndLeave(t *testing.T) {
	p := newParrot(t)
	for name, o := range map[string]ChatOptions{
		"flat out":    {Rate: Max, LeaveAfter: 1},
		"on schedule": {Rate: 400, LeaveAfter: 3},
	} {
		o.Target, o.N, o.For = p.target("/echo"), 10, 500*time.Millisecond
		r := mustChat(t, o)
		c := r.Counts
		if err := r.Err(); err != nil || c.Visits == 0 || c.Opened != 10 || c.Lost != 0 {
			t.Errorf("%s: %v, %+v, %+v", name, err, c, r.Failures)
		}
		// Those under way at either end are in one count and not in the other.
		if most, least := c.Answered/o.LeaveAfter+10, c.Answered/o.LeaveAfter-10; c.Visits > most || c.Visits < least {
			t.Errorf("%s: %d visits with %d messages of %d each", name, c.Visits, c.Answered, o.LeaveAfter)
		}
		if r.Derived["visits_per_second"] == 0 || int(r.Latency["handshake"].Count) < c.Visits {
			t.Errorf("%s: %v, %d handshakes", name, r.Derived, r.Latency["handshake"].Count)
		}
	}
	target := p.target("/close/1011")
	target.Timeout = time.Second
	r := mustChat(t, ChatOptions{Target: target, N: 3, Rate: Max, LeaveAfter: 1, For: 100 * time.Millisecond})
	if r.Counts.Lost != 3 || r.Err() == nil {
		t.Errorf("closed instead of answered: %+v", r.Counts)
	}
}

func TestChatCountsWhatAServerSaysOfItself(t *testing.T) {
	p := newParrot(t)
	r := mustChat(t, ChatOptions{Target: p.target("/talks"), N: 3, Rate: Max, Listen: true, For: 200 * time.Millisecond})
	c := r.Counts
	if err := r.Err(); err != nil || c.Sent != 0 || c.Answered == 0 {
		t.Errorf("%v, %+v", err, c)
	}
	// A message that is half through at either end counts with a part.
	if whole := c.Answered * 100_000; c.BytesIn < whole-300_000 || c.BytesIn > whole+300_000 {
		t.Errorf("%d bytes in %d messages of 100,000", c.BytesIn, c.Answered)
	}
	if r.Derived["gigabytes_per_second"] == 0 || !strings.Contains(summaryOf(t, r), " heard") {
		t.Errorf("derived %v\n%s", r.Derived, summaryOf(t, r))
	}
}

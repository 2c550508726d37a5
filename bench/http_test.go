//go:build linux

package bench

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustHTTP(t *testing.T, o HTTPOptions) *Result {
	t.Helper()
	o.For, o.Warmup, o.Conns = cmp.Or(o.For, 200*time.Millisecond), cmp.Or(o.Warmup, 50*time.Millisecond), cmp.Or(o.Conns, 8)
	return measuring(t, &o.For, func() (*Result, error) { return HTTP(t.Context(), o, nil) })
}

func TestHTTPChecksAnswersInEveryShape(t *testing.T) {
	p := newParrot(t)
	for path, size := range map[string]int64{
		"/page/1000": 1000, "/page/300000": 300_000, "/page/0": 0, "/page/500?chunked": 503,
		"/page/100?close": 100, "/page/100?until-close": 100,
	} {
		for _, rate := range []Rate{200, Max} {
			r := mustHTTP(t, HTTPOptions{Target: p.target(path), Rate: rate, Size: size})
			c := r.Counts
			if err := r.Err(); err != nil || c.Answered != c.Sent || c.Lost > 0 || c.Wrong > 0 {
				t.Errorf("%s at %v: %v, %+v, %+v", path, rate, err, c, r.Failures)
			}
			if rate == 200 && (c.Sent < 39 || c.Sent > 41) || c.Sent == 0 {
				t.Errorf("%s at %v: %d sent", path, rate, c.Sent)
			}
			if c.BytesIn != c.Answered*int(size) {
				t.Errorf("%s at %v: %d bytes in %d answers", path, rate, c.BytesIn, c.Answered)
			}
		}
	}
	r := mustHTTP(t, HTTPOptions{Target: p.target("/page/1000"), Rate: 200, Method: "HEAD", Size: 1000})
	if r.Err() != nil || r.Counts.Answered < 39 {
		t.Errorf("HEAD: %v, %+v", r.Err(), r.Counts)
	}
	r = mustHTTP(t, HTTPOptions{Target: p.target("/status/404"), Rate: 200, Status: 404, Size: -1})
	if r.Err() != nil || r.Counts.Answered < 39 {
		t.Errorf("404: %v, %+v", r.Err(), r.Counts)
	}
}

func TestHTTPCountsWrongAnswers(t *testing.T) {
	p := newParrot(t)
	r := mustHTTP(t, HTTPOptions{Target: p.target("/status/403"), Rate: 100, Size: -1})
	if r.Counts.Wrong < 19 || r.Err() == nil || len(r.Failures) != 1 || r.Failures[0].Kind != "status 403" {
		t.Errorf("403: %+v, %+v", r.Counts, r.Failures)
	}
	r = mustHTTP(t, HTTPOptions{Target: p.target("/page/9"), Rate: 100, Size: 10})
	if r.Counts.Wrong < 19 || r.Failures[0].Kind != "wrong size" {
		t.Errorf("size: %+v, %+v", r.Counts, r.Failures)
	}
	r = mustHTTP(t, HTTPOptions{Target: p.target("/page/9?growing"), Rate: 100, Size: -1})
	if r.Counts.Wrong == 0 || r.Failures[0].Kind != "wrong size" {
		t.Errorf("size that changes: %+v, %+v", r.Counts, r.Failures)
	}
	r = mustHTTP(t, HTTPOptions{Target: p.target("/page/9?short"), Rate: 100, Size: -1})
	if r.Counts.Lost == 0 || r.Counts.Unanswered == 0 || r.Err() == nil {
		t.Errorf("cut off: %+v, %+v", r.Counts, r.Failures)
	}
	target := p.target("/page/9")
	target.Timeout = 100 * time.Millisecond
	p.on(func() { p.delay = func() time.Duration { return time.Hour } })
	r = mustHTTP(t, HTTPOptions{Target: target, Rate: 100, Size: -1})
	if r.Counts.Lost == 0 || !slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Kind == "timeout" }) {
		t.Errorf("no answer: %+v, %+v", r.Counts, r.Failures)
	}
}

func TestAConnectionThatEndsBetweenRequestsIsReplaced(t *testing.T) {
	p := newParrot(t)
	live := new(Live)
	go whenMeasuring(live, func() { p.on(p.hangUp) })
	r, err := HTTP(t.Context(), HTTPOptions{Target: p.target("/page/10"), Conns: 10, Rate: 20, Size: -1, For: time.Second, Warmup: 50 * time.Millisecond}, live)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err() != nil || r.Counts.Answered < 19 || r.Counts.Lost != 0 || !strings.Contains(strings.Join(r.Notes, " "), "replaced") {
		t.Errorf("%v, %+v, %v", r.Err(), r.Counts, r.Notes)
	}
}

func TestRequestsThatWaitForAConnectionAreTold(t *testing.T) {
	p := newParrot(t)
	p.on(func() { p.delay = func() time.Duration { return 20 * time.Millisecond } })
	r := mustHTTP(t, HTTPOptions{Target: p.target("/page/10"), Conns: 1, Rate: 100, Size: -1})
	if r.Err() != nil || r.Counts.Answered < 19 || !strings.Contains(strings.Join(r.Notes, " "), "waited for a free connection") {
		t.Errorf("%v, %+v, %v", r.Err(), r.Counts, r.Notes)
	}
}

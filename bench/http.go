package bench

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"time"
)

// HTTP asks for one URL over keep-alive connections, at a fixed rate, each
// request measured from the moment it was due, or as fast as answers come, and
// checks status and size of every answer. The error is nil when a run took
// place, whatever it found; see Result.Err.
func HTTP(ctx context.Context, o HTTPOptions, live *Live) (*Result, error) {
	o.Ramp, o.Rate = cmp.Or(o.Ramp, Max), cmp.Or(o.Rate, Max)
	o.For, o.Warmup = cmp.Or(o.For, 30*time.Second), cmp.Or(o.Warmup, time.Second)
	o.Method, o.Status, o.Conns = cmp.Or(o.Method, http.MethodGet), cmp.Or(o.Status, 200), cmp.Or(o.Conns, 64)
	if err := checkHTTP(&o); err != nil {
		return nil, err
	}
	var asks []*asking
	f, err := newFleet(ctx, "http", &o.Target, o.Conns, o.Ramp, live, "request", func(cl *client) speaker {
		a := newAsking(cl, &o)
		asks = append(asks, a)
		return a
	})
	if err != nil {
		return nil, err
	}
	if f.open() {
		f.ask(&o, asks)
	}
	r := f.finish()
	r.Notes = append(r.Notes, notesOf(asks)...)
	f.perSecond("requests_per_second", r.Counts.Answered)
	f.perUnit("cpu_us_per_request", r.Counts.Answered, time.Microsecond)
	f.perGigabyte(r.Counts.BytesIn, r.Counts.Answered)
	return r, nil
}

func checkHTTP(o *HTTPOptions) error {
	switch {
	case math.IsNaN(float64(o.Rate)) || o.Rate <= 0:
		return usage("http: found a rate of %v, want more than 0, or max", o.Rate)
	case o.Method != http.MethodGet && o.Method != http.MethodHead:
		return usage("http: found the method %q, want GET or HEAD", clip(o.Method, 20))
	case o.Status < 200 || o.Status > 599:
		return usage("http: found the status %d, want 200 to 599", o.Status)
	case o.For < 0 || o.Warmup < 0:
		return usage("http: found a negative time")
	}
	return nil
}

// ask is the part after all connections are open.
func (f *fleet) ask(o *HTTPOptions, asks []*asking) {
	f.live.SetPhase("warming up")
	f.measureClient()
	from, to := f.measure(o.Warmup, o.For)
	f.each(func(cl *client) {
		cl.comeBack = true
		asks[cl.number].start(f.shareOf(cl, o.Rate), int64(to)+cl.offset)
	})
	if f.sleep(from) {
		f.live.SetPhase("measuring")
		f.markFrom()
		f.sleep(to)
		f.markTo()
	}
	f.each(func(cl *client) { asks[cl.number].end(cl.loop.Clock()) })
	f.lastAnswers()
}

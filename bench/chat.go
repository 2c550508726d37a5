package bench

import (
	"cmp"
	"context"
	"math"
	"time"
)

// Chat opens WebSockets and sends messages over them that the server says
// back: at a fixed rate, each measured from the moment it was due, or as fast
// as they come back. The error is nil when a run took place, whatever it
// found; see Result.Err.
//
// With LeaveAfter connections come and go; with Listen the server talks.
//
// A message, in messages_per_second and cpu_us_per_message, is one frame in
// one direction: a round trip is two.
func Chat(ctx context.Context, o ChatOptions, live *Live) (*Result, error) {
	o.Ramp, o.Rate = cmp.Or(o.Ramp, 500), cmp.Or(o.Rate, Max)
	o.For, o.Warmup = cmp.Or(o.For, 30*time.Second), cmp.Or(o.Warmup, time.Second)
	o.Size = cmp.Or(o.Size, Sizes{64, 64})
	o.InFlight = cmp.Or(o.InFlight, o.N)
	if err := checkChat(&o); err != nil {
		return nil, err
	}
	what := "echo"
	if o.Ping {
		what = "ping"
	}
	if o.Listen {
		o.Size, o.Rate = Sizes{markSize, markSize}, Max
	}
	var talks []*talk
	f, err := newFleet(ctx, "chat", &o.Target, o.N, o.Ramp, live, what, func(cl *client) speaker {
		t := newTalk(cl, o.Ping, o.Size)
		t.leaveAfter, cl.revolving, t.listen = o.LeaveAfter, o.LeaveAfter > 0, o.Listen
		talks = append(talks, t)
		return t
	})
	if err != nil {
		return nil, err
	}
	if f.open() {
		f.chat(&o, talks)
	}
	r := f.finish()
	f.chatted(&o, r)
	if !o.Ping && !o.Listen && f.live.Messages.Load() == 0 && r.Counts.Lost+r.Counts.Unanswered > 0 {
		r.Notes = append(r.Notes, "No message came back: chat wants a server that says every text message back, which Shiny does not do. --ping measures Pong frames instead.")
	}
	return r, nil
}

// chatted makes the figures of the run.
func (f *fleet) chatted(o *ChatOptions, r *Result) {
	n, c := 2*r.Counts.Answered, r.Counts
	if o.Listen {
		n = c.Answered
	} else {
		f.perSecond("round_trips_per_second", c.Answered)
	}
	f.perSecond("messages_per_second", n)
	f.perGigabyte(c.BytesIn+c.BytesOut, n)
	switch { // one CPU, one figure of it: that of what it is spent on
	case o.LeaveAfter > 0:
		f.perSecond("visits_per_second", c.Visits)
		f.perUnit("cpu_us_per_visit", c.Visits, time.Microsecond)
	case !o.Listen:
		f.perUnit("cpu_us_per_message", n, time.Microsecond)
	}
}

func checkChat(o *ChatOptions) error {
	switch {
	case math.IsNaN(float64(o.Rate)) || o.Rate <= 0:
		return usage("chat: found a rate of %v, want more than 0, or max", o.Rate)
	case o.N > 0 && (o.InFlight < 1 || o.InFlight > o.N):
		return usage("chat: found %d messages in flight, want 1 to %d, one for each connection", o.InFlight, o.N)
	case o.For < 0 || o.Warmup < 0:
		return usage("chat: found a negative time")
	case o.LeaveAfter < 0:
		return usage("chat: found %d messages to leave after, want 1 or more", o.LeaveAfter)
	case o.Listen && (o.LeaveAfter > 0 || o.Ping):
		return usage("chat: found listening with pings or with leaving, which are for who talks")
	}
	return checkSizes(o.Size, o.Ping)
}

// chat is the part after all are open.
func (f *fleet) chat(o *ChatOptions, talks []*talk) {
	f.live.SetPhase("warming up")
	f.measureClient()
	from, to := f.measure(o.Warmup, o.For)
	f.each(func(cl *client) {
		inFlight := max(o.InFlight*len(cl.conns)/o.N, 1)
		if !o.Listen {
			talks[cl.number].start(f.shareOf(cl, o.Rate), int64(to)+cl.offset, math.MaxInt, inFlight)
		}
	})
	if f.sleep(from) {
		f.live.SetPhase("measuring")
		f.markFrom()
		f.sleep(to)
		f.markTo()
	}
	f.each(func(cl *client) { talks[cl.number].stop() })
	f.lastAnswers()
}

package bench

import (
	"maps"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// bottleneckShare is the load of a loop from which on this client, not the
// target, may be what limits.
const bottleneckShare = 0.9

// finish says goodbye on all connections, ends the loops and returns what was
// found.
func (f *fleet) finish() *Result {
	f.live.SetPhase("closing")
	r := f.result
	r.Ended = "done"
	if f.ctx.Err() != nil {
		r.Ended = "interrupted"
	}
	f.beat() // the rest of the last second
	f.takeTargets()
	f.each(func(cl *client) {
		cl.counts.OpenAtEnd = int(cl.open.Load())
		cl.leave()
	})
	f.awaitLeft()
	f.stop()
	f.running.Wait()

	r.Seconds = f.elapsed().Seconds()
	f.takeCounts()
	f.takeLatencies()
	f.takeClient()
	r.Failures = f.faults.list()
	r.Series = f.series
	r.Notes = append(r.Notes, f.notes...)
	f.live.SetPhase("done")
	return r
}

// awaitLeft waits for the goodbyes, also when the run was interrupted.
func (f *fleet) awaitLeft() {
	for _, cl := range f.clients {
		done := make(chan struct{})
		if cl.loop.Post(func() { cl.await(func() bool { return cl.open.Load() == 0 }, done) }) {
			<-done // each has a deadline
		}
	}
}

// takeTargets reads the targets while all connections are open still.
func (f *fleet) takeTargets() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.processes.look(f.elapsed().Seconds())
	for _, p := range f.processes {
		p.use.PSSEnd, p.use.FDsEnd = p.last.pss, p.last.fds
		f.result.Targets = append(f.result.Targets, p.use)
	}
}

func (f *fleet) takeCounts() {
	c := &f.result.Counts
	codes := map[string]int{}
	for _, cl := range f.clients {
		one := &cl.counts
		c.Opened += one.Opened
		c.Failed += one.Failed
		c.Lost += one.Lost
		c.Reopened += one.Reopened
		c.Retries += one.Retries
		c.OpenAtEnd += one.OpenAtEnd
		c.Sent += one.Sent
		c.Answered += one.Answered
		c.Unanswered += one.Unanswered
		c.Wrong += one.Wrong
		c.BytesIn += one.BytesIn
		c.BytesOut += one.BytesOut
		c.Visits += one.Visits
		for code, n := range cl.codes {
			codes[code] += n
		}
	}
	c.Planned = int(f.live.Planned.Load())
	if missing := c.Sent - c.Answered; missing > 0 {
		c.Unanswered += missing
		f.faults.addMany("no answer", "not answered before the run ended", missing)
	}
	if len(codes) > 0 {
		f.result.CloseCodes = maps.Clone(codes)
	}
}

func (f *fleet) takeLatencies() {
	r := f.result
	r.Latency = map[string]Percentiles{}
	for name, of := range map[string]func(*client) *hdr.Histogram{
		"handshake": func(cl *client) *hdr.Histogram { return cl.handshake.all },
		"reconnect": func(cl *client) *hdr.Histogram { return cl.back.all },
		f.what:      func(cl *client) *hdr.Histogram { return cl.answers.all },
	} {
		if h := f.merged(of); h.TotalCount() > 0 {
			r.Latency[name] = percentilesOf(h)
		}
	}
}

// takeClient tells what this process used in the measured time.
func (f *fleet) takeClient() {
	took := f.measuredTo - f.measuredFrom
	if took <= 0 {
		return
	}
	c := &f.result.Client
	c.CPUSeconds = f.ownTo - f.ownFrom
	for i := range f.busyTo {
		c.CPUShare = max(c.CPUShare, float64(f.busyTo[i]-f.busyFrom[i])/float64(took))
	}
	f.result.LowerBound = c.CPUShare > bottleneckShare
}

// perSecond and perUnit derive figures of the measured time; without targets
// their CPU is not known.
func (f *fleet) perSecond(name string, n int) {
	if took := (f.measuredTo - f.measuredFrom).Seconds(); took > 0 {
		f.result.Derived[name] = float64(n) / took
	}
}

func (f *fleet) perUnit(name string, n int, per time.Duration) {
	if len(f.processes) > 0 && n > 0 {
		f.result.Derived[name] = (f.cpuTo - f.cpuFrom) * float64(time.Second) / float64(per) / float64(n)
	}
}

// perGigabyte derives what it costs to carry so many bytes, where messages are
// large enough for that to be what costs.
func (f *fleet) perGigabyte(bytes, messages int) {
	took := (f.measuredTo - f.measuredFrom).Seconds()
	if messages == 0 || bytes/messages < bulkSize || took <= 0 {
		return
	}
	f.result.Derived["gigabytes_per_second"] = float64(bytes) / 1e9 / took
	if len(f.processes) > 0 {
		f.result.Derived["cpu_seconds_per_gigabyte"] = (f.cpuTo - f.cpuFrom) / float64(bytes) * 1e9
	}
}

// bulkSize is how large a message is from which on its bytes cost more than
// that it is one.
const bulkSize = 64 << 10

// leave ends everything that is under way or open.
func (cl *client) leave() {
	cl.closing = true
	for i := range cl.conns {
		switch c := &cl.conns[i]; c.state {
		case connConnecting, connGreeting:
			c.drop()
		case connReady:
			cl.speak.bye(c)
		}
	}
}

// addMany counts n failures of one kind.
func (c *faultCount) addMany(kind, sample string, n int) {
	c.add(kind, sample)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kinds[kind].Count += n - 1
}

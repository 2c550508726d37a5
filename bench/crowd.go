package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// crowd keeps the accounts of a run whose visitors have a goroutine each:
// replay and storm. Safe for many goroutines.
type crowd struct {
	live    *Live
	start   time.Time
	watched processes
	looking sync.Mutex // guards watched
	faults  faultCount

	mu     sync.Mutex
	counts Counts
	codes  map[string]int
	times  map[string]*hdr.Histogram // in ns, by what was timed
	latest *hdr.Histogram            // of everything in the second that goes on
	second int                       // things counted in it
	series []Point
	notes  []string
	most   int // goroutines at most
	cpu    float64
}

func newHistogram() *hdr.Histogram { return hdr.New(shortest, longest, digitsKept) }

// newCrowd begins the accounts, and to watch the target's processes.
func newCrowd(t *Target, live *Live) (*crowd, error) {
	watched, err := watchProcesses(t)
	if err != nil {
		return nil, err
	}
	c := &crowd{live: live, start: time.Now(), watched: watched, codes: map[string]int{}, times: map[string]*hdr.Histogram{}, latest: newHistogram()}
	c.cpu, _ = cpuOf(os.Getpid())
	return c, nil
}

func (c *crowd) seconds() float64 { return time.Since(c.start).Seconds() }

// keep closes a second every second until ctx ends, and then the last one.
func (c *crowd) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.endSecond()
		case <-ctx.Done():
			c.endSecond()
			return
		}
	}
}

func (c *crowd) endSecond() {
	at := c.seconds()
	c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	p := Point{
		At: at, Open: int(c.live.Open.Load()), Opening: int(c.live.Opening.Load()),
		Failed: int(c.live.Failed.Load()), Lost: int(c.live.Lost.Load()), Messages: c.second,
	}
	if h := c.latest; h.TotalCount() > 0 {
		p.P50, p.P99 = float64(h.ValueAtQuantile(50))/1e3, float64(h.ValueAtQuantile(99))/1e3
		h.Reset()
	}
	c.live.P99.Store(int64(p.P99))
	c.series, c.second = append(c.series, p), 0
	c.most = max(c.most, runtime.NumGoroutine())
}

// look samples the target's processes and returns the CPU seconds that all have
// used since they are watched.
func (c *crowd) look() float64 {
	c.looking.Lock()
	defer c.looking.Unlock()
	return c.watched.look(c.seconds())
}

// took counts something that was asked and answered, and how long that took;
// of kind "" it is only counted.
func (c *crowd) took(kind string, d time.Duration) {
	c.live.Messages.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.second++
	c.counts.Sent++
	c.counts.Answered++
	if kind != "" {
		c.time(kind, d)
		c.latest.RecordValue(min(max(d.Nanoseconds(), shortest), longest))
	}
}

// timed records how long something larger took, which is not counted.
func (c *crowd) timed(kind string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time(kind, d)
}

// time records under a kind. The caller holds mu.
func (c *crowd) time(kind string, d time.Duration) {
	h := c.times[kind]
	if h == nil {
		h = newHistogram()
		c.times[kind] = h
	}
	h.RecordValue(min(max(d.Nanoseconds(), shortest), longest))
}

// opening counts a socket that is being opened (1), or no longer is (-1).
func (c *crowd) opening(by int64) { c.live.Opening.Add(by) }

// opened counts a socket that is open.
func (c *crowd) opened() {
	c.live.Open.Add(1)
	c.count(func(n *Counts) { n.Opened++ })
}

// closed counts an open socket that we closed.
func (c *crowd) closed() { c.live.Open.Add(-1) }

// lost counts an open socket that the other side ended, with a code.
func (c *crowd) lost(code string) {
	c.live.Open.Add(-1)
	c.live.Lost.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Lost++
	c.codes[code]++
}

func (c *crowd) count(add func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.counts)
}

// done counts a whole session.
func (c *crowd) done() {
	c.live.Sessions.Add(1)
	c.count(func(n *Counts) { n.Sessions++ })
}

// failed counts a session that failed, in one place only: as lost where the
// other side ended its socket, as wrong where an answer was another one, else
// as failed. It reports whether it is the first of its kind.
func (c *crowd) failed(err error) bool {
	kind := faultKind(err)
	var l *socketLost
	switch {
	case endCode(err) != "": // the socket has been counted as lost
		if errors.As(err, &l) {
			kind = "lost: " + l.code
		}
	case isWrong(kind):
		c.live.Failed.Add(1)
		c.count(func(n *Counts) { n.Wrong++ })
	default:
		c.live.Failed.Add(1)
		c.count(func(n *Counts) { n.Failed++ })
	}
	return c.faults.add(kind, err.Error())
}

// isWrong tells the kinds of answers that came, but were others than wanted.
func isWrong(kind string) bool {
	return len(kind) > 7 && kind[:7] == "status " || kind == "message" || kind == "unread" || kind == "redirect" || kind == "token"
}

// note is something that a reader of the result should know.
func (c *crowd) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// result closes the accounts. Nothing may be counted any more.
func (c *crowd) result(ctx context.Context, scenario string, n *network) *Result {
	took := c.seconds()
	spent, _ := cpuOf(os.Getpid())
	c.counts.BytesIn, c.counts.BytesOut = int(n.bytesIn.Load()), int(n.bytesOut.Load())
	c.counts.OpenAtEnd = int(c.live.Open.Load())
	r := &Result{
		Schema: SchemaVersion, Scenario: scenario, URL: place(n.home) + "/", Started: c.start, Seconds: took,
		Machine: thisMachine(), Counts: c.counts, Latency: map[string]Percentiles{}, Failures: c.faults.list(),
		CloseCodes: c.codes, Series: c.series, Notes: c.notes, Derived: map[string]float64{}, Ended: "done",
		Client: ClientUse{CPUSeconds: spent - c.cpu, Goroutines: c.most},
	}
	for kind, h := range c.times {
		r.Latency[kind] = percentilesOf(h)
	}
	for _, p := range c.watched {
		p.use.CPUSeconds, p.use.PSSEnd, p.use.FDsEnd = p.cpu(), p.last.pss, p.last.fds
		r.Targets = append(r.Targets, p.use)
	}
	// With no loop of its own this client is the bottleneck when all cores that
	// it may use are.
	r.Client.CPUShare = r.Client.CPUSeconds / took / float64(runtime.GOMAXPROCS(0))
	r.LowerBound = r.Client.CPUShare > 0.9
	if ctx.Err() != nil {
		r.Ended = "interrupted"
	}
	return r
}

// pause waits for d; false when ctx ended or over was closed before.
func pause(ctx context.Context, over <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
	case <-ctx.Done():
	}
	return false
}

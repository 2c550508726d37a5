package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// fleet is the connections of a run, over one or more event loops, and
// everything that is measured meanwhile. Its methods are for the goroutine of
// the scenario.
type fleet struct {
	// set once
	ctx     context.Context // ends the run early
	site    *site
	live    *Live
	begun   time.Time
	clients []*client
	rate    Rate // of opening
	what    string
	stop    context.CancelFunc // of the loops
	running sync.WaitGroup
	faults  faultCount

	// The pulse goroutine and the scenario take turns.
	mu        sync.Mutex
	processes processes
	series    []Point
	notes     []string

	result                   *Result
	heapBefore               uint64 // the conns are there already
	busyFrom, busyTo         []time.Duration
	cpuFrom, cpuTo           float64 // of the targets
	ownFrom, ownTo           float64
	measuredFrom, measuredTo time.Duration
	measuring                atomic.Int64 // measuredFrom, for the pulse
}

// newFleet prepares a run of n connections and starts its loops. what names
// the latency that the scenario is about; speak makes the speaker of a client.
// An error is a *UsageError, or says what could not be resolved or opened.
func newFleet(ctx context.Context, scenario string, t *Target, n int, ramp Rate, live *Live, what string, speak func(*client) speaker) (*fleet, error) {
	if n < 1 {
		return nil, usage("%s: found %d connections, want one or more", scenario, n)
	}
	if math.IsNaN(float64(ramp)) || ramp <= 0 {
		return nil, usage("%s: found a ramp of %v, want more than 0", scenario, ramp)
	}
	s, err := newSite(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := checkLimits(n, s); err != nil {
		return nil, err
	}
	watched, err := watchProcesses(t)
	if err != nil {
		return nil, err
	}
	f := &fleet{ctx: ctx, site: s, live: cmp.Or(live, new(Live)), begun: time.Now(), processes: watched, rate: ramp, what: what}
	f.live.Planned.Store(int64(n))
	f.notes = watched.warnings(n)
	f.result = &Result{Schema: SchemaVersion, Scenario: scenario, URL: s.shown, Started: f.begun, Machine: thisMachine(), Derived: map[string]float64{}}
	if err := f.launch(n, min(max(t.Loops, 1), n), speak); err != nil {
		return nil, err
	}
	return f, nil
}

// launch makes the clients and starts their loops and the pulse.
func (f *fleet) launch(n, loops int, speak func(*client) speaker) error {
	for i := range loops {
		cl, err := newClient(f, n*(i+1)/loops-n*i/loops, n*i/loops)
		if err != nil {
			for _, made := range f.clients {
				made.loop.Discard()
			}
			return fmt.Errorf("bench: open an event loop: %w", err)
		}
		cl.number, cl.speak = i, speak(cl)
		f.clients = append(f.clients, cl)
	}
	f.heapBefore = liveHeap()
	ctx, stop := context.WithCancel(context.WithoutCancel(f.ctx))
	f.stop = stop
	for _, cl := range f.clients {
		f.running.Go(func() { f.turn(ctx, cl) })
	}
	f.running.Go(func() { f.pulse(ctx) })
	return nil
}

func (f *fleet) turn(ctx context.Context, cl *client) {
	if err := cl.loop.Run(ctx); err != nil {
		f.faults.add("event loop", err.Error())
		f.note("An event loop failed; its connections were lost.")
	}
}

func (f *fleet) elapsed() time.Duration { return time.Since(f.begun) }

// each calls do on every client's loop and waits until all are done.
func (f *fleet) each(do func(cl *client)) {
	var all sync.WaitGroup
	for _, cl := range f.clients {
		all.Add(1)
		if !cl.loop.Post(func() { defer all.Done(); do(cl) }) {
			all.Done()
		}
	}
	all.Wait()
}

// shareOf is a client's part of something that is spread over connections.
func (f *fleet) shareOf(cl *client, all Rate) Rate {
	if all == Max {
		return Max
	}
	return all * Rate(len(cl.conns)) / Rate(f.live.Planned.Load())
}

// until waits until a condition holds for every client, for at most d (0: as
// long as it takes), and reports whether it does. The end of the run's context
// ends it.
func (f *fleet) until(d time.Duration, holds func(cl *client) bool) bool {
	return f.untilIn(f.ctx, d, holds)
}

func (f *fleet) untilIn(ctx context.Context, d time.Duration, holds func(cl *client) bool) bool {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	for _, cl := range f.clients {
		done := make(chan struct{})
		if !cl.loop.Post(func() { cl.await(func() bool { return holds(cl) }, done) }) {
			return false
		}
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// lastAnswers waits for what is under way: for as long as an answer may take,
// or for a second when the run was ended early.
func (f *fleet) lastAnswers() {
	f.live.SetPhase("waiting for the last answers")
	d := f.site.timeout
	if f.ctx.Err() != nil {
		d = min(d, time.Second)
	}
	f.untilIn(context.WithoutCancel(f.ctx), d, func(cl *client) bool { return cl.outstanding == 0 })
}

// sleep waits until a moment of the run; false: it was ended early.
func (f *fleet) sleep(until time.Duration) bool {
	t := time.NewTimer(until - f.elapsed())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// open opens all connections and waits until each was tried.
func (f *fleet) open() bool {
	f.live.SetPhase("opening")
	from := f.elapsed()
	f.each(func(cl *client) { cl.begin(f.shareOf(cl, f.rate)) })
	opened := f.until(0, (*client).opened)
	took := f.elapsed() - from
	var n int
	for _, c := range f.counts() {
		n += c.Opened
	}
	f.result.Derived["connects_per_second"] = float64(n) / took.Seconds()
	return opened && n > 0
}

// counts are the clients'.
func (f *fleet) counts() []Counts {
	all := make([]Counts, len(f.clients))
	f.each(func(cl *client) { all[cl.number] = cl.counts })
	return all
}

// measure begins the measured time in d from now, and tells the clients.
func (f *fleet) measure(warmup, d time.Duration) (from, to time.Duration) {
	from = f.elapsed() + warmup
	to = from + d
	f.live.Duration.Store(int64(d))
	f.each(func(cl *client) { cl.from, cl.to = int64(from)+cl.offset, int64(to)+cl.offset })
	return from, to
}

// markFrom and markTo read what everybody has used, at both ends of the
// measured time.
func (f *fleet) markFrom() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measuredFrom = f.elapsed()
	f.measuring.Store(int64(f.measuredFrom))
	f.cpuFrom, f.ownFrom, f.busyFrom = f.use()
	for _, p := range f.processes {
		p.began = p.cpu()
	}
	f.measuredTo, f.cpuTo, f.ownTo, f.busyTo = f.measuredFrom, f.cpuFrom, f.ownFrom, f.busyFrom
}

func (f *fleet) markTo() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measuredTo = f.elapsed()
	f.cpuTo, f.ownTo, f.busyTo = f.use()
	for _, p := range f.processes {
		p.use.CPUSeconds = p.cpu() - p.began
	}
}

// use looks at everybody, with mu held.
func (f *fleet) use() (targets, own float64, busy []time.Duration) {
	targets = f.processes.look(f.elapsed().Seconds())
	own, _ = cpuOf(os.Getpid())
	for _, cl := range f.clients {
		busy = append(busy, cl.loop.Stats().Busy)
	}
	return targets, own, busy
}

func (f *fleet) note(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, text)
}

// liveHeap is what the Go heap holds after a collection.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// measureClient tells what the connections cost here, while all are open.
func (f *fleet) measureClient() {
	if open := f.live.Open.Load(); open >= 100 { // with fewer, what else is on the heap counts more
		more := max(float64(liveHeap())-float64(f.heapBefore), 0)
		f.result.Client.BytesPerConnection = float64(unsafe.Sizeof(conn{})) + more/float64(open)
	}
	f.result.Client.Goroutines = runtime.NumGoroutine()
}

// merged adds up one latency of all clients.
func (f *fleet) merged(of func(cl *client) *hdr.Histogram) *hdr.Histogram {
	sum := newLatency().all
	for _, cl := range f.clients {
		sum.Merge(of(cl))
	}
	return sum
}

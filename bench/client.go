package bench

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fastproxy/fastproxy/loop"
)

// openingAtOnce bounds how many attempts are under way on one loop when they
// are to be made as fast as it goes.
const openingAtOnce = 256

// comeBackAfter is when a lost connection tries again, counted from the last
// attempt: as the client of Shiny Server does it.
var comeBackAfter = [...]time.Duration{0, 1 * time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second}

// client is one event loop's share of a run's connections. Everything in it
// belongs to the loop, except what is set once and the atomics of live.
type client struct {
	// set once
	number int // among the run's clients
	loop   *loop.Loop
	site   *site
	speak  speaker
	live   *Live
	faults *faultCount
	offset int64  // the loop's clock less the run's
	clear  []byte // room for what was decrypted; nil without TLS
	// running counts the goroutines of handshakes, which end soon after their conns
	running *sync.WaitGroup
	random  *rand.Rand

	conns   []conn
	tried   int // of conns, first time
	open    atomic.Int64
	opening atomic.Int64
	pace    schedule // of opening
	opener  *loop.Alarm
	closing bool // nobody comes back

	comeBack bool // lost connections do
	// revolving: for each that says goodbye, or is ended here, another comes
	revolving bool
	waiting   [len(comeBackAfter)]lostQueue
	caller    *loop.Alarm // for those

	from, to    int64 // the measured time, ns of the loop's clock; 0: not known yet
	counts      Counts
	codes       map[string]int
	handshake   *latency
	back        *latency // until a lost connection was back
	answers     *latency // what the scenario is about
	second      int      // answers in the second that goes on
	outstanding int      // messages or requests under way
	queued      int      // bytes held back in conns
	awaited     []waiter
	watchman    *loop.Alarm // for those
}

// newClient makes a client with n connections, the first of which is number
// first of the run.
func newClient(f *fleet, n, first int) (*client, error) {
	l, err := loop.New(loop.Options{Wait: loop.Nested})
	if err != nil {
		return nil, err
	}
	cl := &client{
		loop: l, running: &f.running, site: f.site, live: f.live, faults: &f.faults,
		offset: l.Clock() - f.elapsed().Nanoseconds(),
		random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		conns:  make([]conn, n), codes: map[string]int{},
		handshake: newLatency(), back: newLatency(), answers: newLatency(),
	}
	if f.site.tls != nil {
		cl.clear = make([]byte, 64<<10)
	}
	for i := range cl.conns {
		cl.conns[i] = conn{client: cl, id: uint32(first + i)}
	}
	cl.opener = l.NewAlarm(cl.openDue)
	cl.caller = l.NewAlarm(cl.callBack)
	cl.watchman = l.NewAlarm(cl.look)
	return cl, nil
}

// count changes one of the two gauges, and the run's.
func (cl *client) count(gauge *atomic.Int64, by int64) {
	gauge.Add(by)
	if gauge == &cl.open {
		cl.live.Open.Add(by)
	} else {
		cl.live.Opening.Add(by)
	}
}

// begin opens the connections at rate, which is this client's share.
func (cl *client) begin(rate Rate) {
	cl.pace = newSchedule(cl.loop.Clock(), rate)
	cl.opener.Set(cl.loop.Clock())
}

// openDue opens those whose time has come.
func (cl *client) openDue(now int64) {
	for cl.tried < len(cl.conns) && !cl.closing {
		due := cl.pace.due(cl.tried)
		if due > now {
			cl.opener.Set(due)
			return
		}
		if cl.pace.flatOut() && cl.opening.Load() >= openingAtOnce {
			return // attemptOver goes on
		}
		cl.tried++
		cl.conns[cl.tried-1].connect()
	}
}

// attemptOver lets the next one in, where as many as possible are opened.
func (cl *client) attemptOver() {
	if cl.pace.flatOut() && cl.tried < len(cl.conns) {
		cl.opener.Set(0)
	}
}

// attemptFailed takes that c could not be opened.
func (cl *client) attemptFailed(c *conn, kind, text string) {
	cl.attemptOver()
	switch {
	case c.renewing && cl.revolving: // one more visit that did not take place
		cl.counts.Failed++
		cl.live.Failed.Add(1)
		cl.faults.add(kind, text)
		cl.putBack(c)
		return
	case c.lostAt != 0 || c.renewing:
		cl.counts.Retries++
		cl.faults.add(kind, "coming back: "+text)
		cl.putBack(c)
		return
	}
	cl.faults.add(kind, text)
	cl.counts.Failed++
	cl.live.Failed.Add(1)
}

// isReady takes that c is open.
func (cl *client) isReady(c *conn) {
	now := cl.loop.Clock()
	c.state, c.tries = connReady, 0
	cl.loop.ClearDeadline(c.key)
	cl.count(&cl.opening, -1)
	cl.count(&cl.open, 1)
	cl.attemptOver()
	cl.handshake.record(now-c.began, true)
	switch {
	case c.renewing:
		c.renewing = false
	case c.lostAt != 0:
		cl.back.record(now-c.lostAt, true)
		cl.counts.Reopened++
		c.lostAt = 0
	default:
		cl.counts.Opened++
	}
	cl.speak.ready(c)
}

// isLost takes that the other side, or an error, ended an open connection.
func (cl *client) isLost(c *conn, cause error) {
	cl.count(&cl.open, -1)
	cl.speak.gone(c)
	kind, text := describeEnd(cause)
	cl.codes[closeCode(cause, kind)]++
	cl.counts.Lost++
	cl.live.Lost.Add(1)
	if kind != "eof" && kind != "reset" {
		cl.faults.add(kind, text)
	} else {
		cl.faults.add("lost: "+kind, text)
	}
	c.lostAt = cl.loop.Clock()
	if cl.comeBack && !cl.closing {
		cl.putBack(c)
	}
}

// closeCode is how CloseCodes names an end: by the code of the Close frame, if
// there was one.
func closeCode(cause error, kind string) string {
	if closed, ok := cause.(*closedBy); ok {
		return strconv.Itoa(closed.code)
	}
	return kind
}

// hasLeft takes that c, which was open, was ended here.
func (cl *client) hasLeft(c *conn) {
	if cl.closing {
		return
	}
	if cl.measured(cl.loop.Clock()) {
		cl.counts.Visits++
	}
	if cl.revolving {
		c.renewing = true
		c.connect()
	}
}

// lostQueue are connections that wait equally long, so the first is due first.
type lostQueue []lostConn

type lostConn struct {
	at   int64
	conn *conn
}

// putBack lets c try again when its time comes.
func (cl *client) putBack(c *conn) {
	step := min(int(c.tries), len(comeBackAfter)-1)
	c.tries = uint8(min(int(c.tries)+1, len(comeBackAfter)))
	cl.waiting[step] = append(cl.waiting[step], lostConn{cl.loop.Clock() + int64(comeBackAfter[step]), c})
	cl.setCaller()
}

func (cl *client) callBack(now int64) {
	for step := range cl.waiting {
		for !cl.closing && len(cl.waiting[step]) > 0 && cl.waiting[step][0].at <= now {
			c := cl.waiting[step][0].conn
			cl.waiting[step] = cl.waiting[step][1:]
			c.connect()
		}
	}
	cl.setCaller()
}

func (cl *client) setCaller() {
	for step := range cl.waiting {
		if q := cl.waiting[step]; len(q) > 0 && !cl.closing {
			cl.caller.SetEarlier(q[0].at)
		}
	}
}

// waiter waits for a condition of the client.
type waiter struct {
	holds func() bool
	done  chan<- struct{}
}

// lookEvery is how long a waiter may wait beyond its condition.
const lookEvery = 5 * time.Millisecond

// await has done closed once the condition holds.
func (cl *client) await(holds func() bool, done chan<- struct{}) {
	cl.awaited = append(cl.awaited, waiter{holds, done})
	cl.watchman.Set(0)
}

func (cl *client) look(now int64) {
	waiting := cl.awaited[:0]
	for _, w := range cl.awaited {
		if w.holds() {
			close(w.done)
			continue
		}
		waiting = append(waiting, w)
	}
	if cl.awaited = waiting; len(waiting) > 0 {
		cl.watchman.Set(now + int64(lookEvery))
	}
}

// opened reports whether every connection was tried.
func (cl *client) opened() bool { return cl.tried == len(cl.conns) && cl.opening.Load() == 0 }

// measured reports whether something that was due then counts.
func (cl *client) measured(due int64) bool { return cl.from != 0 && due >= cl.from && due < cl.to }

package fastproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"

	"fastproxy/fastproxy/audit"
)

const longTime = time.Hour // what a test does not wait for

// newRoom returns a capacity whose pauses end when the test says so, and a
// function that ends its log and returns it.
func newRoom(t testing.TB, connections, descriptors int) (c *capacity, logged func() string) {
	t.Helper()
	buf := &logBuffer{}
	log := audit.New(buf, zapcore.DebugLevel)
	c = newCapacity(connections, descriptors, log.Logger())
	c.times = pauseTimes{settle: longTime, soon: longTime, late: longTime}
	logged = sync.OnceValue(func() string {
		c.close()
		log.Close(context.Background())
		return buf.String()
	})
	t.Cleanup(func() { logged() })
	return c, logged
}

// passTime does what the timer would.
func (c *capacity) passTime() {
	c.mu.Lock()
	turn := c.turn
	c.mu.Unlock()
	c.timeUp(turn)
}

func fill(t *testing.T, c *capacity, n int) {
	t.Helper()
	for i := range n {
		if !c.enter() {
			t.Fatalf("no room for number %d", i+1)
		}
	}
}

func TestOneMoreThanThereIsRoomForWaitsForOneToLeave(t *testing.T) {
	c, logged := newRoom(t, 20, 1000)
	told := 0
	c.onRoom(func() { told++ })
	fill(t, c, 20)
	if c.shut.Load() || told > 0 {
		t.Error("a pause while everybody is inside")
	}
	for range 3 {
		if c.enter() || !c.shut.Load() {
			t.Error("there is room for one more")
		}
	}
	c.leave()
	if told != 1 || c.shut.Load() {
		t.Errorf("told %d times", told)
	}
	if !c.enter() || c.enter() {
		t.Error("the one who waited is not inside, or another is")
	}
	if n := c.clients.Load(); n != 20 {
		t.Errorf("%d are inside", n)
	}
	c.leave()
	c.passTime()
	if c.paused.Load() || c.pauses.Load() != 1 {
		t.Errorf("paused %v, %d times", c.paused.Load(), c.pauses.Load())
	}
	log := logged()
	if strings.Count(log, "new ones wait") != 1 || !strings.Contains(log, `"fastproxy.connections":20,"fastproxy.max_connections":20`) ||
		strings.Count(log, "there is room") != 1 || !strings.Contains(log, `"fastproxy.pauses":2,"fastproxy.connections":19`) {
		t.Error(log)
	}
}

func TestRoomComesWhenSomeHaveLeft(t *testing.T) {
	c, _ := newRoom(t, 640, 5000)
	told := 0
	c.onRoom(func() { told++ })
	fill(t, c, 640)
	c.enter()
	for range 9 {
		c.leave()
	}
	if told > 0 || c.enter() {
		t.Error("one who leaves wakes everybody")
	}
	c.leave()
	if told != 1 {
		t.Errorf("told %d times when ten have left", told)
	}
	fill(t, c, 10)
}

func TestWhatIsHeldForThoseInsideCountsForNewcomers(t *testing.T) {
	c, _ := newRoom(t, 100, 20)
	fill(t, c, 10)
	c.hold(9) // to Shiny
	fill(t, c, 1)
	if c.enter() {
		t.Error("there is no descriptor for one more")
	}
	c.hold(2) // nobody inside is refused
	c.release(2)
	if !c.shut.Load() {
		t.Error("there is none yet")
	}
	c.release(1)
	if c.shut.Load() || !c.enter() {
		t.Error("there is one now")
	}
}

func TestShortOfDescriptorsAcceptingIsTriedAgainInTime(t *testing.T) {
	c, logged := newRoom(t, 100, 200)
	told := 0
	c.onRoom(func() { told++ })
	emfile := &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	for _, err := range []error{syscall.ECONNABORTED, net.ErrClosed, errors.New("else")} {
		if c.starved(err) || c.shut.Load() {
			t.Errorf("%v is no shortage", err)
		}
	}
	fill(t, c, 5)
	delays := []time.Duration{}
	for range 4 {
		if !c.starved(emfile) || !c.starved(emfile) || !c.shut.Load() { // two acceptors find out
			t.Error("a shortage is none")
		}
		c.mu.Lock()
		delays = append(delays, c.pause.delay)
		c.mu.Unlock()
		c.leave()
		if !c.shut.Load() {
			t.Error("that one left is no reason to try again")
		}
		c.passTime()
		if c.shut.Load() || !c.enter() {
			t.Error("it is not tried again")
		}
		c.times.late = 3 * longTime
	}
	if want := fmt.Sprint([]time.Duration{longTime, 2 * longTime, 3 * longTime, 3 * longTime}); fmt.Sprint(delays) != want {
		t.Errorf("tried again after %v, want %s", delays, want)
	}
	if told != 4 || c.pauses.Load() != 1 {
		t.Errorf("told %d times in %d pauses", told, c.pauses.Load())
	}
	c.passTime()
	log := logged()
	if strings.Count(log, "new ones wait") != 1 || !strings.Contains(log, "too many open files") ||
		strings.Count(log, "there is room") != 1 || !strings.Contains(log, `"fastproxy.pauses":4`) {
		t.Error(log)
	}
}

func TestAShortageWhileItIsFullEnds(t *testing.T) {
	c, _ := newRoom(t, 2, 4)
	fill(t, c, 2)
	c.enter()
	c.starved(syscall.ENFILE)
	c.leave()
	if !c.shut.Load() {
		t.Error("tried again too soon")
	}
	c.passTime()
	if !c.enter() || c.enter() {
		t.Error("there is room for one")
	}
	c.leave() // the shortage is over: who leaves makes room at once
	if c.shut.Load() || !c.enter() {
		t.Error("there is room for one")
	}
}

func TestTheTimerEndsAPause(t *testing.T) {
	c, _ := newRoom(t, 1, 2)
	c.times = pauseTimes{settle: time.Millisecond, soon: time.Millisecond, late: time.Millisecond}
	opened := make(chan struct{}, 10)
	c.onRoom(func() { opened <- struct{}{} })
	c.starved(syscall.EMFILE)
	<-opened
	for end := time.Now().Add(patient); c.paused.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the pause does not end")
		}
	}
}

func TestAwaitGivesUpWhenItIsTold(t *testing.T) {
	c, _ := newRoom(t, 1, 2)
	fill(t, c, 1)
	stop, entered := make(chan struct{}), make(chan bool)
	go func() { entered <- c.await(stop) }()
	close(stop)
	if <-entered {
		t.Error("it entered")
	}
	c.close()
	c.leave()
	if c.starved(syscall.EMFILE) != true || c.paused.Load() != true {
		t.Error("a closed one still changes")
	}
}

// TestNobodyIsForgottenAndNeverTooManyAreInside has acceptors of both kinds
// fight for a few places: those that wait in a goroutine, and those that, as a
// loop does, try when they are told.
func TestNobodyIsForgottenAndNeverTooManyAreInside(t *testing.T) {
	const places, each, acceptors = 3, 300, 4
	c, _ := newRoom(t, places, 2*places)
	c.times = pauseTimes{settle: time.Microsecond, soon: time.Microsecond, late: time.Microsecond}
	var inside atomic.Int64
	var visits sync.WaitGroup
	visit := func(n int) {
		if now := inside.Add(1); now > places {
			t.Errorf("%d are inside", now)
		}
		visits.Go(func() {
			if n%3 == 0 {
				c.hold(1)
				c.release(1)
			}
			inside.Add(-1)
			c.leave()
		})
	}
	var running sync.WaitGroup
	for range acceptors {
		running.Go(func() {
			for n := range each {
				c.await(nil)
				visit(n)
			}
		})
		posts := make(chan struct{}, 1) // a loop's mailbox: what it is to do once more
		c.onRoom(func() {
			select {
			case posts <- struct{}{}:
			default:
			}
		})
		running.Go(func() {
			for n := 0; n < each; {
				switch {
				case !c.enter():
					<-posts
				case n%50 == 0 && c.shut.Load(): // nothing to accept after all
					c.leave()
				default:
					if n++; n%100 == 0 {
						c.leave()
						c.starved(syscall.EMFILE)
						continue
					}
					visit(n)
				}
			}
		})
	}
	running.Wait()
	visits.Wait()
	if n := c.clients.Load(); n != 0 || c.held.Load() != 0 {
		t.Errorf("%d are inside after all have left, and hold %d", n, c.held.Load())
	}
	if !c.await(nil) {
		t.Error("and there is no room")
	}
}

func TestRoomIsShownAtMetrics(t *testing.T) {
	c, _ := newRoom(t, 2, 4)
	r := prometheus.NewRegistry()
	c.register(r)
	show := func() string {
		all, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range all {
			v := f.GetMetric()[0]
			fmt.Fprintf(&b, "%s %v\n", strings.TrimPrefix(f.GetName(), "fastproxy_accept_"), v.GetGauge().GetValue()+v.GetCounter().GetValue())
		}
		return b.String()
	}
	if got := show(); got != "limit 2\npaused 0\npauses_total 0\n" {
		t.Error(got)
	}
	fill(t, c, 2)
	c.enter()
	if got := show(); got != "limit 2\npaused 1\npauses_total 1\n" {
		t.Error(got)
	}
}

func TestEnteringCostsNoAllocation(t *testing.T) {
	c, _ := newRoom(t, 10, 20)
	if n := testing.AllocsPerRun(100, func() { c.enter(); c.hold(1); c.release(1); c.leave() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnterAndLeave(b *testing.B) {
	c, _ := newRoom(b, 1<<20, 1<<21)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.enter()
			c.leave()
		}
	})
}

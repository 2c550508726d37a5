package passwd

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// runningMemoryMax bounds what all checks that run at once take.
	runningMemoryMax = 512 << 20
	// garbageMax is how much of that may be left behind before it is collected:
	// four checks of what sspasswd writes. Left to the garbage collector's own
	// pace, ten checks of 256 MiB, two at once, took 1030 MiB and kept them;
	// collected, they took 517 MiB and kept 5.
	garbageMax = 128 << 20
	// Those who wait hold a goroutine and a password, a few KB each.
	waitingMax        = 256
	waitingAddressMax = 64
)

// everyone is the one turnstile of the process: a new File beside an old one
// must not double what checks take.
var everyone = newTurnstile(runtime.GOMAXPROCS(0), runningMemoryMax, waitingMax, waitingAddressMax)

// turnstile lets a bounded number of checks run at once and a bounded number
// wait. Addresses take turns, so that a flood from one delays another by one
// check at most; where all places are taken, whoever holds most gives one up.
type turnstile struct {
	waitingMax, addressMax int    // set once
	garbageMax             int64  // set once; at least one check fits in memory without it
	collect                func() // set once: frees what checks left behind

	mu      sync.Mutex
	slots   int   // checks that may start now
	memory  int64 // bytes that they may take
	garbage int64 // bytes of checks that are over, not yet back in memory
	waiting int
	queues  map[string][]*ticket // by address; no empty ones
	turns   []string             // the addresses in queues, next first
}

// ticket is one check that waits. Its outcome is sent exactly once, by whoever
// takes it out of the queue.
type ticket struct {
	memory  int64
	outcome chan error // one place, so that sending never blocks
}

func newTurnstile(slots int, memory int64, waitingMax, addressMax int) *turnstile {
	return &turnstile{
		slots: slots, memory: memory,
		waitingMax: waitingMax, addressMax: addressMax,
		garbageMax: garbageMax, collect: debug.FreeOSMemory,
		queues: make(map[string][]*ticket),
	}
}

// enter blocks until the check may run. It returns ErrBusy at once when too
// many wait already, ErrBusy later when this place went to somebody with fewer,
// or ctx's error. After nil the caller calls leave with the same memory.
func (t *turnstile) enter(ctx context.Context, addr string, memory int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	if t.waiting == 0 && t.fits(memory) {
		t.take(memory)
		t.mu.Unlock()
		return nil
	}
	if !t.makeRoom(addr) {
		t.mu.Unlock()
		return ErrBusy
	}
	k := &ticket{memory: memory, outcome: make(chan error, 1)}
	if len(t.queues[addr]) == 0 {
		t.turns = append(t.turns, addr)
	}
	t.queues[addr] = append(t.queues[addr], k)
	t.waiting++
	t.mu.Unlock()

	select {
	case err := <-k.outcome:
		return err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remove(addr, k) {
		t.admit() // it may have been the large one that held up the rest
		return ctx.Err()
	}
	if <-k.outcome == nil { // it was let in at the same moment
		t.giveBack(memory)
	}
	return ctx.Err()
}

// leave ends what a successful enter began. It blocks for a garbage collection
// when enough has come together.
func (t *turnstile) leave(memory int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.garbage += memory
	free := int64(0)
	if t.garbage >= t.garbageMax {
		free, t.garbage = t.garbage, 0
		t.mu.Unlock()
		t.collect()
		t.mu.Lock()
	}
	t.giveBack(free)
}

func (t *turnstile) fits(memory int64) bool { return t.slots > 0 && memory <= t.memory }

func (t *turnstile) take(memory int64) {
	t.slots--
	t.memory -= memory
}

func (t *turnstile) giveBack(memory int64) {
	t.slots++
	t.memory += memory
	t.admit()
}

// admit lets in who is next, and whoever else fits. It stops at the first that
// does not, or a large check could wait for ever.
func (t *turnstile) admit() {
	for len(t.turns) > 0 {
		addr := t.turns[0]
		k := t.queues[addr][0]
		if !t.fits(k.memory) {
			return
		}
		t.take(k.memory)
		t.turns = append(t.turns[1:], addr) // to the end: remove finds it there
		t.remove(addr, k)
		k.outcome <- nil
	}
}

// makeRoom reports whether there is a place for one more of addr, after it
// sent away the last of the longest queue where that is fair.
func (t *turnstile) makeRoom(addr string) bool {
	own := len(t.queues[addr])
	if own >= t.addressMax {
		return false
	}
	if t.waiting < t.waitingMax {
		return true
	}
	longest := addr
	for a, q := range t.queues {
		if len(q) > len(t.queues[longest]) {
			longest = a
		}
	}
	q := t.queues[longest]
	if len(q) <= own+1 {
		return false
	}
	last := q[len(q)-1]
	t.remove(longest, last)
	last.outcome <- ErrBusy
	return true
}

// remove takes a ticket out of its queue and reports whether it was there.
func (t *turnstile) remove(addr string, k *ticket) bool {
	q := t.queues[addr]
	for i := range q {
		if q[i] != k {
			continue
		}
		t.waiting--
		if len(q) > 1 {
			t.queues[addr] = append(q[:i:i], q[i+1:]...)
			return true
		}
		delete(t.queues, addr)
		for j := range t.turns {
			if t.turns[j] == addr {
				t.turns = append(t.turns[:j:j], t.turns[j+1:]...)
				break
			}
		}
		return true
	}
	return false
}

package passwd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// hall is a turnstile and those who stand before it, for tests in a bubble.
type hall struct {
	*turnstile
	log     []string // "a1 in", "a1 busy", "a1 gone", in order
	running map[string]int64
	cancels map[string]context.CancelFunc
}

func newHall(slots int, memory int64, waitingMax, addressMax int) *hall {
	h := &hall{turnstile: newTurnstile(slots, memory, waitingMax, addressMax),
		running: make(map[string]int64), cancels: make(map[string]context.CancelFunc)}
	h.garbageMax, h.collect = 1, func() {}
	return h
}

// come has somebody enter; the first letter of the name is the address.
func (h *hall) come(t *testing.T, name string, memory int64) {
	ctx, cancel := context.WithCancel(t.Context())
	h.cancels[name] = cancel
	go func() {
		err := h.enter(ctx, name[:1], memory)
		h.mu.Lock()
		defer h.mu.Unlock()
		switch {
		case err == nil:
			h.running[name] = memory
			h.log = append(h.log, name+" in")
		case errors.Is(err, ErrBusy):
			h.log = append(h.log, name+" busy")
		default:
			h.log = append(h.log, name+" gone")
		}
	}()
	synctest.Wait()
}

// go1 has somebody who is in leave.
func (h *hall) go1(name string) {
	memory := h.running[name]
	delete(h.running, name)
	h.leave(memory)
	synctest.Wait()
}

// finish lets everybody through and checks that the hall is as it was.
func (h *hall) finish(t *testing.T, slots int, memory int64) {
	t.Helper()
	for len(h.running) > 0 {
		for name := range h.running {
			h.go1(name)
			break
		}
	}
	for _, cancel := range h.cancels {
		cancel()
	}
	synctest.Wait()
	if h.slots != slots || h.turnstile.memory != memory || h.waiting != 0 || len(h.queues) != 0 || len(h.turns) != 0 || h.garbage != 0 {
		t.Errorf("in the end: %d slots, %d bytes, %d wait, queues %v, turns %v", h.slots, h.turnstile.memory, h.waiting, h.queues, h.turns)
	}
}

func (h *hall) want(t *testing.T, log ...string) {
	t.Helper()
	if !slices.Equal(h.log, log) {
		t.Errorf("found %q, want %q", h.log, log)
	}
	h.log = nil
}

func TestNoMoreRunAtOnceThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(3, 100, 1000, 1000)
		for i := range 60 {
			h.come(t, fmt.Sprint("a", i), int64(10+i%3*30)) // 10, 40, 70
		}
		for served := 0; served < 60; served++ {
			held := int64(0)
			for _, m := range h.running {
				held += m
			}
			if len(h.running) == 0 || len(h.running) > 3 || held > 100 {
				t.Fatalf("after %d: %d run and hold %d", served, len(h.running), held)
			}
			for name := range h.running {
				h.go1(name)
				break
			}
		}
		h.finish(t, 3, 100)
		if len(h.log) != 60 || slices.ContainsFunc(h.log, func(s string) bool { return !strings.HasSuffix(s, " in") }) {
			t.Errorf("found %q", h.log)
		}
	})
}

func TestAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(1, 100, 100, 100)
		for _, name := range []string{"a0", "a1", "a2", "a3", "b1", "c1", "b2"} {
			h.come(t, name, 10)
		}
		for _, name := range []string{"a0", "a1", "b1", "c1", "a2", "b2"} {
			h.go1(name)
		}
		h.want(t, "a0 in", "a1 in", "b1 in", "c1 in", "a2 in", "b2 in", "a3 in")
		h.finish(t, 1, 100)
	})
}

func TestAFloodFromOneAddressShutsNobodyElseOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(1, 100, 4, 4)
		for _, name := range []string{"a0", "a1", "a2", "a3", "a4", "a5"} {
			h.come(t, name, 10)
		}
		h.want(t, "a0 in", "a5 busy") // all four places are a's
		h.come(t, "b1", 10)
		h.want(t, "a4 busy")
		h.come(t, "c1", 10)
		h.want(t, "a3 busy")
		h.come(t, "b2", 10) // a and b would have two: nobody gains
		h.want(t, "b2 busy")
		h.come(t, "d1", 10)
		h.want(t, "a2 busy")
		h.come(t, "e1", 10) // four addresses wait with one each
		h.want(t, "e1 busy")
		h.finish(t, 1, 100)
	})
}

func TestAnAddressHasABoundedNumberOfPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(1, 100, 100, 2)
		for _, name := range []string{"a0", "a1", "a2", "a3", "b1"} {
			h.come(t, name, 10)
		}
		h.want(t, "a0 in", "a3 busy")
		h.finish(t, 1, 100)
	})
}

func TestALargeCheckIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(4, 100, 100, 100)
		h.come(t, "a0", 60)
		h.come(t, "b0", 90)
		h.come(t, "c0", 10) // would fit, but b0 was first
		h.want(t, "a0 in")
		h.go1("a0")
		slices.Sort(h.log) // both at once
		h.want(t, "b0 in", "c0 in")
		h.finish(t, 4, 100)
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(2, 100, 100, 100)
		h.come(t, "a0", 60)
		h.come(t, "b0", 90)
		h.come(t, "c0", 10)
		h.want(t, "a0 in")
		h.cancels["b0"]()
		synctest.Wait()
		slices.Sort(h.log)
		h.want(t, "b0 gone", "c0 in") // b0 held it up
		h.finish(t, 2, 100)
	})
}

func TestGarbageCountsAsTakenUntilItIsCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(2, 100, 100, 100)
		h.garbageMax = 40
		collected := 0
		h.collect = func() { collected++ }
		h.come(t, "a0", 30)
		h.go1("a0")
		if h.turnstile.memory != 70 || collected != 0 {
			t.Errorf("%d bytes, %d collections", h.turnstile.memory, collected)
		}
		h.come(t, "a1", 30)
		h.go1("a1")
		if collected != 1 {
			t.Errorf("%d collections", collected)
		}
		h.finish(t, 2, 100)
		h.want(t, "a0 in", "a1 in")
	})
}

// Letting in and giving up at the same moment must not lose a place.
func TestNoPlaceIsLostInARace(t *testing.T) {
	ts := newTurnstile(1, 100, 100, 100)
	ts.garbageMax, ts.collect = 1, func() {}
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				if ts.enter(ctx, "", 100) == nil {
					ts.leave(100)
				}
				cancel()
			}
		}()
	}
	for range 8 {
		<-done
	}
	if ts.slots != 1 || ts.memory != 100 || ts.waiting != 0 || len(ts.queues) != 0 {
		t.Errorf("in the end: %d slots, %d bytes, %d wait", ts.slots, ts.memory, ts.waiting)
	}
}

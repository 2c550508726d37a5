//go:build linux

package loop

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const tick = int64(1) << tickShift

// rows makes n rows without descriptors and a wheel over them.
func rows(n int) (*table, *wheel) {
	t := &table{}
	t.init()
	w := &wheel{}
	w.init(t)
	for range n {
		t.take()
	}
	return t, w
}

// TestTheWheelAgreesWithAPlainList plays random deadlines against the wheel
// and against a map, over several rounds and with jumps in time.
func TestTheWheelAgreesWithAPlainList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 300
	table, w := rows(n)
	due := map[Key]uint32{}
	var now int64
	for step := range 60_000 {
		key := Key(random.IntN(n))
		switch random.IntN(8) {
		case 0:
			w.unlink(key, table.row(key))
			delete(due, key)
		case 1, 2, 3:
			ahead := uint32(1 + random.IntN(10_000)) // more than two rounds
			if random.IntN(2) == 0 {
				ahead = uint32(1 + random.IntN(20))
			}
			w.set(key, table.row(key), w.tick+ahead)
			due[key] = w.tick + ahead
		default:
			if random.IntN(200) == 0 {
				now += int64(random.IntN(9000)) * tick
			}
			if next := w.next(); next != never && random.IntN(4) == 0 {
				now = max(now, next) // sleep as the loop does
			}
			now += int64(random.IntN(int(3 * tick)))
			var want []Key
			for k, d := range due {
				if int64(d)<<tickShift <= now {
					want = append(want, k)
					delete(due, k)
				}
			}
			got := w.advance(now, nil)
			for _, k := range got {
				if table.row(k).due != dueFired {
					t.Fatalf("step %d: %d not marked", step, k)
				}
				table.row(k).due = dueNone
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Fatalf("step %d: expired %v, want %v", step, got, want)
			}
		}
		if w.count != len(due) {
			t.Fatalf("step %d: %d linked, want %d", step, w.count, len(due))
		}
		earliest := never
		for _, d := range due {
			earliest = min(earliest, int64(d)<<tickShift)
		}
		if next := w.next(); next > earliest {
			t.Fatalf("step %d: would sleep until %d, past %d", step, next, earliest)
		}
	}
}

func TestADeadlineIsNeverEarlyAndMayMove(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		type firing struct {
			name   string
			at, is int64
		}
		fired := make(chan firing, 10)
		var others []int
		defer func() {
			for _, fd := range others {
				unix.Close(fd)
			}
		}()
		watch := func(name string) (Key, *int64) {
			ours, theirs := pair(t)
			others = append(others, theirs)
			at := new(int64)
			key, err := l.Watch(ours, handlerFunc(func(key Key, ev Events) {
				if ev == Expired {
					fired <- firing{name, *at, l.Clock()}
				}
			}))
			if err != nil {
				t.Error(err)
			}
			return key, at
		}
		set := func(key Key, at *int64, d time.Duration) {
			*at = l.Now() + int64(d)
			l.SetDeadline(key, *at)
		}
		on(t, l, func() {
			later, at := watch("later")
			set(later, at, 20*time.Millisecond)
			set(later, at, 120*time.Millisecond)
			earlier, at := watch("earlier")
			set(earlier, at, time.Hour)
			set(earlier, at, 40*time.Millisecond)
			cleared, at := watch("cleared")
			set(cleared, at, 50*time.Millisecond)
			l.ClearDeadline(cleared)
			closed, at := watch("closed")
			set(closed, at, 50*time.Millisecond)
			l.Close(closed)
			past, at := watch("past")
			set(past, at, -time.Hour)
		})
		for _, want := range []string{"past", "earlier", "later"} {
			if f := <-fired; f.name != want || f.is < f.at {
				t.Errorf("%s fired %d ns after its time, want %s", f.name, f.is-f.at, want)
			}
		}
		if len(fired) > 0 {
			t.Errorf("%s fired", (<-fired).name)
		}
	})
}

func TestADeadlineMovedByAnotherHandlerOfTheSameTurnDoesNotFire(t *testing.T) {
	l := open(t, Nested)
	defer l.Discard()
	var keys [2]Key
	var calls int
	for i := range keys {
		ours, theirs := pair(t)
		defer unix.Close(theirs)
		keys[i], _ = l.Watch(ours, handlerFunc(func(key Key, ev Events) {
			if ev == Expired {
				calls++
				l.SetDeadline(keys[1-i], l.Now()+int64(time.Hour))
			}
		}))
		l.SetDeadline(keys[i], tick)
	}
	l.turn(2*tick, 0)
	if calls != 1 {
		t.Errorf("%d fired", calls)
	}
}

func TestAlarmsGoOffOnceAndNotEarly(t *testing.T) {
	eachWait(t, func(t *testing.T, l *Loop) {
		defer start(t, l)()
		type ring struct{ at, is int64 }
		rang := make(chan ring, 10)
		on(t, l, func() {
			var at int64
			var again *Alarm
			left := 3
			again = l.NewAlarm(func(now int64) {
				rang <- ring{at, now}
				if left--; left > 0 {
					at = now + int64(300*time.Microsecond)
					again.Set(at)
				}
			})
			at = l.Clock() + int64(2*time.Millisecond)
			again.Set(at)
			l.NewAlarm(func(int64) { t.Error("rang though stopped") }).Stop()
			l.NewAlarm(func(int64) { t.Error("rang though never set") })
		})
		for range 3 {
			if r := <-rang; r.is < r.at {
				t.Errorf("rang %d ns early", r.at-r.is)
			}
		}
	})
}

func BenchmarkDeadlineMovesLater(b *testing.B) {
	table, w := rows(100_000)
	for key := range Key(100_000) {
		w.set(key, table.row(key), 1+uint32(key%3000))
	}
	for i := 0; b.Loop(); i++ {
		key := Key(i % 100_000)
		w.set(key, table.row(key), w.tick+3600)
	}
}

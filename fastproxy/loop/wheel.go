package loop

import "math/bits"

const (
	tickShift  = 24                // a tick is 2^24 ns = 16.8 ms
	wheelSlots = 4096              // a round is 68.7 s
	never      = int64(1<<63 - 1)  // no moment
	dueNone    = 0                 // no deadline
	dueFired   = uint32(1<<32 - 1) // passed, the handler is about to be called
	dueLast    = dueFired - 1
)

// wheel holds deadlines: a slot for each tick of a round, a list of rows in
// each. A row is linked by its own next and prev; prev of the first in a list
// is the slot as ^slot, next of the last is -1, so that unlinking needs
// nothing else. A row's place may be earlier than its deadline, never later.
type wheel struct {
	rows   *table
	slots  [wheelSlots]int32 // first row, or -1
	filled [wheelSlots / 64]uint64
	count  int    // rows linked
	tick   uint32 // the last one that was advanced over
}

func (w *wheel) init(rows *table) {
	w.rows = rows
	for i := range w.slots {
		w.slots[i] = -1
	}
}

// SetDeadline has key's handler called with Expired at the moment at (ns since
// New, as Now tells) or up to 17 ms later, in place of any deadline before.
func (l *Loop) SetDeadline(key Key, at int64) {
	due := uint32(min(max(at+(1<<tickShift)-1, 0)>>tickShift, int64(dueLast)))
	l.wheel.set(key, l.row(key), max(due, l.wheel.tick+1))
}

// ClearDeadline takes key's deadline away.
func (l *Loop) ClearDeadline(key Key) { l.wheel.unlink(key, l.row(key)) }

func (w *wheel) set(key Key, r *row, due uint32) {
	switch {
	case r.due == dueNone || r.due == dueFired:
	case due >= r.due: // stays where it is until that place comes by
		r.due = due
		return
	default:
		w.unlink(key, r)
	}
	r.due = due
	w.link(key, r)
}

func (w *wheel) link(key Key, r *row) {
	slot := r.due % wheelSlots
	first := w.slots[slot]
	r.next, r.prev = first, ^int32(slot)
	if first >= 0 {
		w.rows.row(Key(first)).prev = int32(key)
	}
	w.slots[slot] = int32(key)
	w.filled[slot/64] |= 1 << (slot % 64)
	w.count++
}

// unlink takes a row out, if it is in.
func (w *wheel) unlink(key Key, r *row) {
	due := r.due
	r.due = dueNone
	if due == dueNone || due == dueFired {
		return
	}
	if r.prev < 0 {
		w.slots[^r.prev] = r.next
		if r.next < 0 {
			slot := ^r.prev
			w.filled[slot/64] &^= 1 << (slot % 64)
		}
	} else {
		w.rows.row(Key(r.prev)).next = r.next
	}
	if r.next >= 0 {
		w.rows.row(Key(r.next)).prev = r.prev
	}
	w.count--
}

// advance moves the wheel to now and appends the keys whose deadline is over,
// marked dueFired, in no order.
func (w *wheel) advance(now int64, expired []Key) []Key {
	tick := uint32(now >> tickShift)
	if tick == w.tick {
		return expired
	}
	from := w.tick + 1
	if tick-w.tick >= wheelSlots { // a round or more went by: each slot once
		from = tick - wheelSlots + 1
	}
	w.tick = tick
	if w.count == 0 {
		return expired
	}
	for at := from; at <= tick; at++ {
		if w.filled[at%wheelSlots/64]>>(at%64)&1 != 0 {
			expired = w.visit(at%wheelSlots, expired)
		}
	}
	return expired
}

// visit empties a slot: into expired, or to where a row belongs by now.
func (w *wheel) visit(slot uint32, expired []Key) []Key {
	next := w.slots[slot]
	w.slots[slot] = -1
	w.filled[slot/64] &^= 1 << (slot % 64)
	for next >= 0 {
		key := Key(next)
		r := w.rows.row(key)
		next = r.next
		w.count--
		if r.due > w.tick {
			w.link(key, r)
			continue
		}
		r.due = dueFired
		expired = append(expired, key)
	}
	return expired
}

// next is the moment the next filled slot comes by, or never.
func (w *wheel) next() int64 {
	if w.count == 0 {
		return never
	}
	start := (w.tick + 1) % wheelSlots
	for i := range uint32(wheelSlots/64 + 1) {
		word := w.filled[(start/64+i)%(wheelSlots/64)]
		if i == 0 {
			word &= ^uint64(0) << (start % 64)
		}
		if word != 0 {
			slot := (start/64+i)%(wheelSlots/64)*64 + uint32(bits.TrailingZeros64(word))
			ahead := (slot - start) % wheelSlots
			return (int64(w.tick) + 1 + int64(ahead)) << tickShift
		}
	}
	return never
}

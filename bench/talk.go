package bench

import (
	"math"

	"fastproxy/fastproxy/loop"
)

// talk sends messages over a client's connections in turn: on a schedule, or
// as fast as they come back.
type talk struct {
	*messages
	alarm *loop.Alarm
	on    bool
	pace  schedule
	next  int   // messages sent on this schedule
	limit int   // of next
	until int64 // when the last is due
	turn  int   // the connection that was looked at last

	// flat out
	inFlight int // wanted
	flying   int

	leaveAfter int  // messages, then another connection takes its place; 0: never
	greets     bool // who comes says something at once
}

func newTalk(cl *client, ping bool, sizes Sizes) *talk {
	t := &talk{messages: newMessages(cl, ping, sizes)}
	t.alarm = cl.loop.NewAlarm(t.tick)
	t.came = t.again
	return t
}

// start begins, at rate, until a moment or a number of messages.
func (t *talk) start(rate Rate, until int64, limit, inFlight int) {
	t.on, t.next, t.until, t.limit = true, 0, until, limit
	t.pace = newSchedule(t.client.loop.Clock(), rate)
	if !t.pace.flatOut() {
		t.alarm.Set(0)
		return
	}
	t.inFlight = inFlight
	t.refill()
}

// forever is the moment that never comes.
const forever = int64(math.MaxInt64)

// stop sends what was due until now, and nothing more.
func (t *talk) stop() {
	if t.on && !t.pace.flatOut() {
		t.tick(t.client.loop.Clock())
	}
	t.on = false
	t.alarm.Stop()
}

// tick sends what is due by now.
func (t *talk) tick(now int64) {
	for t.on && t.next < t.limit {
		due := t.pace.due(t.next)
		if due >= t.until {
			return
		}
		if due > now {
			t.alarm.Set(due)
			return
		}
		c := t.pick(false)
		if c == nil { // nobody is connected: what is due meanwhile is not asked
			t.alarm.Set(now + int64(lookEvery))
			t.next++
			continue
		}
		t.next++
		t.send(c, due)
	}
}

// pick is the next connection whose turn it is; idle: without a message under
// way. nil: there is none.
func (t *talk) pick(idle bool) *conn {
	conns := t.client.conns
	for range conns {
		if t.turn++; t.turn >= len(conns) {
			t.turn = 0
		}
		c := &conns[t.turn]
		leaves := t.leaveAfter > 0 && int(c.sent) >= t.leaveAfter
		if c.state == connReady && !leaves && !(idle && c.sent != c.answered) {
			return c
		}
	}
	return nil
}

// refill has as many messages under way as there are to be.
func (t *talk) refill() {
	for t.on && t.flying < t.inFlight {
		c := t.pick(true)
		now := t.client.loop.Clock()
		if c == nil || now >= t.until {
			return
		}
		t.flying++
		if !t.send(c, now) {
			return
		}
	}
}

// again is called when a message came back.
func (t *talk) again(c *conn, _ int64) {
	if t.on && t.leaveAfter > 0 && int(c.answered) >= t.leaveAfter {
		if t.pace.flatOut() {
			t.flying--
		}
		t.bye(c)
		return
	}
	if !t.on || !t.pace.flatOut() {
		return
	}
	t.flying--
	now := t.client.loop.Clock()
	switch {
	case now >= t.until:
	case t.inFlight >= len(t.client.conns):
		t.flying++
		t.send(c, now)
	default:
		t.refill()
	}
}

func (t *talk) ready(c *conn) {
	switch {
	case t.on && t.greets:
		t.send(c, t.client.loop.Clock())
	case t.on && t.pace.flatOut():
		t.refill()
	}
}

func (t *talk) gone(c *conn) {
	t.flying -= min(int(c.sent-c.answered), t.flying)
	t.messages.gone(c)
	if t.on && t.pace.flatOut() {
		t.refill()
	}
}

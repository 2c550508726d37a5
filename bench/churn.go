package bench

import (
	"encoding/binary"

	"fastproxy/fastproxy/loop"
)

// churn ends connections of a client in turn, in each of the ways in which
// connections end, whatever is under way on them; for each another comes and
// says something.
type churn struct {
	talk  *talk
	alarm *loop.Alarm
	pace  schedule
	next  int
	until int64
	turn  int // the connection that was looked at last
}

// startChurn begins, at rate, until a moment.
func startChurn(t *talk, rate Rate, until int64) {
	cl := t.client
	d := &churn{talk: t, until: until, pace: newSchedule(cl.loop.Clock(), rate)}
	d.alarm = cl.loop.NewAlarm(d.tick)
	cl.revolving, t.greets = true, true
	d.alarm.Set(d.pace.due(0))
}

func (d *churn) tick(now int64) {
	for d.pace.due(d.next) <= now && now < d.until {
		if c := d.pick(); c != nil {
			d.end(c, d.next)
		}
		d.next++
	}
	if now < d.until {
		d.alarm.Set(d.pace.due(d.next))
	}
}

// pick is the next connection that is open.
func (d *churn) pick() *conn {
	conns := d.talk.client.conns
	for range conns {
		if d.turn++; d.turn >= len(conns) {
			d.turn = 0
		}
		if c := &conns[d.turn]; c.state == connReady {
			return c
		}
	}
	return nil
}

// end ends c in the n-th of the ways.
func (d *churn) end(c *conn, n int) {
	d.talk.forget(c)
	switch n % 5 {
	case 0: // a goodbye
		d.talk.bye(c)
	case 1: // no word
		c.cut(false)
	case 2: // a reset
		c.cut(true)
	case 3: // a reset inside a frame
		head := []byte{0x80 | opText, 0x80 | 126, 0, 0, 1, 2, 3, 4, 'h', 'a', 'l', 'f'}
		binary.BigEndian.PutUint16(head[2:], 1000)
		if c.write(head); c.state == connReady {
			c.cut(true)
		}
	case 4: // no more to say, but all ears
		c.halfClose()
	}
}

// cut ends an open connection here, with a reset or without a word.
func (c *conn) cut(reset bool) {
	if reset {
		loop.ResetOnClose(c.client.loop.FD(c.key))
	}
	c.drop()
	c.client.hasLeft(c)
}

// halfClose ends our half and waits for the other side to end its own.
func (c *conn) halfClose() {
	if err := shutdownWrite(c.client.loop.FD(c.key)); err != nil {
		c.cut(true)
		return
	}
	c.state = connLeaving
	c.deadline(leaveWait)
}

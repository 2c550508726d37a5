package bench

import (
	"fmt"
	"io"
	"net/http"

	"fastproxy/fastproxy/loop"
)

// asking is the speaker of keep-alive HTTP/1.1: one request at a time on each
// connection, the next one due on whichever is free.
type asking struct {
	client  *client
	request []byte // the same every time
	what    string
	head    bool
	status  int
	size    int64 // wanted; negative: not known yet

	alarm *loop.Alarm
	on    bool
	pace  schedule
	came  int     // requests that were due so far
	next  int     // the first of them that was not sent
	until int64   // when the last is due
	free  []*conn // ready, without a request, longest first; may name some that are not any more

	greets  bool // whoever is connected asks once, at once
	waited  bool // requests waited for a free connection
	renewed int  // connections that the target ended, as it may
}

func newAsking(cl *client, o *HTTPOptions) *asking {
	path := cl.site.target(cl.random)
	a := &asking{
		client: cl, head: o.Method == http.MethodHead, status: o.Status, size: o.Size,
		what: o.Method + " " + clip(cl.site.shown, 100),
		request: []byte(o.Method + " " + path + " HTTP/1.1\r\nHost: " + cl.site.host +
			"\r\n" + cl.site.header + "\r\n"),
	}
	a.alarm = cl.loop.NewAlarm(a.tick)
	return a
}

func (a *asking) hello(*conn) []byte { return nil }

// start begins, at rate, until a moment.
func (a *asking) start(rate Rate, until int64) {
	a.on, a.until, a.came, a.next = true, until, 0, 0
	a.pace = newSchedule(a.client.loop.Clock(), rate)
	if !a.pace.flatOut() {
		a.alarm.Set(0)
		return
	}
	for i := range a.client.conns {
		if c := &a.client.conns[i]; c.state == connReady && !c.reply.asked {
			a.ask(c, a.client.loop.Clock())
		}
	}
}

// A keeper asks each connection when it is opened, so there is nothing to
// check but the answers.
func (a *asking) check(Rate, int) {}

func (a *asking) checked() bool { return true }

// giveUp has nothing to do: a request that is not answered ends its connection.
func (a *asking) giveUp() {}

func (a *asking) keep(rate Rate, until int64) { a.start(rate, until) }

func (a *asking) stop() {
	if a.on {
		a.end(a.client.loop.Clock())
	}
}

// end lets nothing more become due. What was due before is asked still.
func (a *asking) end(now int64) {
	if !a.pace.flatOut() {
		a.tick(now)
	}
	a.on = false
	a.alarm.Stop()
}

// tick counts what is due by now, and asks for as much of it as there are free
// connections.
func (a *asking) tick(now int64) {
	for due := a.pace.due(a.came); due <= now && due < a.until; due = a.pace.due(a.came) {
		a.came++
		a.client.outstanding++
		if a.client.measured(due) {
			a.client.counts.Sent++
		}
	}
	a.askDue()
	if due := a.pace.due(a.came); due < a.until {
		a.alarm.Set(due)
	}
}

func (a *asking) askDue() {
	for a.next < a.came {
		c := a.pop()
		if c == nil {
			a.waited = a.waited || a.on
			return
		}
		a.next++
		a.write(c, a.pace.due(a.next-1))
	}
}

// pop takes the connection that was free for longest, so that all are used.
func (a *asking) pop() *conn {
	for len(a.free) > 0 {
		c := a.free[0]
		a.free = a.free[1:]
		if c.state == connReady && !c.reply.asked {
			return c
		}
	}
	return nil
}

// ask sends a request that is due now, when all go as fast as they can.
func (a *asking) ask(c *conn, now int64) {
	if now >= a.until {
		return
	}
	a.client.outstanding++
	if a.client.measured(now) {
		a.client.counts.Sent++
	}
	a.write(c, now)
}

func (a *asking) write(c *conn, due int64) {
	c.due = due
	c.reply = reply{asked: true, again: c.reply.again}
	c.deadline(a.client.site.timeout)
	c.sent++
	c.write(a.request)
}

// ready gives c its next request, which may be one that it owes.
func (a *asking) ready(c *conn) {
	switch {
	case c.reply.asked:
		a.write(c, c.due)
	case a.greets && c.sent == 0:
		a.client.outstanding++
		a.write(c, a.client.loop.Clock())
	case !a.pace.flatOut() || !a.on:
		a.free = append(a.free, c)
		a.askDue()
	default:
		a.ask(c, a.client.loop.Clock())
	}
}

// renew replaces a connection that the target wants to end.
func (a *asking) renew(c *conn) {
	a.renewed++
	c.drop()
	if !a.client.closing {
		c.renewing = true
		c.connect()
	}
}

// ended decides what the end of a connection means: of one without a request
// it is the target's right, and a request that crossed with it is sent once
// more (RFC 9110 §9.2.2, RFC 9112 §9.3.1). true: c was replaced.
func (a *asking) ended(c *conn, cause error) bool {
	r := &c.reply
	kind, _ := describeEnd(cause)
	hangUp := kind == "eof" || kind == "reset"
	switch {
	case !hangUp:
		return false
	case !r.asked:
		a.renew(c)
		return true
	case r.body && r.left < 0 && !r.chunks.on && cause == io.EOF:
		a.complete(c)
		return true
	case !r.begun && !r.again && c.answered > 0:
		r.again = true
		a.renew(c)
		return true
	}
	return false
}

func (a *asking) gone(c *conn) {
	if c.reply.asked {
		a.client.outstanding--
		c.reply = reply{}
	}
}

// bye needs no words in HTTP.
func (a *asking) bye(c *conn) { c.drop() }

// notesOf says what a reader of the figures should know.
func notesOf(all []*asking) (notes []string) {
	waited, renewed := false, 0
	for _, a := range all {
		waited = waited || a.waited
		renewed += a.renewed
	}
	if waited {
		notes = append(notes, "Requests waited for a free connection; the latencies include that. More connections would show the target alone.")
	}
	if renewed > 0 {
		notes = append(notes, fmt.Sprintf("The target ended keep-alive connections %s times; they were replaced.", thousands(int64(renewed))))
	}
	return notes
}

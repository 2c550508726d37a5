package fastproxy

import (
	"time"

	"go.uber.org/zap"
)

// pause is one time that newcomers wait, from when there is no room until
// there has been some for a while.
type pause struct {
	since   time.Time
	shuts   int // how often there was no room
	starved bool
	delay   time.Duration // of the last retry
}

type pauseTimes struct {
	// settle is how long there must be room before a pause is over: a proxy
	// that stays full while people come and go says so once.
	settle time.Duration
	// After a failed accept it is tried again so soon, then twice as late each
	// time: what is short may be another process's to give back.
	soon, late time.Duration
}

var usualPauseTimes = pauseTimes{settle: time.Second, soon: 100 * time.Millisecond, late: time.Second}

// stop shuts the door, for want of room or because accepting failed.
func (c *capacity) stop(failed error) {
	c.mu.Lock()
	if !c.closed {
		if !c.shut.Swap(true) {
			c.after(0)
			c.pause.shuts++
			c.tellPause(failed)
		}
		if failed != nil && !c.pause.starved {
			c.pause.starved = true
			c.pause.delay = min(max(2*c.pause.delay, c.times.soon), c.times.late)
			c.after(c.pause.delay)
		}
	}
	c.mu.Unlock()
	c.left() // who did between enter's look and this one's found the door open
}

// tellPause begins a pause, unless the last one is not over; mu is held.
func (c *capacity) tellPause(failed error) {
	if c.paused.Swap(true) {
		return
	}
	c.pauses.Add(1)
	c.pause.since = time.Now()
	clients := c.clients.Load()
	fields := []zap.Field{
		zap.Int64("fastproxy.connections", clients), zap.Int64("fastproxy.max_connections", c.most.full),
		zap.Int64("fastproxy.descriptors", clients+c.held.Load()), zap.Int64("fastproxy.max_descriptors", c.room.full),
	}
	if failed != nil {
		fields = append(fields, zap.NamedError("error.message", failed))
	}
	c.log.Warn("no room for more connections: new ones wait", fields...)
}

// reopen lets newcomers in. While the system has no descriptor to give, it is
// of no use that one of ours leaves: then it is done inTime only.
func (c *capacity) reopen(inTime bool) {
	c.mu.Lock()
	if c.closed || !c.shut.Load() || c.pause.starved && !inTime {
		c.mu.Unlock()
		return
	}
	c.shut.Store(false)
	c.pause.starved = false
	close(c.opened)
	c.opened = make(chan struct{})
	told := c.told
	c.after(max(c.times.settle, c.pause.delay))
	c.mu.Unlock()
	for _, f := range told {
		f()
	}
}

// after has timeUp called in d, in place of what was to be done before; with 0
// nothing is. mu is held.
func (c *capacity) after(d time.Duration) {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.turn++
	if turn := c.turn; d > 0 {
		c.timer = time.AfterFunc(d, func() { c.timeUp(turn) })
	}
}

// timeUp tries again after accepting failed, or ends a pause.
func (c *capacity) timeUp(turn int) {
	c.mu.Lock()
	retry := c.shut.Load()
	if turn != c.turn || c.closed {
		c.mu.Unlock()
		return
	}
	if !retry {
		c.paused.Store(false)
		c.log.Info("there is room for new connections again", zap.Int64("event.duration", int64(time.Since(c.pause.since))),
			zap.Int("fastproxy.pauses", c.pause.shuts), zap.Int64("fastproxy.connections", c.clients.Load()))
		c.pause = pause{}
	}
	c.mu.Unlock()
	if retry {
		c.reopen(true)
	}
}

// close ends the telling: the process stops. Who awaits has a stop of their own.
func (c *capacity) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.after(0)
}

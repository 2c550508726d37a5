package fastproxy

import (
	"net"

	"fastproxy/fastproxy/loop"
)

// acceptsPerTurn is how many newcomers one event lets in before others get
// their turn.
const acceptsPerTurn = 16

// entrance is a listener on a lane. One lane accepts for all: more of them would
// all be woken by each newcomer.
type entrance struct {
	lane   *lane
	key    loop.Key
	failed bool // accepting failed, and that was logged
	closed bool
}

// openEntrance has connections of nl accepted on a lane; nl stays open until the
// proxy stops. The loop does not run yet.
func (l *lane) openEntrance(nl net.Listener) error {
	fd, err := loop.DuplicateFD(nl)
	if err != nil {
		return err
	}
	// What it accepts has these of it.
	loop.NoDelay(fd)
	loop.BoundUnsent(fd, maxUnsent)
	l.p.relay.Tune(fd)
	d := &entrance{lane: l}
	if d.key, err = l.loop.Watch(fd, d); err != nil {
		loop.CloseFD(fd)
		return err
	}
	l.entrances = append(l.entrances, d)
	l.p.room.onRoom(func() {
		l.loop.Post(func() {
			if !d.closed {
				d.Handle(d.key, loop.Readable)
			}
		})
	})
	return nil
}

// Handle implements loop.Handler.
func (d *entrance) Handle(key loop.Key, ev loop.Events) {
	if ev&loop.Stopped != 0 {
		d.close()
		return
	}
	l := d.lane
	for range acceptsPerTurn {
		if !l.p.room.enter() {
			return // until there is room
		}
		fd, peer, err := loop.Accept(l.loop.FD(key))
		if err != nil {
			l.p.room.leave()
			d.refused(err)
			return
		}
		d.failed = false
		to := l.p.leastBusy(l)
		if to != l {
			to.adopt(fd, peer.Addr().Unmap(), nil, connKept)
			continue
		}
		l.open.Add(1)
		l.take(fd, peer.Addr().Unmap(), nil, connKept)
	}
	l.loop.Again(key, loop.Readable)
}

// refused takes that nobody could be accepted: nobody waits, there is no room
// in the kernel, or something else that is tried again.
func (d *entrance) refused(err error) {
	if err == loop.ErrAgain || d.lane.p.room.starved(err) {
		return
	}
	if !d.failed {
		d.lane.p.acceptFailed(err)
	}
	d.failed = true
	d.lane.loop.SetDeadline(d.key, d.lane.loop.Now()+int64(acceptPause))
}

func (d *entrance) close() {
	if !d.closed {
		d.closed = true
		d.lane.loop.Close(d.key)
	}
}

// leastBusy returns the lane for a newcomer: the one with the fewest
// connections, or the asking one when that is about as good.
func (p *Proxy) leastBusy(asking *lane) *lane {
	const slack = 4
	best, few := asking, asking.open.Load()-slack
	for _, l := range p.lanes {
		if n := l.open.Load(); n < few {
			best, few = l, n
		}
	}
	return best
}

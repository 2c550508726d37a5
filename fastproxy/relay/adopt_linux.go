package relay

import (
	"errors"
	"time"

	"fastproxy/fastproxy/loop"
)

// Adopted is a connection for a tunnel that a loop of the relay's watches
// already.
type Adopted struct {
	Key     loop.Key
	TCP     bool
	HungUp  bool   // its handler was told of the end,
	More    bool   // or of bytes, and has not read all
	Pending []byte // as Leg's, and so is Inspect
	Inspect func(b []byte) (pass int, bye *Farewell)
}

// Adopt is Join for two connections that l watches, one of NewOn's loops. It
// is called on l, where done will be too. The tunnel takes both over, even
// when it fails, and has what the handlers before it had not read. Keep-alive
// probes are the caller's business: see Tune.
func (r *Relay) Adopt(l *loop.Loop, client, backend Adopted, done func(Stats)) (*Tunnel, error) {
	t, err := r.adopt(l, [2]Adopted{client, backend}, done)
	if err != nil {
		l.Close(client.Key)
		l.Close(backend.Key)
		return nil, err
	}
	return t, nil
}

func (r *Relay) adopt(l *loop.Loop, legs [2]Adopted, done func(Stats)) (*Tunnel, error) {
	h := r.looped.homeOf(l)
	if h == nil {
		return nil, errors.New("relay: adopt: the loop is not the relay's")
	}
	k := &coupling{home: h}
	t := &k.t
	t.carrier, t.relay, t.began, t.done = k, r, int64(time.Since(epoch)), done
	if !r.add(t) {
		return nil, ErrDraining
	}
	if legs[client].Inspect != nil || legs[backend].Inspect != nil {
		k.inspectors = &[2]func(b []byte) (int, *Farewell){legs[client].Inspect, legs[backend].Inspect}
	}
	for s, in := range legs {
		w := &k.ways[s]
		w.init(k, l.FD(in.Key), in.TCP, Leg{Pending: in.Pending})
		w.key, w.watched, w.hungUp, w.readable = in.Key, true, in.HungUp, in.More || in.HungUp
		l.SetHandler(in.Key, w)
		l.ClearDeadline(in.Key)
	}
	return t, nil
}

func (e *looped) homeOf(l *loop.Loop) *home {
	if e == nil {
		return nil
	}
	for _, h := range e.homes {
		if h.loop == l {
			return h
		}
	}
	return nil
}

// StartHere is Start, at once, for who is on the loop of an adopted tunnel.
func (t *Tunnel) StartHere() {
	t.mu.Lock()
	again := t.started
	t.started = true
	t.mu.Unlock()
	if !again {
		t.carrier.(*coupling).begin()
	}
}

// Tune sets Options.KeepAlive on a TCP socket, or on a listener for all that
// it accepts.
func (r *Relay) Tune(fd int) {
	if k := r.opts.KeepAlive; k >= 0 {
		loop.KeepAlive(fd, k, max(k/3, time.Second), probes)
	}
}

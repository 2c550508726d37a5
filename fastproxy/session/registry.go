package session

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fastproxy/fastproxy/identity"
)

// RegistryOptions are what a Registry may be told.
type RegistryOptions struct {
	Every   time.Duration    // between two looks at the sessions with streams; 0: 5 seconds
	Now     func() time.Time // nil: time.Now
	OnError func(error)      // endings that are not on disk, with nobody to tell; nil: nothing

	// OnEnd is told of every ending that went through the registry, after the
	// streams were closed, with or without luck on disk. It must not block.
	OnEnd func(info Info, why Why, streams int)
}

// Registry is the one door out: it knows which streams people hold open, and
// ends sessions together with them. It is safe for use by many goroutines.
type Registry struct {
	store   Store
	options RegistryOptions
	streams atomic.Int64

	mu    sync.Mutex
	bound map[*Live]struct{} // guarded by mu: who has streams, and some who had
}

// NewRegistry returns a registry over store. The caller runs Run, and closes
// the store.
func NewRegistry(store Store, options RegistryOptions) *Registry {
	if options.Every <= 0 {
		options.Every = 5 * time.Second
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.OnError == nil {
		options.OnError = func(error) {}
	}
	if options.OnEnd == nil {
		options.OnEnd = func(Info, Why, int) {}
	}
	return &Registry{store: store, options: options, bound: map[*Live]struct{}{}}
}

// Bind ties a stream to a session: when that ends, or has ended since the
// caller asked, the stream does. The error wraps ErrEnded; then the stream is
// not touched and the caller closes it. Otherwise the caller calls Release
// when the stream is over.
func (r *Registry) Bind(l *Live, s Stream) (*Binding, error) {
	b := &Binding{live: l, stream: s}
	b.seen = b.clientBytes()
	// Counted before it can be ended.
	r.streams.Add(1)
	if why := l.bind(b, r, r.options.Now()); why != "" {
		r.streams.Add(-1)
		return nil, fmt.Errorf("session: bind stream: %w: %s", ErrEnded, why)
	}
	r.mu.Lock()
	r.bound[l] = struct{}{}
	r.mu.Unlock()
	return b, nil
}

// BindUntil ties a stream to a moment, for credentials that are no session: a
// bearer token's stream ends when the token expires. EndWhere finds it by its
// key, under the zero ID.
func (r *Registry) BindUntil(key identity.Key, until time.Time, s Stream) (*Binding, error) {
	l := &Live{key: key, expires: unixNano(until)}
	l.last.Store(r.options.Now().UnixNano())
	return r.Bind(l, s)
}

// End ends a session, whether it is known here or not, and closes its streams.
// expires is the session's, until which the ending is remembered; zero if not
// known. When it returns nil, the ending is on disk; streams close without
// waiting for that.
func (r *Registry) End(id ID, expires time.Time, why Why) (streams int, err error) {
	info := Info{ID: id, Expires: expires}
	if l := r.store.Peek(id); l != nil {
		info = l.Info()
	}
	streams, err = r.store.End(Ending{ID: id, Expires: expires, Why: why})
	r.options.OnEnd(info, why, streams)
	return streams, err
}

// EndWhere ends every session that is known here, and every bearer's stream,
// for which match says so, and returns how many. match must not block. With an
// error they have ended, but the disk may not know.
func (r *Registry) EndWhere(match func(Info) bool, why Why) (int, error) {
	var list []due
	add := func(l *Live) {
		if match(l.Info()) {
			list = append(list, due{l, why})
		}
	}
	r.store.Each(add)
	for _, l := range r.withStreams() {
		if l.id == (ID{}) {
			add(l)
		}
	}
	return len(list), r.endAll(list)
}

// CloseStreams closes the bound streams for which match says so (nil: all) and
// leaves the sessions as they are. It returns how many.
func (r *Registry) CloseStreams(match func(Stream) bool, why Why) int {
	n := 0
	for _, l := range r.withStreams() {
		for _, b := range l.bound() {
			if (match == nil || match(b.stream)) && l.unbind(b) {
				b.end(why)
				n++
			}
		}
	}
	return n
}

// Streams returns how many streams are bound.
func (r *Registry) Streams() int { return int(r.streams.Load()) }

// Sessions lists the sessions that were seen here and have not ended.
func (r *Registry) Sessions() []Info {
	var list []Info
	now := r.options.Now()
	r.store.Each(func(l *Live) {
		if l.Alive(now) {
			list = append(list, l.Info())
		}
	})
	return list
}

// Run ends sessions with streams when their time comes, and counts what their
// clients send as activity, until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	tick := time.NewTicker(r.options.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.sweep()
		}
	}
}

func (r *Registry) sweep() {
	now := r.options.Now()
	var list []due
	for _, l := range r.withStreams() {
		// The clock first: after a laptop's night, bytes from before it must
		// not wake a session.
		if why := l.Check(now); why != "" {
			list = append(list, due{l, why})
		} else if l.stirred() {
			l.Touch(now)
		}
	}
	if err := r.endAll(list); err != nil {
		r.options.OnError(err)
	}
}

// due is a session that is to end.
type due struct {
	live *Live
	why  Why
}

// endAll ends sessions of the store by one write, and bearers' streams.
func (r *Registry) endAll(list []due) error {
	infos := make([]Info, len(list))
	var endings []Ending
	for i, d := range list {
		infos[i] = d.live.Info()
		if d.live.id != (ID{}) {
			endings = append(endings, Ending{ID: d.live.id, Expires: time.Unix(d.live.keep, 0), Why: d.why})
			continue
		}
		for _, b := range d.live.end(d.why) {
			b.end(d.why)
		}
	}
	var err error
	if len(endings) > 0 {
		_, err = r.store.End(endings...)
	}
	for i, d := range list {
		r.options.OnEnd(infos[i], d.why, infos[i].Streams)
	}
	return err
}

// withStreams returns whose streams are bound now, and forgets the others.
func (r *Registry) withStreams() []*Live {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Live, 0, len(r.bound))
	for l := range r.bound {
		if l.streaming() == 0 { // who binds again now is added again, after us
			delete(r.bound, l)
			continue
		}
		list = append(list, l)
	}
	return list
}

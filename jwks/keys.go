package jwks

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience bounds how long a caller waits for a fetch.
	patience = 5 * time.Second
	// waitersMax bounds how many callers wait at once, per asker; each holds
	// a goroutine of its caller's.
	waitersMax = 64
)

// Config says where an issuer's keys are. Exactly one of URL and Resolve is
// needed.
type Config struct {
	// URL of the JWK Set, https (http only for loopback).
	URL string
	// Resolve returns that URL, asked before every fetch; it may wait for
	// discovery, but not beyond ctx.
	Resolve func(ctx context.Context) (string, error)
	// Client lends its Transport; see the function Client. May be nil.
	Client *http.Client
	// Now is the clock that judges tokens; nil means time.Now.
	Now func() time.Time
	// OnError hears of failed fetches and of unusable keys, from Run's
	// goroutine, so it must not block for long. May be nil.
	OnError func(error)
	// OnWithdrawn is called, likewise, after a fetch in which a key was gone
	// or replaced: what it signed must not be remembered as good. May be nil.
	OnWithdrawn func()
}

// Keys are an issuer's public keys. All methods may be called by many
// goroutines; nothing is fetched unless Run runs.
type Keys struct {
	resolve func(context.Context) (string, error)
	client  *http.Client
	now     func() time.Time
	onError func(error)
	onGone  func()
	wake    chan struct{} // capacity 1: tells Run that wanted has changed

	set     atomic.Pointer[keySet] // nil until the first good fetch; never back to nil
	lastErr atomic.Pointer[error]  // of the last fetch; nil when it went well

	mu       sync.Mutex
	round    *round // the fetch under way, or else the next
	fetching bool
	wanted   [askers]bool // who waits for a fetch that has not begun
	waiting  [askers]int
	throttle throttle
	missing  missing

	// Owned by Run.
	complaint string // the last one reported, so as not to repeat it
}

// round is one fetch. err may be read when done is closed.
type round struct {
	done chan struct{}
	err  error
}

// New returns Keys that hold nothing yet. Start Run.
func New(c Config) *Keys {
	k := &Keys{
		resolve: c.Resolve,
		client:  Client(c.Client),
		now:     c.Now,
		onError: c.OnError,
		onGone:  c.OnWithdrawn,
		wake:    make(chan struct{}, 1),
		round:   &round{done: make(chan struct{})},
	}
	if k.resolve == nil {
		k.resolve = func(context.Context) (string, error) { return c.URL, nil }
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.onError == nil {
		k.onError = func(error) {}
	}
	if k.onGone == nil {
		k.onGone = func() {}
	}
	return k
}

// Ready reports whether any keys are there, fresh or stale.
func (k *Keys) Ready() bool { return k.set.Load() != nil }

// LastError returns why the latest fetch failed, or nil.
func (k *Keys) LastError() error {
	if err := k.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

// setFor returns a set that has kid. It returns at once if we know the key;
// otherwise it waits for a fetch, at most five seconds.
func (k *Keys) setFor(ctx context.Context, kid string, a asker) (*keySet, error) {
	if s := k.set.Load(); s.has(kid) {
		return s, nil
	}
	// What the issuer itself hands us is never stopped by a stranger's guess.
	if a == stranger && k.isMissing(kid) {
		return nil, refuse("no key has its kid")
	}
	if err := k.await(ctx, a); err != nil {
		return nil, err
	}
	if s := k.set.Load(); s.has(kid) {
		return s, nil
	}
	k.mu.Lock()
	k.missing.add(kid, time.Now())
	k.mu.Unlock()
	return nil, refuse("no key has its kid, and fetching keys brought none")
}

func (k *Keys) isMissing(kid string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.missing.has(kid, time.Now())
}

// await waits until the fetch that is under way, or else one that is asked
// for now, has ended well.
func (k *Keys) await(ctx context.Context, a asker) error {
	r, err := k.join(a)
	if err != nil {
		return err
	}
	defer k.leave(a)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
		if r.err != nil {
			return unavailable("%w", r.err)
		}
		return nil
	case <-ctx.Done():
		return unavailable("waiting for a fetch: %w", ctx.Err())
	case <-timer.C:
		return unavailable("no answer within %v", patience)
	}
}

// join returns the round to wait for, unless that would be too long or in
// too large a crowd.
func (k *Keys) join(a asker) (*round, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting[a] >= waitersMax {
		return nil, unavailable("%d callers wait already", waitersMax)
	}
	if !k.fetching {
		if d := k.throttle.wait(time.Now(), a); d > patience {
			return nil, unavailable("fetched a moment ago, next time in %v", d.Round(time.Second))
		}
		k.wanted[a] = true
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
	k.waiting[a]++
	return k.round, nil
}

func (k *Keys) leave(a asker) {
	k.mu.Lock()
	k.waiting[a]--
	k.mu.Unlock()
}

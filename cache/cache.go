// Package cache remembers what was proven of a credential until a time. It
// forgets whenever it likes, and it never remembers wrongly: a hit counts only
// if the whole 256-bit fingerprint, the epoch and the time agree.
//
// It holds positive answers only. What may end before its time (a session)
// must be asked after every hit: deleting from a cache such as this one is
// neither instant nor certain, so there is no Delete.
package cache

import (
	"fmt"
	"sync/atomic"
	"time"

	// ristretto: bounded, admits by frequency (a flood of credentials seen
	// once does not push out the people at work), reads without a lock of the
	// whole. What it may get wrong is undone here: the first Set of a key
	// wins, a Set may be dropped, and equal 64-bit hashes are one key to it.
	"github.com/dgraph-io/ristretto/v2"
)

// Cache remembers values of type V, usually a pointer to something that is
// never changed. It is safe for use by many goroutines, and none of its
// methods blocks, but for Wait and Close.
type Cache[V any] struct {
	entries *ristretto.Cache[uint64, *entry[V]]
	closed  atomic.Bool

	misses, stale, sets, dropped, rejected, evicted atomic.Uint64
}

type entry[V any] struct {
	fp    Fingerprint
	epoch uint64
	until int64 // unix nanoseconds
	value V
}

// Stats counts since New. Hits are not counted: whoever asks knows them, and
// they are the hot path.
type Stats struct {
	Misses   uint64 // nothing remembered
	Stale    uint64 // something remembered, but of another credential, epoch or time
	Sets     uint64 // taken to be remembered
	Dropped  uint64 // not taken, as too many came at once
	Rejected uint64 // taken, then not kept: the key was there already, or others are asked for more often
	Evicted  uint64 // forgotten, to make room or as their time had come
}

// New returns a cache of at most so many entries, 16 Mi at most, which cost
// some 200 bytes each beside their values, and 40 bytes each from the start
// for counting. Close ends its goroutines.
func New[V any](entries int) (*Cache[V], error) {
	const most = 16 << 20
	if entries < 1 || entries > most {
		return nil, fmt.Errorf("cache: make cache: found %d entries, want 1 to %d", entries, most)
	}
	c := &Cache[V]{}
	var err error
	c.entries, err = ristretto.NewCache(&ristretto.Config[uint64, *entry[V]]{
		NumCounters: 10 * int64(entries), // as its documentation advises
		MaxCost:     int64(entries),
		BufferItems: 64,
		// Every entry costs 1; otherwise ristretto adds 56 for itself, and
		// room for 1000 entries keeps 17.
		IgnoreInternalCost: true,
		KeyToHash:          func(key uint64) (hash, conflict uint64) { return key, 0 },
		OnEvict:            func(*ristretto.Item[*entry[V]]) { c.evicted.Add(1) },
		OnReject:           func(*ristretto.Item[*entry[V]]) { c.rejected.Add(1) },
	})
	if err != nil {
		return nil, fmt.Errorf("cache: make cache: %w", err)
	}
	return c, nil
}

// Get returns what Set was given for this very fingerprint in this very epoch,
// if now (unix nanoseconds) is before its until. It allocates nothing itself;
// ristretto's log of what was asked for costs 512 bytes per 64 hits.
func (c *Cache[V]) Get(fp Fingerprint, epoch uint64, now int64) (V, bool) {
	var none V
	e, ok := c.entries.Get(fp.key())
	if !ok {
		c.misses.Add(1)
		return none, false
	}
	if e.fp != fp || e.epoch != epoch || now >= e.until {
		c.stale.Add(1)
		return none, false
	}
	return e.value, true
}

// Set remembers v until a time, both in unix nanoseconds of the clock that Get
// will be asked with. The epoch must have been read before what v says was
// validated. It may not be there at once, or ever: nothing may rest on it.
func (c *Cache[V]) Set(fp Fingerprint, epoch uint64, now, until int64, v V) {
	if until <= now || c.closed.Load() {
		return
	}
	e := &entry[V]{fp: fp, epoch: epoch, until: until, value: v}
	// The lifetime only frees memory; what counts is until.
	if !c.entries.SetWithTTL(fp.key(), e, 1, time.Duration(until-now)) {
		c.dropped.Add(1)
		return
	}
	c.sets.Add(1)
}

// Stats returns the counts so far.
func (c *Cache[V]) Stats() Stats {
	return Stats{
		Misses:   c.misses.Load(),
		Stale:    c.stale.Load(),
		Sets:     c.sets.Load(),
		Dropped:  c.dropped.Load(),
		Rejected: c.rejected.Load(),
		Evicted:  c.evicted.Load(),
	}
}

// Wait returns when every Set before it has been kept or rejected. Tests need
// it.
func (c *Cache[V]) Wait() { c.entries.Wait() }

// Close forgets everything and ends the goroutines. No other call may be under
// way: ristretto closes channels that Get and Set may be about to send on.
// Afterwards Get finds nothing and Set does nothing.
func (c *Cache[V]) Close() {
	if c.closed.CompareAndSwap(false, true) {
		c.entries.Close()
	}
}

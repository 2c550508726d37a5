package passwd

import (
	"sync"
	"time"
)

const (
	// A user from an address: three tries are free, then 1 s, 2 s, 4 s … from
	// the last one on, at most 30 s: two guesses a minute.
	pairFree   = 3
	pairMax    = 30 * time.Second
	pairForget = time.Hour
	// A try whose end nobody told counts for so long.
	tryMax = time.Minute

	// An address, whoever it claims to be: 30 failures are free, and one more
	// each 6 s. Failures that ran side by side count beyond that, up to a minute.
	addressFree = 30
	addressLeak = 6 * time.Second
	addressMax  = time.Minute
	addressSpan = (addressFree - 1) * addressLeak // how full an address may be and not wait

	knownFor = 30 * 24 * time.Hour

	// About 150 bytes an entry: 5 MB when all are full.
	pairsMax     = 16384
	addressesMax = 8192
	knownMax     = 8192
)

// Backoff says how long somebody has to wait before the next password. There
// are two measures, and the longer wait counts: one for a user from an
// address, which doubles; one for an address, which leaks. There is none for a
// user alone, so nobody can lock a user out from elsewhere: guessing from many
// addresses is left to scrypt's price and File's turnstile. Those who have
// signed in from an address in the last 30 days are spared the address's
// measure, so that a neighbour behind the same address cannot keep them out.
//
// Its memory is bounded, and what goes first is what was touched longest ago.
// Its methods never block and may be called from many goroutines. Neither is
// told what the password was.
type Backoff struct {
	now func() time.Time

	mu        sync.Mutex
	pairs     *ledger[tries]
	addresses *ledger[time.Time] // when all failures have leaked away
	known     *ledger[time.Time] // when the pair last signed in
}

// tries are those of one user from one address.
type tries struct {
	failed int
	last   time.Time // when the last one failed
	open   int       // begun, and the end not told yet
	began  time.Time // when the last of them began
}

// NewBackoff returns a Backoff that reads the time from now, or from time.Now
// when that is nil.
func NewBackoff(now func() time.Time) *Backoff {
	if now == nil {
		now = time.Now
	}
	return &Backoff{
		now:       now,
		pairs:     newLedger[tries](pairsMax),
		addresses: newLedger[time.Time](addressesMax),
		known:     newLedger[time.Time](knownMax),
	}
}

// Delay returns how long it is until user may try from addr. 0 is now, and
// begins a try: tell its end by Failed, Succeeded or Abandoned. Until then it
// counts as a failure of that user from that address, or a thousand guesses
// sent side by side would all be free. addr is an IP address, with or without
// a port, or a text for what has none; IPv6 counts by /64.
func (b *Backoff) Delay(user, addr string) time.Duration {
	addr = addressKey(addr)
	pair, address := keyOf(addr, user), keyOf(addr, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	wait := b.wait(pair, address, now)
	if wait == 0 {
		t := b.pairs.get(pair).at(now)
		t.open++
		t.began = now
		b.pairs.set(pair, t)
	}
	return wait
}

func (b *Backoff) wait(pair, address ledgerKey, now time.Time) time.Duration {
	wait := b.pairs.get(pair).at(now).until().Sub(now)
	if now.Sub(b.known.get(pair)) > knownFor {
		wait = max(wait, b.addresses.get(address).Add(-addressSpan).Sub(now))
	}
	return max(wait, 0)
}

// Failed notes that user's password from addr was wrong.
func (b *Backoff) Failed(user, addr string) {
	addr = addressKey(addr)
	pair, address := keyOf(addr, user), keyOf(addr, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	t := b.pairs.get(pair).at(now)
	t.open = max(t.open-1, 0)
	t.failed++
	t.last = now
	b.pairs.set(pair, t)

	empty := b.addresses.get(address)
	if empty.Before(now) {
		empty = now
	}
	empty = empty.Add(addressLeak)
	if most := now.Add(addressSpan + addressMax); empty.After(most) {
		empty = most
	}
	b.addresses.set(address, empty)
}

// Succeeded notes that user signed in from addr: the pair's failures are
// forgotten. The address's are not, or an attacker with an account of his own
// could wipe them.
func (b *Backoff) Succeeded(user, addr string) {
	pair := keyOf(addressKey(addr), user)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pairs.delete(pair)
	b.known.set(pair, b.now())
}

// Abandoned notes that the try came to nothing: ErrBusy, or the visitor left.
func (b *Backoff) Abandoned(user, addr string) {
	pair := keyOf(addressKey(addr), user)
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.pairs.get(pair).at(b.now())
	if t.open == 0 {
		return
	}
	t.open--
	if t.open == 0 && t.failed == 0 {
		b.pairs.delete(pair)
		return
	}
	b.pairs.set(pair, t)
}

// at returns the tries as they count at a time, without what is too old.
func (t tries) at(now time.Time) tries {
	if now.Sub(t.last) > pairForget {
		t.failed = 0
	}
	if now.Sub(t.began) > tryMax {
		t.open = 0
	}
	return t
}

// until is when the next try may come.
func (t tries) until() time.Time {
	over := t.failed + t.open - pairFree
	if over < 0 {
		return time.Time{}
	}
	wait := pairMax
	if over < 5 { // 1, 2, 4, 8, 16 s
		wait = time.Second << over
	}
	from := t.last
	if t.open > 0 && t.began.After(from) {
		from = t.began
	}
	return from.Add(wait)
}

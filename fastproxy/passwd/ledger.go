package passwd

import (
	"container/list"
	"crypto/sha256"
)

// ledger keeps one value for each of at most max names; the one that was
// touched longest ago goes first. It stores no name, so its size is bounded
// whatever people type. Its owner guards it.
type ledger[V any] struct {
	max    int
	recent list.List // of *entry[V], the latest in front
	at     map[ledgerKey]*list.Element
}

type ledgerKey [16]byte

type entry[V any] struct {
	key   ledgerKey
	value V
}

func newLedger[V any](max int) *ledger[V] {
	return &ledger[V]{max: max, at: make(map[ledgerKey]*list.Element)}
}

// keyOf is over a NUL between the two, which no address has.
func keyOf(addr, user string) ledgerKey {
	in := make([]byte, 0, 256)
	in = append(append(append(in, addr...), 0), user...)
	sum := sha256.Sum256(in)
	return ledgerKey(sum[:16])
}

// get returns the value of key, the zero value when there is none. It does
// not count as touching.
func (l *ledger[V]) get(key ledgerKey) (v V) {
	if e := l.at[key]; e != nil {
		return e.Value.(*entry[V]).value
	}
	return v
}

func (l *ledger[V]) set(key ledgerKey, v V) {
	if e := l.at[key]; e != nil {
		e.Value.(*entry[V]).value = v
		l.recent.MoveToFront(e)
		return
	}
	if len(l.at) >= l.max {
		l.delete(l.recent.Back().Value.(*entry[V]).key)
	}
	l.at[key] = l.recent.PushFront(&entry[V]{key, v})
}

func (l *ledger[V]) delete(key ledgerKey) {
	if e := l.at[key]; e != nil {
		l.recent.Remove(e)
		delete(l.at, key)
	}
}

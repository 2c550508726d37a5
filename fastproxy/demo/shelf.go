package demo

import (
	"crypto/rand"
	"sync"
	"time"
)

// shelf keeps things under unguessable names until they expire. Many
// goroutines may use it. It never holds more than room things: past that the
// expired go first, then any.
type shelf[T any] struct {
	life time.Duration
	room int
	now  func() time.Time

	mu     sync.Mutex
	things map[string]shelved[T]
}

type shelved[T any] struct {
	thing T
	until time.Time
}

func newShelf[T any](life time.Duration, now func() time.Time) *shelf[T] {
	return &shelf[T]{life: life, room: 50_000, now: now, things: map[string]shelved[T]{}}
}

// put keeps thing under a new name of at least 128 random bits.
func (s *shelf[T]) put(thing T) string {
	name := rand.Text()
	s.keep(name, thing)
	return name
}

// keep keeps thing under a name of the caller's choice.
func (s *shelf[T]) keep(name string, thing T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.things) >= s.room {
		s.makeRoom()
	}
	s.things[name] = shelved[T]{thing, s.now().Add(s.life)}
}

func (s *shelf[T]) makeRoom() {
	now := s.now()
	for name, kept := range s.things {
		if !now.Before(kept.until) {
			delete(s.things, name)
		}
	}
	for name := range s.things {
		if len(s.things) < s.room {
			return
		}
		delete(s.things, name)
	}
}

// get returns the thing of that name, unless it has expired.
func (s *shelf[T]) get(name string) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.things[name]
	if !ok || !s.now().Before(kept.until) {
		return thing, false
	}
	return kept.thing, true
}

// drop forgets the thing of that name.
func (s *shelf[T]) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.things, name)
}

package fastproxy

import (
	"sync"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/shiny"
)

const (
	// socketMemory is how long an id is remembered after its last use. Shiny
	// Server keeps a session 15 s for its client to come back.
	socketMemory  = 20 * time.Second
	maxSockets    = 1 << 18
	maxOwnSockets = 1 << 13 // of one person
	maxSocketID   = 64
)

// sockets remembers who opened which SockJS connection. Its ids stand in URLs,
// and whoever knows one takes part in that session; here they hold only for
// the person who opened it. It is safe for use by many goroutines.
type sockets struct {
	began time.Time // ids of the process before this one are taken up until socketMemory later

	mu    sync.Mutex
	all   map[string]*socketOwner
	owned map[identity.Key]int // how many of all are whose
	sweep int                  // how many there may be before the forgotten ones are looked for
	swept time.Time            // when they were last
}

type socketOwner struct {
	who   identity.Key // zero: somebody unknown, on a public mount
	users int          // requests and tunnels that are open
	last  time.Time    // when users was last made 0
}

func newSockets() *sockets {
	return &sockets{began: time.Now(), all: make(map[string]*socketOwner), owned: make(map[identity.Key]int), sweep: 1024}
}

// enter asks whether a request may use the ids in its path, and holds them for
// it until leave is called.
func (s *sockets) enter(ids shiny.SocketIDs, p *identity.Principal, now time.Time) (leave func(), ok bool) {
	var who identity.Key
	if p != nil {
		who = p.Key()
	}
	if ids.Unclear || len(ids.Robust) > maxSocketID || len(ids.Session) > maxSocketID {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var held []*socketOwner
	for _, id := range []struct {
		key   string
		fresh bool // may be unknown here
	}{
		{"n" + ids.Robust, ids.Opens || now.Sub(s.began) < socketMemory},
		{"s" + ids.Session, true},
	} {
		if len(id.key) == 1 {
			continue
		}
		o := s.find(id.key, now)
		if o == nil && id.fresh {
			o = s.add(id.key, who, now)
		}
		if o == nil || o.who != who && o.who != (identity.Key{}) {
			return nil, false
		}
		held = append(held, o)
	}
	for _, o := range held {
		o.users++
	}
	return func() { s.leave(held) }, true
}

func (s *sockets) leave(held []*socketOwner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range held {
		o.users--
		o.last = time.Now()
	}
}

// find returns the owner of an id that is not forgotten.
func (s *sockets) find(key string, now time.Time) *socketOwner {
	o := s.all[key]
	if o == nil || o.forgotten(now) {
		return nil
	}
	return o
}

func (o *socketOwner) forgotten(now time.Time) bool {
	return o.users == 0 && now.Sub(o.last) > socketMemory
}

// add remembers an id; nil when there are too many: of one person's, so that
// a flood refuses nobody else, or of all.
func (s *sockets) add(key string, who identity.Key, now time.Time) *socketOwner {
	most := maxOwnSockets
	if who == (identity.Key{}) {
		most = maxSockets / 2
	}
	if (s.owned[who] >= most || len(s.all) >= maxSockets || len(s.all) >= s.sweep) && now.Sub(s.swept) >= time.Second {
		s.forget(now)
	}
	if s.owned[who] >= most || len(s.all) >= maxSockets {
		return nil
	}
	if old := s.all[key]; old != nil { // forgotten, and not removed yet
		s.owned[old.who]--
	}
	o := &socketOwner{who: who, last: now}
	s.all[key] = o
	s.owned[who]++
	return o
}

// forget removes what is over. It looks at everything, and so runs at most
// once a second.
func (s *sockets) forget(now time.Time) {
	for key, o := range s.all {
		if !o.forgotten(now) {
			continue
		}
		delete(s.all, key)
		if s.owned[o.who]--; s.owned[o.who] <= 0 {
			delete(s.owned, o.who)
		}
	}
	s.swept, s.sweep = now, max(1024, 2*len(s.all))
}

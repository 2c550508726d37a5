package fastproxy

import (
	"crypto/sha256"
	"hash/maphash"
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
	all   map[socketKey]*socketOwner
	owned map[socketHolder]*socketPerson
	sweep int       // how many there may be before the forgotten ones are looked for
	swept time.Time // when they were last
}

// socketKey is half the SHA-256 of an id and its kind: 16 bytes where the ids
// may have 64, of which every tunnel keeps two here.
type socketKey [16]byte

func keyOfSocket(kind byte, id string) (k socketKey) {
	var b [1 + maxSocketID]byte
	b[0] = kind
	sum := sha256.Sum256(b[:1+copy(b[1:], id)])
	copy(k[:], sum[:])
	return k
}

type socketOwner struct {
	who   *socketPerson
	users int32 // requests and tunnels that are open
	last  int32 // seconds since sockets.began when users was last made 0, rounded up
}

// socketPerson is one for all that a person has opened.
type socketPerson struct {
	key  socketHolder
	owns int // of sockets.all
}

// socketHolder is who opened an id, and with what rights: where one connection
// leads to apps of several rules, those that it has open go on when it is taken
// up again, and so it is taken up with the same rights only.
type socketHolder struct {
	identity.Key        // zero: somebody unknown, on a public mount
	rights       uint64 // 0 where they do not matter
}

// holderOf returns who holds the ids that p opens.
func holderOf(p *identity.Principal, rights bool) (h socketHolder) {
	if p == nil {
		return h
	}
	h.Key = p.Key()
	if rights {
		h.rights = maphash.Comparable(rightsSeed, [2]any{p.Email, p.EmailVerified})
		for _, g := range p.Groups {
			h.rights = maphash.Comparable(rightsSeed, [2]any{h.rights, g})
		}
	}
	return h
}

var rightsSeed = maphash.MakeSeed()

func newSockets() *sockets {
	return &sockets{began: time.Now(), all: make(map[socketKey]*socketOwner), owned: make(map[socketHolder]*socketPerson), sweep: 1024}
}

// enter asks whether a request may use the ids in its path, and holds them for
// it until leave is called.
func (s *sockets) enter(ids shiny.SocketIDs, who socketHolder, now time.Time) (leave func(), ok bool) {
	if ids.Unclear || len(ids.Robust) > maxSocketID || len(ids.Session) > maxSocketID {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var held [2]*socketOwner
	for i, id := range [...]struct {
		kind  byte
		text  string
		fresh bool // may be unknown here
	}{
		{'n', ids.Robust, ids.Opens || now.Sub(s.began) < socketMemory},
		{'s', ids.Session, true},
	} {
		if id.text == "" {
			continue
		}
		key := keyOfSocket(id.kind, id.text)
		o := s.find(key, now)
		if o == nil && id.fresh {
			o = s.add(key, who, now)
		}
		if o == nil || o.who.key != who && o.who.key.Key != (identity.Key{}) {
			return nil, false
		}
		held[i] = o
	}
	first, second := held[0], held[1] // less to keep than an array
	first.enter()
	second.enter()
	return func() { s.leave(first, second) }, true
}

func (s *sockets) leave(first, second *socketOwner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.second(time.Now())
	first.leave(now)
	second.leave(now)
}

// enter and leave count a user; nil is no id.
func (o *socketOwner) enter() {
	if o != nil {
		o.users++
	}
}

func (o *socketOwner) leave(now int32) {
	if o != nil {
		o.users--
		o.last = now
	}
}

// second returns a time as owners keep it.
func (s *sockets) second(t time.Time) int32 {
	return int32((t.Sub(s.began) + time.Second - 1) / time.Second)
}

// find returns the owner of an id that is not forgotten.
func (s *sockets) find(key socketKey, now time.Time) *socketOwner {
	o := s.all[key]
	if o == nil || s.forgotten(o, now) {
		return nil
	}
	return o
}

func (s *sockets) forgotten(o *socketOwner, now time.Time) bool {
	return o.users == 0 && now.Sub(s.began)-time.Duration(o.last)*time.Second > socketMemory
}

// add remembers an id; nil when there are too many: of one person's, so that
// a flood refuses nobody else, or of all.
func (s *sockets) add(key socketKey, who socketHolder, now time.Time) *socketOwner {
	most := maxOwnSockets
	if who.Key == (identity.Key{}) {
		most = maxSockets / 2
	}
	if (s.owns(who) >= most || len(s.all) >= maxSockets || len(s.all) >= s.sweep) && now.Sub(s.swept) >= time.Second {
		s.forget(now)
	}
	if s.owns(who) >= most || len(s.all) >= maxSockets {
		return nil
	}
	if old := s.all[key]; old != nil { // forgotten, and not removed yet
		s.disown(old)
	}
	p := s.owned[who]
	if p == nil {
		p = &socketPerson{key: who}
		s.owned[who] = p
	}
	p.owns++
	o := &socketOwner{who: p, last: s.second(now)}
	s.all[key] = o
	return o
}

func (s *sockets) owns(who socketHolder) int {
	if p := s.owned[who]; p != nil {
		return p.owns
	}
	return 0
}

// disown forgets a person who has nothing else.
func (s *sockets) disown(o *socketOwner) {
	if o.who.owns--; o.who.owns <= 0 {
		delete(s.owned, o.who.key)
	}
}

// forget removes what is over. It looks at everything, and so runs at most
// once a second.
func (s *sockets) forget(now time.Time) {
	for key, o := range s.all {
		if s.forgotten(o, now) {
			delete(s.all, key)
			s.disown(o)
		}
	}
	s.swept, s.sweep = now, max(1024, 2*len(s.all))
}

package fastproxy

import (
	"bytes"
	"compress/flate"
	"crypto/subtle"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"fastproxy/fastproxy/oidc"
)

const (
	stateAge   = 15 * time.Minute // how long a sign-in attempt may take
	stateKept  = 2 * time.Hour    // how long it is known where one was to lead
	maxStates  = 8
	stateBytes = 6 << 10  // all attempts together
	stateValue = 3600     // one: browsers take 4096 bytes of name, value and attributes
	headRoom   = 14 << 10 // for the head of the browser's next request; heads end at 16 KiB
)

// stateName names the cookie of one attempt after its state, so that attempts
// of several tabs stand side by side.
func (s *snapshot) stateName(state string) string {
	return s.names.state + state[:min(len(state), 12)]
}

// setAttempt keeps an attempt in its sealed cookie, and drops the oldest of
// this browser's when there are many or they are large. When there is no room
// for the query of the page to return to, that is left out.
func (s *snapshot) setAttempt(x *exchange, a *oidc.Attempt) {
	name := s.stateName(a.State)
	kept, size := s.attempts(x)
	// What the browser sends next is about what it sent now.
	room := min(stateBytes, headRoom-len(x.head.raw)+size) - len(name)
	value := s.sealAttempt(name, a)
	if len(value) > min(stateValue, room) {
		short := *a
		short.ReturnTo = fitting(a.ReturnTo, 512)
		value = s.sealAttempt(name, &short)
	}
	s.dropAttempts(x, kept, maxStates-1, room-len(value))
	s.setCookie(x, name, value, stateKept)
}

// takeAttempt returns the attempt of a state and spends its cookie. One that
// is too old is returned, too: it does not count, but knows where it was to
// lead.
func (s *snapshot) takeAttempt(x *exchange, state string) (oidc.Attempt, bool) {
	name := s.stateName(state)
	value := x.head.cookie(name)
	if state == "" || value == nil {
		return oidc.Attempt{}, false
	}
	s.setCookie(x, name, "", 0)
	a, ok := s.openAttempt(name, value)
	if !ok || subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) != 1 {
		return oidc.Attempt{}, false
	}
	return a, x.start.Sub(a.Created) < stateAge
}

// keptAttempt is one that the browser brings.
type keptAttempt struct {
	name    string
	size    int // of name and value
	created time.Time
}

// attempts lists the attempts that this browser brings, and how large they are
// together. What does not open is not ours, or too old, and is removed, a few
// at a time: an app could plant a hundred, and a proxy in front that takes no
// head over 4 KB would lock this browser out.
func (s *snapshot) attempts(x *exchange) (kept []keptAttempt, size int) {
	removed := 0
	x.head.eachCookie(func(name, value []byte) {
		if !strings.HasPrefix(string(name), s.names.state) || s.stateName(string(name[len(s.names.state):])) != string(name) {
			return // longer than ours are
		}
		size += len(name) + len(value)
		if a, ok := s.openAttempt(string(name), value); ok && x.start.Sub(a.Created) < stateKept {
			kept = append(kept, keptAttempt{string(name), len(name) + len(value), a.Created})
		} else if removed++; removed <= maxStates {
			s.setCookie(x, string(name), "", 0)
		}
	})
	return kept, size
}

// dropAttempts removes the oldest until at most n, of at most size bytes, are
// left, or until a few are removed.
func (s *snapshot) dropAttempts(x *exchange, kept []keptAttempt, n, size int) {
	total := 0
	for _, k := range kept {
		total += k.size
	}
	for removed := 0; removed <= maxStates && (len(kept) > n || total > size && len(kept) > 0); removed++ {
		oldest := 0
		for i := range kept {
			if kept[i].created.Before(kept[oldest].created) {
				oldest = i
			}
		}
		s.setCookie(x, kept[oldest].name, "", 0)
		total -= kept[oldest].size
		kept = append(kept[:oldest], kept[oldest+1:]...)
	}
}

// An attempt is sealed as deflated JSON (RFC 1951): bookmarks of Shiny are long
// and repeat themselves. Lengths tell nobody anything, as every attempt has
// secrets of its own.

func (s *snapshot) sealAttempt(name string, a *oidc.Attempt) string {
	var b bytes.Buffer
	w := attemptWriters.Get().(*flate.Writer)
	defer attemptWriters.Put(w)
	w.Reset(&b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // six bytes for each & of a query
	if err := e.Encode(a); err != nil {
		panic(err) // strings, numbers and a time always encode
	}
	w.Close() // a bytes.Buffer takes everything
	return s.box.Seal(name, b.Bytes())
}

// A writer is 800 KB: too much for each of many who sign in at once.
var attemptWriters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // only for other levels
	}
	return w
}}

// openAttempt reads an attempt that is ours.
func (s *snapshot) openAttempt(name string, value []byte) (oidc.Attempt, bool) {
	var a oidc.Attempt
	deflated, err := s.box.Open(name, value)
	if err != nil {
		return a, false
	}
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil || json.Unmarshal(plain, &a) != nil {
		return a, false
	}
	return a, s.stateName(a.State) == name
}

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// scribe writes a recording while it is made. Events stand in the order of
// their beginnings: one that has begun holds back those after it until it is
// finished. Safe for many goroutines.
type scribe struct {
	path string // of the recording

	mu      sync.Mutex
	kind    string // of the target; known once the page has been seen
	target  string
	waiting []*entry
	lines   []byte    // finished, in order
	values  []value   // of this session, the longest first
	posts   []string  // files
	closed  time.Time // when the socket did; nothing begins after it
}

// value is a session's own, and the token that stands for it.
type value struct{ text, token string }

// entry is an event that has begun.
type entry struct {
	line []byte
	done bool
}

// recorded is an event as it is written.
type recorded struct {
	Type     EventType `json:"type"`
	Begin    string    `json:"begin"`
	End      string    `json:"end,omitempty"`
	Status   int       `json:"status,omitempty"`
	URL      string    `json:"url,omitempty"`
	Message  *string   `json:"message,omitempty"`
	Datafile string    `json:"datafile,omitempty"`
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// begin keeps a place for an event that begins now.
func (s *scribe) begin() *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{done: !s.closed.IsZero()}
	if !e.done {
		s.waiting = append(s.waiting, e)
	}
	return e
}

// close says that the socket has closed, now: the recording ends here. The
// first call counts.
func (s *scribe) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.IsZero() {
		s.closed = time.Now()
	}
}

// finish fills the place, or gives it up where r is nil.
func (s *scribe) finish(e *entry, r *recorded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.done {
		return
	}
	e.done = true
	if r != nil {
		e.line = s.format(r)
	}
	for len(s.waiting) > 0 && s.waiting[0].done {
		s.lines = append(s.lines, s.waiting[0].line...)
		s.waiting = s.waiting[1:]
	}
}

// format makes the line of an event, with tokens for what belongs to this
// session only. The caller holds mu.
func (s *scribe) format(r *recorded) []byte {
	r.URL = s.general(r.URL, "%24")
	if r.Message != nil {
		text := s.general(*r.Message, `\u0024`)
		r.Message = &text
	}
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	encode.Encode(r) // of strings and numbers only; it ends the line
	return b.Bytes()
}

// general puts tokens for values. What already looks like a token is somebody's
// own text: its $ is written so that it means the same and looks otherwise.
func (s *scribe) general(text, dollar string) string {
	text = strings.ReplaceAll(text, "${", dollar+"{")
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v.text, v.token)
	}
	return text
}

// learn has a value of this session replaced from now on. Values too short to
// be told from other text are left.
func (s *scribe) learn(text, token string) {
	if len(text) < 6 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.values, func(v value) bool { return v.text == text }) {
		s.values = append(s.values, value{text, token})
		slices.SortStableFunc(s.values, func(a, b value) int { return len(b.text) - len(a.text) })
	}
}

// note writes an event that takes no time.
func (s *scribe) note(r *recorded) {
	r.Begin = stamp(time.Now())
	s.finish(s.begin(), r)
}

// nextPost makes the file for the body of a POST.
func (s *scribe) nextPost() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("%s.post.%d", s.path, len(s.posts))
	f, err := os.Create(name)
	if err == nil {
		s.posts = append(s.posts, name)
	}
	return f, err
}

// sawPage keeps what kind of server the first page comes from.
func (s *scribe) sawPage(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kind == "" {
		s.kind = kind
	}
}

// write ends the recording with WS_CLOSE and puts it into its file. What has
// begun and is not finished is left out.
func (s *scribe) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.waiting {
		s.lines = append(s.lines, e.line...)
		e.done = true
	}
	s.waiting = nil
	kind := s.kind
	if kind == "" {
		kind = typeUnknown
	}
	text := fmt.Appendf(nil, "# version: 1\n# target_url: %s\n# target_type: %s\n", s.target, kind)
	text = append(text, s.lines...)
	text = append(text, s.format(&recorded{Type: wsClose, Begin: stamp(s.closed)})...)
	return os.WriteFile(s.path, text, 0o600)
}

// discard removes what there is of a recording that came to nothing.
func (s *scribe) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.posts {
		os.Remove(name)
	}
}

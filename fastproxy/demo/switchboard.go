package demo

import (
	"path"
	"regexp"
	"strings"
	"sync"
)

// switchboard is the multiplex layer: many channels on one connection, each a
// session with an app: "0|o|" opens, "0|m|…" speaks, "0|c|{…}" closes.
type switchboard struct {
	shiny *Shiny
	app   string // path of the app whose socket this is
	below wire

	in       sync.Mutex // one incoming message at a time
	mu       sync.Mutex
	channels map[string]*visit
}

// wire carries strings to the browser: a line, or a carriage without one.
type wire interface {
	write(message string) bool
	close(code int, reason string)
}

func newSwitchboard(s *Shiny, app string, below wire) *switchboard {
	return &switchboard{shiny: s, app: app, below: below, channels: map[string]*visit{}}
}

var multiplexShape = regexp.MustCompile(`(?s)^([0-9]{1,9})\|([omc])\|(.*)$`)

const maxChannels = 20

// receive takes one multiplex message. Anything malformed ends the socket.
func (b *switchboard) receive(text string) {
	b.in.Lock()
	defer b.in.Unlock()
	m := multiplexShape.FindStringSubmatch(text)
	if m == nil {
		b.below.close(codeBadProtocol, "Not a multiplex message.")
		return
	}
	id, kind, data := m[1], m[2], m[3]
	b.mu.Lock()
	v, open := b.channels[id]
	many := len(b.channels) >= maxChannels
	b.mu.Unlock()
	switch {
	case kind == "o" && !open && many:
		b.below.close(codeBadProtocol, "Too many channels.")
	case kind == "o" && !open:
		b.open(id, data)
	case kind == "c" && open:
		b.forget(id, v)
	case kind == "m" && open:
		if v.receive([]byte(data)) != nil {
			b.forget(id, v)
			b.below.write(id + `|c|{"code":4503,"reason":"The application unexpectedly exited"}`)
		}
	}
}

// open starts a session with the app that data names, relative to the socket's
// own. As with Shiny Server that may be another app than the one whose path was
// asked for, and one that does not exist is never answered.
func (b *switchboard) open(id, data string) {
	a, ok := appAt(b.app)
	if data != "" {
		a, ok = appAt(path.Join(b.app, data))
	}
	if !ok {
		return
	}
	v := b.shiny.newVisit(a, sockjsEnviron(), func(m []byte) {
		b.below.write(id + "|m|" + string(m))
	})
	if v == nil {
		b.below.close(codeShuttingDown, "The server is shutting down")
		return
	}
	b.mu.Lock()
	b.channels[id] = v
	b.mu.Unlock()
}

func (b *switchboard) forget(id string, v *visit) {
	b.mu.Lock()
	delete(b.channels, id)
	b.mu.Unlock()
	v.leave()
}

// lost ends all sessions: channels do not outlive their connection.
func (b *switchboard) lost() {
	b.mu.Lock()
	all := b.channels
	b.channels = map[string]*visit{}
	b.mu.Unlock()
	for _, v := range all {
		v.leave()
	}
}

// appAt is Shiny Server's look-up: which app does a path belong to?
func appAt(p string) (*app, bool) {
	p, _, _ = strings.Cut(p, "?")
	switch strings.TrimSuffix(p, "/") {
	case "":
		return &delays, true
	case "/sockjs":
		return &stream, true
	}
	return nil, false
}

// shutDown says goodbye on every SockJS connection, as Shiny Server does on TERM.
func (s *Shiny) shutDown() {
	s.mu.Lock()
	var all []*carriage
	for _, c := range s.carriers {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.close(codeShuttingDown, "The server is shutting down")
	}
}

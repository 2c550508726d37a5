package demo

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// line is a robust connection: it survives the loss of its carriage for 15 s.
// Each side numbers its messages from 0 in hexadecimal ("F#…"), says now and
// then how far it has read ("ACK 10": 10 is the next one wanted), and after a
// reconnect both say first where to go on ("CONTINUE 10").
type line struct {
	shiny *Shiny
	id    string
	board *switchboard

	in sync.Mutex // one incoming message at a time, in order

	mu       sync.Mutex
	carriage *carriage
	away     bool     // the carriage was lost
	awaiting bool     // CONTINUE must come before anything is sent
	sent     []string // not acknowledged yet, oldest first
	held     int      // bytes in sent
	first    uint64   // number of sent[0]
	want     uint64   // number of the next message from the browser
	turn     int      // counts carriages, so that an old timer knows it is old
	stopAck  func()
}

// How Shiny Server ends a socket (its lib/proxy/errorcode.js): 45xx stay away,
// 47xx come back with a new session.
const (
	codeRetired       = 4506
	codeShuttingDown  = 4702
	codeBadProtocol   = 4704
	codeBadIdentifier = 4705
)

// robust joins a carriage to a line: a new one, or with reopen the one it lost.
func (s *Shiny) robust(c *carriage, at sockjsPath) {
	s.mu.Lock()
	l, known := s.lines[at.robust]
	if !known && !at.reopen && !s.closed {
		l = &line{shiny: s, id: at.robust, carriage: c}
		l.board = newSwitchboard(s, at.app, l)
		s.lines[at.robust] = l
	}
	s.mu.Unlock()
	switch {
	case known && at.reopen:
		l.reopen(c)
	case known:
		c.close(codeBadIdentifier, "Unable to open connection")
	case at.reopen:
		c.close(codeBadIdentifier, "Your session could not be resumed on the server.")
	case l != nil:
		c.listen(&ear{l, c})
	}
}

// ear is a carriage's way to its line. Only the newest one is listened to.
type ear struct {
	line     *line
	carriage *carriage
}

func (e *ear) receive(message string) { e.line.receive(e.carriage, message) }
func (e *ear) lost()                  { e.line.lost(e.carriage) }

// reopen puts a new carriage under the line. A carriage still there is retired.
func (l *line) reopen(c *carriage) {
	l.mu.Lock()
	old := l.carriage
	l.turn++
	l.carriage, l.away, l.awaiting = c, false, true
	c.listen(&ear{l, c})
	c.write("CONTINUE " + hexOf(l.want))
	l.mu.Unlock()
	old.close(codeRetired, "Connection was retired by new connection")
}

// lost starts the wait for the browser's return.
func (l *line) lost(c *carriage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.carriage == c && !l.away {
		l.away = true
		turn := l.turn
		l.shiny.later(l.shiny.timing.Resume, func() { l.expire(turn) })
	}
}

// expire ends the line unless its browser has come back since that turn.
func (l *line) expire(turn int) {
	l.mu.Lock()
	back := l.turn != turn
	if !back && l.stopAck != nil {
		l.stopAck()
	}
	l.mu.Unlock()
	if back {
		return
	}
	l.shiny.mu.Lock()
	delete(l.shiny.lines, l.id)
	l.shiny.mu.Unlock()
	l.board.lost()
}

// write numbers a message and sends it, or keeps it until the browser is back.
func (l *line) write(message string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	message = hexOf(l.first+uint64(len(l.sent))) + "#" + message
	l.sent = append(l.sent, message)
	l.held += len(message)
	if l.held > maxWaiting {
		l.carriage.close(codeBadProtocol, "Too much was never acknowledged.")
		return false
	}
	return l.awaiting || l.away || l.carriage.write(message)
}

func (l *line) close(code int, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carriage.close(code, reason)
}

// receive reads one message of the browser. Numbers out of turn end the line:
// something between the two lost or doubled a message.
func (l *line) receive(from *carriage, message string) {
	l.in.Lock()
	defer l.in.Unlock()
	payload, ok, bad := l.read(from, message)
	if bad != "" {
		from.close(codeBadProtocol, bad)
		return
	}
	if ok {
		l.board.receive(payload)
	}
}

var (
	ackShape     = regexp.MustCompile(`^(ACK|CONTINUE) ([0-9A-F]{1,12})$`)
	messageShape = regexp.MustCompile(`(?s)^([0-9A-F]{1,12})#(.*)$`)
)

func (l *line) read(from *carriage, message string) (payload string, ok bool, bad string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != l.carriage {
		return "", false, ""
	}
	if m := ackShape.FindStringSubmatch(message); m != nil {
		n, _ := strconv.ParseUint(m[2], 16, 64)
		resume := m[1] == "CONTINUE"
		if resume && !l.awaiting || !l.forget(n) {
			return "", false, "An ACK or CONTINUE that makes no sense."
		}
		if resume {
			l.awaiting = false
			for _, kept := range l.sent {
				l.carriage.write(kept)
			}
		}
		return "", false, ""
	}
	m := messageShape.FindStringSubmatch(message)
	if m == nil || l.awaiting {
		return "", false, "Neither a numbered message nor the CONTINUE that was due."
	}
	n, _ := strconv.ParseUint(m[1], 16, 64)
	if n != l.want {
		return "", false, "Message " + hexOf(n) + " came where " + hexOf(l.want) + " was due."
	}
	l.want++
	if l.stopAck == nil {
		l.stopAck = l.shiny.later(l.shiny.timing.Ack, l.acknowledge)
	}
	return m[2], true, ""
}

// forget drops what the browser has; false if it cannot have that. The caller
// holds mu.
func (l *line) forget(next uint64) bool {
	if next < l.first || next > l.first+uint64(len(l.sent)) {
		return false
	}
	for _, m := range l.sent[:next-l.first] {
		l.held -= len(m)
	}
	l.sent, l.first = l.sent[next-l.first:], next
	return true
}

func (l *line) acknowledge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopAck = nil
	if !l.away && !l.awaiting {
		l.carriage.write("ACK " + hexOf(l.want))
	}
}

func hexOf(n uint64) string { return strings.ToUpper(strconv.FormatUint(n, 16)) }

package shiny

// maxOpen is the longest URL of an open command that is judged; Shiny's own
// client sends a relative path of a few characters.
const maxOpen = 4 << 10

// multiplex reads one string of Shiny Server's multiplex layer, however it is
// cut: "<decimal channel>|<m, o or c>|<data>", on robust connections behind
// "<hex>#"; those also carry "ACK <hex>" and "CONTINUE <hex>". It keeps the
// data of open commands only. Whatever else is there is an error: the server
// would close the socket, and we need not know how.
type multiplex struct {
	robust bool // set once
	state  muxState
	data   []byte // of an open command
}

type muxState uint8

const (
	muxStart   muxState = iota // before the first byte
	muxHex                     // in the robust number
	muxWord                    // in ACK or CONTINUE
	muxWordHex                 // in the number behind them
	muxChannel                 // before the channel's first digit
	muxDigits                  // in the channel
	muxMethod                  // before m, o or c
	muxBar                     // before the second bar, method m or c
	muxBarOpen                 // before the second bar, method o
	muxPass                    // in the data of m or c
	muxOpen                    // in the data of o
	muxBad
)

const muxWords = "ACK CONTINUE " // both, each with its space

func (m *multiplex) begin() {
	m.state, m.data = muxStart, m.data[:0]
	if !m.robust {
		m.state = muxChannel
	}
}

// add takes the next bytes of the string.
func (m *multiplex) add(b []byte) {
	for i, c := range b {
		switch m.state {
		case muxPass:
			return
		case muxOpen:
			if len(m.data)+len(b)-i > maxOpen {
				m.state = muxBad
				return
			}
			m.data = append(m.data, b[i:]...)
			return
		case muxBad:
			return
		}
		m.step(c)
	}
}

func (m *multiplex) step(c byte) {
	next := muxBad
	switch m.state {
	case muxStart:
		// "A" and "C" are hexadecimal digits too: the second byte tells.
		if isHex(c) {
			next = muxHex
			m.data = append(m.data[:0], c)
		}
	case muxHex:
		switch {
		case c == '#':
			next = muxChannel
			m.data = m.data[:0]
		case isHex(c) && len(m.data) < 16:
			next = muxHex
			m.data = append(m.data, c)
		case isWordStart(m.data, c):
			next = muxWord
			m.data = append(m.data, c)
		}
	case muxWord:
		m.data = append(m.data, c)
		switch {
		case string(m.data) == "ACK " || string(m.data) == "CONTINUE ":
			next = muxWordHex
			m.data = m.data[:0]
		case isWordStart(m.data[:len(m.data)-1], c):
			next = muxWord
		}
	case muxWordHex:
		if isHex(c) && len(m.data) < 16 {
			next = muxWordHex
			m.data = append(m.data, c)
		}
	case muxChannel:
		if isDigit(c) {
			next = muxDigits
			m.data = append(m.data[:0], c)
		}
	case muxDigits:
		switch {
		case c == '|':
			next = muxMethod
		case isDigit(c) && len(m.data) < 16:
			next = muxDigits
			m.data = append(m.data, c)
		}
	case muxMethod:
		switch c {
		case 'm', 'c':
			next = muxBar
		case 'o':
			next = muxBarOpen
		}
	case muxBar:
		if c == '|' {
			next = muxPass
		}
	case muxBarOpen:
		if c == '|' {
			next = muxOpen
			m.data = m.data[:0]
		}
	}
	m.state = next
}

// end ends the string: the data of an open command, and whether the string was
// one of the layer's at all.
func (m *multiplex) end() (url []byte, open, ok bool) {
	switch m.state {
	case muxOpen:
		return m.data, true, true
	case muxPass:
		return nil, false, true
	case muxWordHex:
		return nil, false, len(m.data) > 0
	}
	return nil, false, false
}

// isWordStart reports whether a word of the robust layer begins with b and c.
func isWordStart(b []byte, c byte) bool {
	for _, word := range [...]string{muxWords[:4], muxWords[4:]} {
		if len(b) < len(word) && word[:len(b)] == string(b) && word[len(b)] == c {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

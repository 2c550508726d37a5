package shiny

import "unicode/utf8"

// strings reads the JSON of one SockJS client message, however it is cut: an
// array of strings (sockjs-node also takes one bare string), decoded into
// each. Whatever else JSON could hold is an error: a nested array would be a
// string again in the eyes of a regular expression. So is white space before
// it: sockjs-node tells an array by the message's first byte, and hands one
// that begins with a space on as a whole.
type jsonStrings struct {
	begin func()         // a string begins
	add   func(b []byte) // its next decoded bytes, borrowed
	end   func() bool    // it ends; false: no more is wanted

	state  jsonState
	array  bool
	code   rune // of a \u escape
	digits int
	high   rune // a high surrogate that waits for its other half
	some   bool // the message holds more than nothing
}

type jsonState uint8

const (
	jsonValue  jsonState = iota // before "[" or a bare string
	jsonFirst                   // after "[": a string or "]"
	jsonItem                    // after ",": a string
	jsonString                  // in a string
	jsonEscape                  // after "\"
	jsonHex                     // in the digits of "\u"
	jsonComma                   // after a string of the array: "," or "]"
	jsonDone                    // after the value: white space
	jsonBad
)

// start makes ready for the next message.
func (j *jsonStrings) start() {
	j.state, j.array, j.high, j.some = jsonValue, false, 0, false
}

// feed takes the next bytes of the message.
func (j *jsonStrings) feed(b []byte) {
	for i := 0; i < len(b) && j.state != jsonBad; {
		j.some = true
		if j.state == jsonString {
			i += j.run(b[i:])
			continue
		}
		j.step(b[i])
		i++
	}
}

// run takes plain characters of a string up to its end or an escape.
func (j *jsonStrings) run(b []byte) int {
	for i, c := range b {
		if c != '"' && c != '\\' && c >= ' ' {
			continue
		}
		j.flush(b[:i])
		switch c {
		case '"':
			j.flushHigh()
			j.closeString()
		case '\\':
			j.state = jsonEscape
		default:
			j.state = jsonBad
		}
		return i + 1
	}
	j.flush(b)
	return len(b)
}

func (j *jsonStrings) flush(b []byte) {
	if len(b) > 0 {
		j.flushHigh()
		j.add(b)
	}
}

// flushHigh adds what a lone surrogate becomes.
func (j *jsonStrings) flushHigh() {
	if j.high != 0 {
		j.high = 0
		j.add([]byte("\uFFFD"))
	}
}

func (j *jsonStrings) closeString() {
	j.state = jsonDone
	if j.array {
		j.state = jsonComma
	}
	if !j.end() {
		j.state = jsonBad
	}
}

func (j *jsonStrings) step(c byte) {
	switch j.state {
	case jsonEscape:
		j.escape(c)
		return
	case jsonHex:
		j.hex(c)
		return
	}
	switch {
	case j.state != jsonValue && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
	case c == '"' && (j.state == jsonValue || j.state == jsonFirst || j.state == jsonItem):
		j.state = jsonString
		j.begin()
	case c == '[' && j.state == jsonValue:
		j.state, j.array = jsonFirst, true
	case c == ']' && (j.state == jsonFirst || j.state == jsonComma):
		j.state = jsonDone
	case c == ',' && j.state == jsonComma:
		j.state = jsonItem
	default:
		j.state = jsonBad
	}
}

func (j *jsonStrings) escape(c byte) {
	plain := byte(0)
	switch c {
	case '"', '\\', '/':
		plain = c
	case 'b':
		plain = '\b'
	case 'f':
		plain = '\f'
	case 'n':
		plain = '\n'
	case 'r':
		plain = '\r'
	case 't':
		plain = '\t'
	case 'u':
		j.state, j.code, j.digits = jsonHex, 0, 0
		return
	default:
		j.state = jsonBad
		return
	}
	j.state = jsonString
	j.flush([]byte{plain})
}

func (j *jsonStrings) hex(c byte) {
	if !isHex(c) {
		j.state = jsonBad
		return
	}
	j.code = j.code<<4 | rune(unhex(c))
	if j.digits++; j.digits < 4 {
		return
	}
	j.state = jsonString
	switch {
	case j.code >= 0xD800 && j.code < 0xDC00:
		j.flushHigh()
		j.high = j.code
	case j.code >= 0xDC00 && j.code < 0xE000 && j.high != 0:
		r := (j.high-0xD800)<<10 | (j.code - 0xDC00) + 0x10000
		j.high = 0
		j.add(utf8.AppendRune(nil, r))
	default:
		j.flush(utf8.AppendRune(nil, j.code)) // a lone low surrogate becomes U+FFFD
	}
}

// finish ends the message and reports whether it was whole and right; nothing
// at all is a message that SockJS passes over.
func (j *jsonStrings) finish() bool { return j.state == jsonDone || j.state == jsonValue && !j.some }

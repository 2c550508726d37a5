package fastproxy

import "bytes"

// head is one request head as it stood on the wire, judged by scan. Every
// slice points into raw; nothing in it outlives the exchange.
type head struct {
	raw    []byte // through the empty line
	method []byte
	target []byte // origin-form, or "*" for OPTIONS
	host   []byte
	minor  byte // HTTP/1.minor: 0 or 1
	lines  []line

	contentLength int64 // -1: no Content-Length
	chunked       bool
	close         bool // the client wants no further request on this connection
	expect        bool // Expect: 100-continue
	upgrade       bool // a WebSocket upgrade (RFC 6455 section 4.1)
	options       int  // how many Connection options there are
	connUpgrade   bool // one of them is upgrade, of whatever kind
	connNames     bool // some of them name other fields
}

// line is one header line.
type line struct {
	name, value []byte // value without surrounding white space
	whole       []byte // "name: value" CRLF as it stands in the head; nil if that is written otherwise
	field       field
}

// newLine reads a line whose text is name, a colon and value; from begins
// where the line does.
func newLine(name, value []byte, f field, from []byte) line {
	l := line{name: name, value: trimSpace(value), field: f}
	if n := len(name) + len(": ") + len(l.value); len(value) == len(l.value)+1 && value[0] == ' ' {
		l.whole = from[:n+len("\r\n")]
	}
	return l
}

// appendTo writes the line as it is passed on.
func (l *line) appendTo(dst []byte) []byte {
	if l.whole != nil {
		return append(dst, l.whole...)
	}
	return appendLine(dst, l.name, l.value)
}

// hasBody reports whether body bytes follow the head.
func (h *head) hasBody() bool { return h.chunked || h.contentLength > 0 }

// safe reports whether the method asks for nothing to change (RFC 9110 section 9.2.1).
func (h *head) safe() bool {
	switch string(h.method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

// get returns the value of the first line of a field, nil if there is none.
func (h *head) get(f field) []byte {
	for i := range h.lines {
		if h.lines[i].field == f {
			return h.lines[i].value
		}
	}
	return nil
}

// named reports whether the Connection field names a header as one of this
// connection only (RFC 9110 section 7.6.1).
func (h *head) named(name []byte) bool {
	if !h.connNames {
		return false
	}
	for i := range h.lines {
		if h.lines[i].field != fieldConnection {
			continue
		}
		for list := h.lines[i].value; len(list) > 0; {
			var option []byte
			option, list, _ = bytes.Cut(list, []byte{','})
			if sameFold(bytes.Trim(option, " \t"), name) {
				return true
			}
		}
	}
	return false
}

// path returns the target up to its query.
func (h *head) path() []byte {
	if i := bytes.IndexByte(h.target, '?'); i >= 0 {
		return h.target[:i]
	}
	return h.target
}

// query returns the target after its first "?", nil if there is none.
func (h *head) query() []byte {
	if i := bytes.IndexByte(h.target, '?'); i >= 0 {
		return h.target[i+1:]
	}
	return nil
}

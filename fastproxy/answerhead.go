package fastproxy

import (
	"bytes"
	"errors"
)

var errAnswerHead = errors.New("malformed answer head")

// maxAnswerHead is the most a backend's answer head may hold.
const maxAnswerHead = 32 << 10

// answerHead is the head of a backend's answer as it stood on the wire. Every
// slice points into raw.
type answerHead struct {
	raw    []byte // through the empty line
	status int
	reason []byte
	minor  byte
	lines  []line

	contentLength int64 // -1: none
	chunked       bool
	close         bool // the backend ends the connection after this answer
	connNames     bool // Connection names other fields
}

// scanAnswer judges the head of a backend's answer and fills a. What could be
// read in two ways is an error: the browser, or a cache before it, is the
// second parser.
func scanAnswer(raw []byte, a *answerHead) error {
	*a = answerHead{raw: raw, lines: a.lines[:0], contentLength: -1}
	text, rest, serr := cutLine(raw)
	if serr != nil || !a.statusLine(text) {
		return errAnswerHead
	}
	for {
		text, after, serr := cutLine(rest)
		if serr != nil {
			return errAnswerHead
		}
		if len(text) == 0 {
			break
		}
		name, value, ok := bytes.Cut(text, []byte{':'})
		f, token := fieldOf(name)
		if !ok || !token {
			return errAnswerHead
		}
		a.lines = append(a.lines, newLine(name, value, f, rest))
		if !a.framing(&a.lines[len(a.lines)-1]) {
			return errAnswerHead
		}
		rest = after
	}
	if a.chunked && (a.contentLength >= 0 || a.minor == 0) {
		return errAnswerHead
	}
	if !a.framed() && (a.chunked || a.contentLength > 0) {
		a.close = true // it may send that body nevertheless
	}
	return nil
}

// statusLine reads "HTTP/1.x NNN reason"; the reason may be empty, and old
// servers leave out its space too.
func (a *answerHead) statusLine(b []byte) bool {
	if len(b) < len("HTTP/1.1 200") || string(b[:7]) != "HTTP/1." || b[8] != ' ' || b[7] != '0' && b[7] != '1' {
		return false
	}
	a.minor = b[7] - '0'
	a.close = a.minor == 0
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		a.status = a.status*10 + int(c-'0')
	}
	if len(b) > 12 {
		if b[12] != ' ' {
			return false
		}
		a.reason = b[13:]
	}
	return a.status >= 100 && a.status < 600
}

func (a *answerHead) framing(l *line) bool {
	switch l.field {
	case fieldContentLength:
		var h head
		h.contentLength = a.contentLength
		if h.setContentLength(l.value) != nil {
			return false
		}
		a.contentLength = h.contentLength
	case fieldTransferEncoding:
		if a.chunked || !equalFold(l.value, "chunked") {
			return false
		}
		a.chunked = true
	case fieldConnection:
		a.close = a.close || hasToken(l.value, "close")
		if a.minor == 0 && hasToken(l.value, "keep-alive") {
			a.close = false
		}
		a.connNames = a.connNames || !equalFold(l.value, "close") && !equalFold(l.value, "keep-alive") && !equalFold(l.value, "upgrade")
	}
	return true
}

// bodiless reports an answer that has no body whatever its header says (RFC
// 9112 section 6.3).
func (a *answerHead) bodiless(method []byte) bool {
	return a.status < 200 || a.status == 204 || a.status == 304 || string(method) == "HEAD"
}

// late reports an answer without a body behind whose head a backend may send
// one all the same, later: the next visitor's answer (RFC 9112 section 9.2 has
// no way to tell). httpuv does so with an app's own 304; those that it makes
// itself say no length.
func (a *answerHead) late(method []byte) bool {
	switch {
	case string(method) == "HEAD":
		return a.contentLength != 0
	case a.status == 304:
		return a.chunked || a.contentLength > 0
	}
	return false
}

// named reports whether Connection names a field as one of the backend's
// connection only (RFC 9110 section 7.6.1). Framing and Upgrade are ours to
// judge, whatever it says of them.
func (a *answerHead) named(of *line) bool {
	if of.field.hopByHop() {
		return false
	}
	for i := range a.lines {
		if a.lines[i].field != fieldConnection {
			continue
		}
		for list := a.lines[i].value; len(list) > 0; {
			var option []byte
			option, list, _ = bytes.Cut(list, []byte{','})
			if sameFold(bytes.Trim(option, " \t"), of.name) {
				return true
			}
		}
	}
	return false
}

func (a *answerHead) get(f field) []byte {
	for i := range a.lines {
		if a.lines[i].field == f {
			return a.lines[i].value
		}
	}
	return nil
}

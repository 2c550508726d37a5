package fastproxy

import (
	"bytes"
	"strconv"
)

// Limits of a request head.
const (
	maxHeadBytes   = 16 << 10 // request line, header lines and the empty line; more: 431
	maxHeaderLines = 100
)

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
	connUpgrade   bool // Connection: upgrade, of whatever kind
}

// line is one header line.
type line struct {
	name, value []byte // value without surrounding white space
	field       field
}

// scanError says why a head is refused; its text holds nothing of the head.
type scanError struct {
	status int
	reason string
}

func (e *scanError) Error() string { return e.reason }

func refuse(reason string) *scanError { return &scanError{400, reason} }

var (
	errHeadTooLarge  = &scanError{431, "the request head is over 16 KiB"}
	errTooManyLines  = refuse("more than 100 header lines")
	errBareLF        = refuse("LF without CR")
	errRequestLine   = refuse("malformed request line")
	errMethod        = refuse("malformed method")
	errMethodRefused = refuse("CONNECT and TRACE are not served")
	errVersion       = refuse("only HTTP/1.0 and HTTP/1.1 are served")
	errControl       = refuse("control byte in the head")
	errName          = refuse("malformed header name")
	errFold          = refuse("folded header line")
	errHost          = refuse("exactly one Host is wanted")
	errHostValue     = refuse("malformed Host")
	errAbsolute      = refuse("absolute target for another host")
	errTarget        = refuse("malformed request target")
	errLength        = refuse("malformed Content-Length")
	errLengths       = refuse("more than one Content-Length")
	errLengthAndTE   = refuse("Content-Length with Transfer-Encoding")
	errTE            = refuse("Transfer-Encoding other than chunked")
	errTE10          = refuse("Transfer-Encoding on HTTP/1.0")
	errTrailer       = refuse("Trailer is not accepted")
	errUpgradeBody   = refuse("an upgrade with a body")
	errExpect        = &scanError{417, "Expect other than 100-continue"}
)

// scan judges the bytes of one head, before anything else reads them, and
// fills h. It is stricter than RFC 9112 asks: whatever two parsers could read
// in two ways is refused, because the backend is a second parser. raw ends
// with the empty line; h is reused. Nil means accepted.
func scan(raw []byte, h *head) *scanError {
	*h = head{raw: raw, lines: h.lines[:0], contentLength: -1}
	rest, err := scanRequestLine(raw, h)
	if err != nil {
		return err
	}
	for {
		text, after, err := cutLine(rest)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			break
		}
		if len(h.lines) == maxHeaderLines {
			return errTooManyLines
		}
		if err := scanLine(text, h); err != nil {
			return err
		}
		rest = after
	}
	return h.judge()
}

// cutLine returns the first line without its CRLF. RFC 9112 section 2.2 lets
// a bare LF end a line; two parsers that differ there see two requests.
func cutLine(b []byte) (text, rest []byte, err *scanError) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, errBareLF
	}
	text = b[:i-1]
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, errControl
		}
	}
	return text, b[i+1:], nil
}

func scanRequestLine(raw []byte, h *head) (rest []byte, err *scanError) {
	text, rest, err := cutLine(raw)
	if err != nil {
		return nil, err
	}
	method, after, ok := bytes.Cut(text, []byte{' '})
	target, version, ok2 := bytes.Cut(after, []byte{' '})
	if !ok || !ok2 || len(target) == 0 || bytes.IndexByte(version, ' ') >= 0 || bytes.IndexByte(text, '\t') >= 0 {
		return nil, errRequestLine
	}
	switch string(version) {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
		h.minor = 0
	default:
		return nil, errVersion
	}
	if len(method) == 0 || len(method) > 32 {
		return nil, errMethod
	}
	for _, c := range method {
		// RFC 9110 section 9.1: methods are case-sensitive; all in use are upper case.
		if (c < 'A' || c > 'Z') && c != '-' {
			return nil, errMethod
		}
	}
	switch string(method) {
	case "CONNECT", "TRACE":
		return nil, errMethodRefused
	}
	h.method, h.target = method, target
	return rest, nil
}

func scanLine(text []byte, h *head) *scanError {
	if text[0] == ' ' || text[0] == '\t' {
		return errFold
	}
	name, value, ok := bytes.Cut(text, []byte{':'})
	if !ok || !isToken(name) { // a space before the colon makes the name no token
		return errName
	}
	l := line{name: name, value: bytes.Trim(value, " \t"), field: fieldOf(name)}
	h.lines = append(h.lines, l)
	switch l.field {
	case fieldHost:
		if h.host != nil {
			return errHost
		}
		if len(l.value) == 0 {
			return errHostValue
		}
		h.host = l.value
	case fieldContentLength:
		return h.setContentLength(l.value)
	case fieldTransferEncoding:
		if h.chunked || !equalFold(l.value, "chunked") {
			return errTE
		}
		h.chunked = true
	case fieldTrailer:
		return errTrailer
	case fieldConnection:
		h.close = h.close || hasToken(l.value, "close")
		h.connUpgrade = h.connUpgrade || hasToken(l.value, "upgrade")
	case fieldExpect:
		if h.expect || !equalFold(l.value, "100-continue") {
			return errExpect
		}
		h.expect = true
	}
	return nil
}

// setContentLength accepts one run of digits (RFC 9110 section 8.6), once.
func (h *head) setContentLength(v []byte) *scanError {
	if h.contentLength >= 0 {
		return errLengths
	}
	if len(v) == 0 || len(v) > 18 { // 18 digits fit an int64
		return errLength
	}
	n := int64(0)
	for _, c := range v {
		if c < '0' || c > '9' {
			return errLength
		}
		n = n*10 + int64(c-'0')
	}
	h.contentLength = n
	return nil
}

// judge asks what only the whole head can answer.
func (h *head) judge() *scanError {
	if h.host == nil {
		return errHost
	}
	if !validHost(h.host) {
		return errHostValue
	}
	if h.chunked && h.contentLength >= 0 {
		return errLengthAndTE
	}
	if h.chunked && h.minor == 0 {
		return errTE10
	}
	if h.minor == 0 {
		h.close, h.expect = true, false
	}
	if err := h.originForm(); err != nil {
		return err
	}
	return h.judgeUpgrade()
}

// originForm turns an absolute target for this very host into origin-form and
// refuses any other form but "OPTIONS *" (RFC 9112 section 3.2).
func (h *head) originForm() *scanError {
	if h.target[0] == '/' {
		return nil
	}
	if string(h.target) == "*" && string(h.method) == "OPTIONS" {
		return nil
	}
	rest, ok := cutPrefixFold(h.target, "http://")
	if !ok {
		if rest, ok = cutPrefixFold(h.target, "https://"); !ok {
			return errTarget
		}
	}
	i := bytes.IndexAny(rest, "/?#")
	if i < 0 || rest[i] != '/' || !bytes.EqualFold(rest[:i], h.host) {
		return errAbsolute
	}
	h.target = rest[i:]
	return nil
}

// judgeUpgrade recognises the one upgrade served. Others are ordinary
// requests whose Upgrade is not passed on (RFC 9110 section 7.8 allows it).
func (h *head) judgeUpgrade() *scanError {
	if !h.connUpgrade || h.minor == 0 || string(h.method) != "GET" {
		return nil
	}
	n := 0
	for i := range h.lines {
		if h.lines[i].field == fieldUpgrade {
			n++
			h.upgrade = equalFold(h.lines[i].value, "websocket")
		}
	}
	h.upgrade = h.upgrade && n == 1
	if h.upgrade && (h.chunked || h.contentLength > 0) {
		return errUpgradeBody
	}
	return nil
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

// one returns the value of a field that stands exactly once.
func (h *head) one(f field) (value []byte, ok bool) {
	for i := range h.lines {
		if h.lines[i].field != f {
			continue
		}
		if ok {
			return nil, false
		}
		value, ok = h.lines[i].value, true
	}
	return value, ok
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

// validHost accepts a registered name, an IPv4 address or a bracketed IPv6
// address, each with an optional port (RFC 3986 section 3.2, without userinfo).
func validHost(b []byte) bool {
	name, port := b, []byte(nil)
	if b[0] == '[' {
		i := bytes.IndexByte(b, ']')
		if i < 0 {
			return false
		}
		for _, c := range b[1:i] {
			if !isHex(c) && c != ':' && c != '.' {
				return false
			}
		}
		name, port = b[:i+1], b[i+1:]
	} else {
		if i := bytes.IndexByte(b, ':'); i >= 0 {
			name, port = b[:i], b[i:]
		}
		for _, c := range name {
			if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
	}
	if len(name) == 0 || len(b) > 255 {
		return false
	}
	if len(port) == 0 {
		return true
	}
	if port[0] != ':' || len(port) < 2 || len(port) > 6 {
		return false
	}
	n, err := strconv.ParseUint(string(port[1:]), 10, 16)
	return err == nil && n > 0
}

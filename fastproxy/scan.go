package fastproxy

import (
	"bytes"
	"encoding/binary"
)

// Limits of a request head.
const (
	maxHeadBytes   = 16 << 10 // request line, header lines and the empty line; more: 431
	maxHeaderLines = 100
	maxOptions     = 16 // of Connection: each is compared with every line's name
)

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
	errOptions       = refuse("more than 16 Connection options")
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
		if err := scanLine(text, rest, h); err != nil {
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
	if hasControl(text) {
		return nil, nil, errControl
	}
	return text, b[i+1:], nil
}

// hasControl reports a control byte other than a tab.
func hasControl(b []byte) bool {
	for len(b) >= 8 && !suspect(binary.LittleEndian.Uint64(b)) {
		b = b[8:]
	}
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// suspect reports whether one of eight bytes may be a control byte: below 0x20,
// or 0x7f. It may be wrong about a byte behind such a one, never about the
// first. Most lines are 60 bytes; one at a time they took a third of scan.
func suspect(eight uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	below := (eight - 0x20*ones) &^ eight & highs
	del := eight ^ 0x7f*ones
	return below|(del-ones)&^del&highs != 0
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

func scanLine(text, rest []byte, h *head) *scanError {
	if text[0] == ' ' || text[0] == '\t' {
		return errFold
	}
	name, value, ok := bytes.Cut(text, []byte{':'})
	f, token := fieldOf(name)
	if !ok || !token { // a space before the colon makes the name no token
		return errName
	}
	l := newLine(name, value, f, rest)
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
		return h.addOptions(l.value)
	case fieldExpect:
		if h.expect || !equalFold(l.value, "100-continue") {
			return errExpect
		}
		h.expect = true
	}
	return nil
}

// addOptions reads one Connection line (RFC 9110 section 7.6.1). Firefox sends
// "keep-alive, Upgrade".
func (h *head) addOptions(list []byte) *scanError {
	for more := true; more; {
		var option []byte
		option, list, more = bytes.Cut(list, []byte{','})
		if h.options++; h.options > maxOptions {
			return errOptions
		}
		switch option = bytes.Trim(option, " \t"); {
		case equalFold(option, "close"):
			h.close = true
		case equalFold(option, "upgrade"):
			h.connUpgrade = true
		case len(option) > 0 && !equalFold(option, "keep-alive"):
			h.connNames = true
		}
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
	if i < 0 || rest[i] != '/' || !sameFold(rest[:i], h.host) {
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

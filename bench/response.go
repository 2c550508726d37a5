package bench

import (
	"bytes"
	"fmt"
	"strconv"
)

// responseHead is what the event-driven client reads of the head of an answer.
type responseHead struct {
	status   int
	reason   string
	length   int64 // of the body; -1: not said
	chunked  bool
	last     bool   // the connection ends after it
	upgrade  bool   // to websocket
	accept   []byte // Sec-WebSocket-Accept; borrowed
	location []byte // borrowed
}

// readResponseHead reads a head if b begins with a whole one; else used is 0.
func readResponseHead(b []byte) (h responseHead, used int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= 5 && string(b[:5]) != "HTTP/" {
			return h, 0, faultf("protocol", "the answer begins with %q, which is not HTTP", clip(string(b[:min(len(b), 40)]), 40))
		}
		return h, 0, nil
	}
	line, rest, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	if err := h.readStatusLine(line); err != nil {
		return h, 0, err
	}
	h.length = -1
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, 0, faultf("protocol", "a header line without a colon: %q", clip(string(line), 60))
		}
		if err := h.readField(name, bytes.Trim(value, " \t")); err != nil {
			return h, 0, err
		}
	}
	return h, end + 4, nil
}

func (h *responseHead) readStatusLine(line []byte) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, reason, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if err != nil || len(code) != 3 || status < 100 || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return faultf("protocol", "the answer begins with %q, which is not HTTP/1", clip(string(line), 60))
	}
	h.status, h.last = status, string(version) == "HTTP/1.0"
	if len(reason) > 0 {
		h.reason = clip(string(reason), 60)
	}
	return nil
}

func (h *responseHead) readField(name, value []byte) error {
	is := func(want string) bool { return len(name) == len(want) && bytes.EqualFold(name, []byte(want)) }
	switch {
	case is("Content-Length"):
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 || h.length >= 0 && h.length != n {
			return faultf("protocol", "Content-Length: %s", clip(string(value), 40))
		}
		h.length = n
	case is("Transfer-Encoding"):
		last := bytes.TrimSpace(value[bytes.LastIndexByte(value, ',')+1:])
		h.chunked = bytes.EqualFold(last, []byte("chunked"))
	case is("Connection"):
		if bytes.EqualFold(value, []byte("close")) {
			h.last = true
		} else if bytes.EqualFold(value, []byte("keep-alive")) {
			h.last = false
		}
	case is("Upgrade"):
		h.upgrade = bytes.EqualFold(value, []byte("websocket"))
	case is("Sec-WebSocket-Accept"):
		h.accept = value
	case is("Location"):
		h.location = value
	}
	return nil
}

// unwanted is the failure of an answer with another status than wanted. Where
// a redirect leads is told without its query, which may hold secrets.
func (h *responseHead) unwanted(what string, want int) error {
	text := fmt.Sprintf("%s was answered %d %s, want %d", what, h.status, h.reason, want)
	if len(h.location) > 0 {
		to, _, _ := bytes.Cut(h.location, []byte("?"))
		text += ", and sent to " + clip(string(to), 100)
	}
	return faultf("status "+strconv.Itoa(h.status), "%s", text)
}

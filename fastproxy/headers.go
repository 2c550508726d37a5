package fastproxy

import (
	"bytes"
	"strconv"

	"fastproxy/fastproxy/identity"
)

// passes reports whether a client's header line may reach Shiny as it is. R
// reads header names with "-" and "_" alike, and only letters, digits and "-"
// are names that every reader on the way spells the same.
func passes(l *line, dropAuthorization bool) bool {
	switch l.field {
	case fieldHost, fieldExpect, fieldCookie, fieldXForwardedFor: // written anew, or edited
		return false
	case fieldOtherTarget: // some servers go by it instead of the target that was judged
		return false
	case fieldAuthorization:
		return !dropAuthorization
	case fieldOrdinary:
		return true
	}
	if l.field.hopByHop() || identity.IsReserved(l.name) {
		return false
	}
	for _, c := range l.name {
		if !isAlnum(c) && c != '-' {
			return false
		}
	}
	return true
}

// appendRequestHead writes the head that Shiny gets: the client's own lines
// in their order, less those that only the proxy may send, then ours.
func (s *snapshot) appendRequestHead(dst []byte, x *exchange, r *route) []byte {
	h := &x.head
	dst = append(dst, h.method...)
	dst = append(dst, ' ')
	dst = append(dst, r.upstreamPath...)
	dst = append(dst, r.rest...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, h.host...)
	dst = append(dst, "\r\n"...)
	for i := range h.lines {
		l := &h.lines[i]
		switch {
		case r.opens != nil && equalFold(l.name, "sec-websocket-extensions"):
			// What is watched must not be compressed; Shiny agrees to no extension anyway.
		case l.field == fieldCookie:
			dst = appendCookieLine(dst, l)
		case passes(l, r.usedAuthorization) && !h.named(l.name):
			dst = l.appendTo(dst)
		}
	}
	dst = append(dst, r.identity...)
	dst = append(dst, s.forwardedLines...)
	if x.client.IsValid() {
		dst = append(dst, "X-Forwarded-For: "...)
		dst = x.client.AppendTo(dst)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "X-Request-Id: "...)
	dst = append(dst, x.id...)
	dst = append(dst, "\r\n"...)
	return appendRequestFraming(dst, h)
}

// appendRequestFraming ends the head. A Content-Length stays one: httpuv
// answers 413 to every chunked body.
func appendRequestFraming(dst []byte, h *head) []byte {
	switch {
	case h.upgrade:
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case h.chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case h.contentLength >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, h.contentLength, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func appendLine(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendCookieLine copies a Cookie line without our own cookies; the others,
// and what is between them, stay as they are. Nothing left: no line.
func appendCookieLine(dst []byte, l *line) []byte {
	start := len(dst)
	dst = append(append(dst, l.name...), ": "...)
	value := len(dst)
	kept := 0
	for rest, more := l.value, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{';'})
		if ownCookie(pair) {
			continue
		}
		if kept++; kept == 1 {
			pair = bytes.TrimLeft(pair, " \t") // the space behind a cookie of ours
		} else {
			dst = append(dst, ';')
		}
		dst = append(dst, pair...)
	}
	if len(bytes.Trim(dst[value:], "; \t")) == 0 {
		return dst[:start]
	}
	return append(dst, "\r\n"...)
}

// ownCookie reports whether a cookie, with or without its value, has a name
// that only fastproxy may use, with or without a prefix of RFC 6265bis,
// whatever its case. Browsers send a cookie without a name, which "=a=b" sets,
// as "a=b".
func ownCookie(pair []byte) bool {
	name, _, _ := bytes.Cut(bytes.TrimLeft(pair, " \t="), []byte{'='})
	for _, prefix := range []string{"__host-", "__secure-"} {
		name, _ = cutPrefixFold(name, prefix)
	}
	_, ours := cutPrefixFold(name, "fastproxy_")
	return ours
}

// appendAnswerHead writes the head that the client gets: Shiny's own bytes,
// line by line in their order, with the few edits that the mount and the
// visitor's safety ask for.
func (s *snapshot) appendAnswerHead(dst []byte, x *exchange, r *route, a *answerHead) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, a.reason...)
	dst = append(dst, "\r\n"...)
	dropCORS := r.kind.IsSockJS() && !s.ourOrigin(a.allowedOrigin())
	for i := range a.lines {
		l := &a.lines[i]
		if a.connNames && a.named(l) {
			continue
		}
		switch l.field {
		case fieldContentLength:
			// Old httpuv sends "Content-Length: 0" with its 101 (httpuv#303).
			if a.framed() {
				dst = l.appendTo(dst)
			}
		case fieldTransferEncoding:
			if a.framed() && x.head.minor == 1 {
				dst = l.appendTo(dst)
			}
		case fieldUpgrade:
			if a.status == 101 {
				dst = l.appendTo(dst)
			}
		case fieldLocation:
			dst = append(append(dst, l.name...), ": "...)
			dst = append(r.appendLocation(dst, x.head.host, l.value), "\r\n"...)
		case fieldSetCookie:
			dst = r.appendSetCookie(dst, l)
		case fieldServiceWorkerAllowed:
			// It would let one app's worker reach beyond its own path.
		case fieldOther:
			dst = a.appendOther(dst, l)
		case fieldAccessControl:
			if !dropCORS {
				dst = l.appendTo(dst)
			}
		default:
			if !l.field.hopByHop() {
				dst = l.appendTo(dst)
			}
		}
	}
	dst = x.head.confineWorker(dst)
	switch {
	case a.status == 101:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	case a.status >= 200 && x.closing:
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// framed reports an answer that may say how long its body is. With 1xx and 204
// it may not (RFC 9110 section 8.6, RFC 9112 section 6.1): a proxy before us
// that believed it would take the next answer for the body.
func (a *answerHead) framed() bool { return a.status >= 200 && a.status != 204 }

// allowedOrigin returns the value of Access-Control-Allow-Origin. Shiny
// Server reflects any origin there, with credentials allowed.
func (a *answerHead) allowedOrigin() []byte {
	for i := range a.lines {
		if a.lines[i].field == fieldAccessControl && equalFold(a.lines[i].name, "access-control-allow-origin") {
			return a.lines[i].value
		}
	}
	return nil
}

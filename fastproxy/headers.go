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
	case fieldAuthorization:
		return !dropAuthorization
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
		case l.field == fieldCookie:
			dst = appendCookieLine(dst, l)
		case passes(l, r.usedAuthorization) && !named(h, l.name):
			dst = appendLine(dst, l.name, l.value)
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

// named reports whether the Connection field names a header as one of this
// connection only. What Shiny must know to answer rightly is not given up.
func named(h *head, name []byte) bool {
	if len(name) > 64 {
		return false
	}
	var low [64]byte
	for i, c := range name {
		low[i] = lower(c)
	}
	for i := range h.lines {
		if h.lines[i].field == fieldConnection && hasToken(h.lines[i].value, string(low[:len(name)])) {
			return true
		}
	}
	return false
}

func appendLine(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendCookieLine copies a Cookie line without our own cookies; the others
// keep their bytes, quotes and order. Nothing left: no line.
func appendCookieLine(dst []byte, l *line) []byte {
	start := len(dst)
	dst = append(dst, l.name...)
	dst = append(dst, ": "...)
	kept := false
	for rest := l.value; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{';'})
		pair = bytes.Trim(pair, " \t")
		name, _, _ := bytes.Cut(pair, []byte{'='})
		if len(pair) == 0 || ownCookie(name) {
			continue
		}
		if kept {
			dst = append(dst, "; "...)
		}
		dst = append(dst, pair...)
		kept = true
	}
	if !kept {
		return dst[:start]
	}
	return append(dst, "\r\n"...)
}

// ownCookie reports a cookie name that only fastproxy may use, with or
// without a prefix of RFC 6265bis, whatever its case.
func ownCookie(name []byte) bool {
	name = bytes.Trim(name, " \t")
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
		switch l.field {
		case fieldContentLength:
			// Old httpuv sends "Content-Length: 0" with its 101 (httpuv#303).
			if a.status >= 200 {
				dst = appendLine(dst, l.name, l.value)
			}
		case fieldTransferEncoding:
			if x.head.minor == 1 {
				dst = appendLine(dst, l.name, l.value)
			}
		case fieldUpgrade:
			if a.status == 101 {
				dst = appendLine(dst, l.name, l.value)
			}
		case fieldLocation:
			dst = append(append(dst, l.name...), ": "...)
			dst = append(r.appendLocation(dst, x.head.host, l.value), "\r\n"...)
		case fieldSetCookie:
			dst = r.appendSetCookie(dst, l)
		case fieldServiceWorkerAllowed:
			// It would let one app's worker reach beyond its own path.
		case fieldAccessControl:
			if !dropCORS {
				dst = appendLine(dst, l.name, l.value)
			}
		default:
			if !l.field.hopByHop() {
				dst = appendLine(dst, l.name, l.value)
			}
		}
	}
	switch {
	case a.status == 101:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	case a.status >= 200 && x.closing:
		dst = append(dst, "Connection: close\r\n"...)
	}
	return append(dst, "\r\n"...)
}

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

// appendLocation moves a Location of the backend to the mount: an absolute
// path, or a URL of the backend's own host or of the Host it was sent. What
// is under the mount already, relative, or elsewhere stays as it is.
func (r *route) appendLocation(dst, host, v []byte) []byte {
	path := v
	if rest, ok := cutPrefixFold(v, "http://"); ok {
		i := bytes.IndexByte(rest, '/')
		if i < 0 || !bytes.EqualFold(rest[:i], host) && !equalFold(rest[:i], r.backend.Addr()) {
			return append(dst, v...)
		}
		path = rest[i:]
	}
	if len(path) == 0 || path[0] != '/' || bytes.HasPrefix(path, []byte("//")) {
		return append(dst, v...)
	}
	if bytes.HasPrefix(path, []byte(r.mountPath)) {
		return append(dst, path...)
	}
	rest, ok := bytes.CutPrefix(path, []byte(r.upstreamPath))
	if !ok {
		return append(dst, v...)
	}
	return append(append(dst, r.mountPath...), rest...)
}

// appendSetCookie copies a Set-Cookie line of the backend with its Path moved
// to the mount. Path=/ stays (Shiny Server Pro shares its cookie between
// mounts), and so does a __Host- cookie, which has no other. One with a name
// of ours is dropped.
func (r *route) appendSetCookie(dst []byte, l *line) []byte {
	pair, attributes, _ := bytes.Cut(l.value, []byte{';'})
	name, _, _ := bytes.Cut(pair, []byte{'='})
	if ownCookie(name) {
		return dst
	}
	if _, host := cutPrefixFold(bytes.Trim(name, " \t"), "__host-"); host {
		return appendLine(dst, l.name, l.value)
	}
	dst = append(append(append(dst, l.name...), ": "...), pair...)
	for len(attributes) > 0 {
		var a []byte
		a, attributes, _ = bytes.Cut(attributes, []byte{';'})
		dst = append(dst, ';')
		key, value, _ := bytes.Cut(a, []byte{'='})
		value = bytes.Trim(value, " \t")
		if !equalFold(bytes.Trim(key, " \t"), "path") || len(value) < 2 || value[0] != '/' {
			dst = append(dst, a...)
			continue
		}
		dst = append(append(dst, key...), '=')
		dst = r.appendLocation(dst, nil, value)
	}
	return append(dst, "\r\n"...)
}

package fastproxy

import (
	"bytes"
	"net/netip"

	"fastproxy/fastproxy/gate"
)

// credentials collects what the request brings to prove who sent it. All
// bytes stay the head's.
func (s *snapshot) credentials(x *exchange) gate.Request {
	req := gate.Request{Now: x.start}
	if s.bearer {
		if req.Bearer, req.HasBearer = x.head.bearer(); req.HasBearer {
			return req
		}
	}
	var seen [4]bool
	x.head.eachCookie(func(name, value []byte) {
		i := s.sessionPart(name)
		if i < 0 {
			return
		}
		req.CookieConflict = req.CookieConflict || seen[i]
		seen[i] = true
		req.Cookies[i] = value
	})
	for req.NumCookies < len(seen) && seen[req.NumCookies] {
		req.NumCookies++
	}
	return req
}

// bearer returns the token of "Authorization: Bearer" (RFC 6750 section 2.1).
// Beside another Authorization line, or without a token, it is there and
// counts for nothing.
func (h *head) bearer() (token []byte, there bool) {
	n := 0
	for i := range h.lines {
		if h.lines[i].field != fieldAuthorization {
			continue
		}
		n++
		t, ok := cutPrefixFold(h.lines[i].value, "bearer")
		if ok && (len(t) == 0 || t[0] == ' ' || t[0] == '\t') {
			token, there = bytes.TrimLeft(t, " \t"), true
		}
	}
	if n > 1 {
		token = nil
	}
	return token, there
}

// sessionPart returns which part of the session a cookie of this name holds,
// or -1.
func (s *snapshot) sessionPart(name []byte) int {
	for i, n := range s.names.session {
		if string(name) == n {
			return i
		}
	}
	return -1
}

// eachCookie calls f with every cookie of the request (RFC 6265 section 5.4).
func (h *head) eachCookie(f func(name, value []byte)) {
	for i := range h.lines {
		if h.lines[i].field != fieldCookie {
			continue
		}
		for rest := h.lines[i].value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{';'})
			name, value, ok := bytes.Cut(bytes.Trim(pair, " \t"), []byte{'='})
			if ok {
				f(name, value)
			}
		}
	}
}

// cookie returns the value of the one cookie of that name; none, or two: nil.
func (h *head) cookie(want string) []byte {
	var found []byte
	n := 0
	h.eachCookie(func(name, value []byte) {
		if string(name) == want {
			found = value
			n++
		}
	})
	if n != 1 {
		return nil
	}
	return found
}

// isNavigation reports a browser that opens a page in a tab of its own: only
// that may be sent to sign in. Browsers that send no Sec-Fetch fields (or see
// no secure origin) are known by what they accept.
func (h *head) isNavigation() bool {
	if string(h.method) != "GET" || h.upgrade {
		return false
	}
	if h.get(fieldSecFetchMode) != nil {
		return h.opensPage()
	}
	return h.acceptsHTML()
}

// opensPage reports a request whose answer will be what a window shows, as
// browsers say that tell.
func (h *head) opensPage() bool {
	return equalFold(h.get(fieldSecFetchMode), "navigate") && equalFold(h.get(fieldSecFetchDest), "document")
}

// isGuess reports a page that the browser fetches before anybody has asked for
// it: "Sec-Purpose: prefetch;prerender", and what came before that field.
func (h *head) isGuess() bool {
	for i := range h.lines {
		switch l := &h.lines[i]; {
		case !equalFold(l.name, "sec-purpose") && !equalFold(l.name, "purpose") && !equalFold(l.name, "x-purpose") && !equalFold(l.name, "x-moz"):
		case len(l.value) >= 3 && equalFold(l.value[:3], "pre"): // prefetch, prerender, preview
			return true
		}
	}
	return false
}

// isFramed reports a page that opens inside another page.
func (h *head) isFramed() bool {
	if string(h.method) != "GET" || !equalFold(h.get(fieldSecFetchMode), "navigate") {
		return false
	}
	dest := h.get(fieldSecFetchDest)
	return equalFold(dest, "iframe") || equalFold(dest, "frame") || equalFold(dest, "embed") || equalFold(dest, "object")
}

func (h *head) acceptsHTML() bool {
	return bytes.Contains(bytes.ToLower(h.get(fieldAccept)), []byte("text/html"))
}

// wantsPage reports somebody who reads pages rather than JSON.
func (h *head) wantsPage() bool {
	if mode := h.get(fieldSecFetchMode); mode != nil {
		return equalFold(mode, "navigate")
	}
	return h.acceptsHTML() && !h.upgrade
}

// cutLast takes the last item off a comma list.
func cutLast(list []byte) (rest, item []byte) {
	i := bytes.LastIndexByte(list, ',')
	return list[:max(i, 0)], bytes.Trim(list[i+1:], " \t")
}

// parseForwarded reads an address as proxies write it: bare, with a port, or
// IPv6 in brackets.
func parseForwarded(item []byte) (netip.Addr, bool) {
	if len(item) > 64 {
		return netip.Addr{}, false
	}
	text := string(item)
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
		if a, err := netip.ParseAddr(text[1 : n-1]); err == nil {
			return a.Unmap().WithZone(""), true
		}
	}
	return netip.Addr{}, false
}

package fastproxy

import "bytes"

// An app shares its origin with other apps and with our own pages, and some
// fields of an answer speak for all of it.

// appendOther copies a line of an answer that is no other function's matter,
// unless it reaches beyond the app that says it.
func (a *answerHead) appendOther(dst []byte, l *line) []byte {
	switch n := l.name; len(n) {
	case len("nel"), len("report-to"), len("alt-svc"), len("clear-site-data"):
		// The browser would tell a stranger every address that is visited here (W3C
		// Network Error Logging), ask another server for all of them (RFC 7838), or
		// forget everybody's cookies.
		if equalFold(n, "nel") || equalFold(n, "report-to") || equalFold(n, "alt-svc") || equalFold(n, "clear-site-data") {
			return dst
		}
	case len("x-sendfile"), len("x-accel-redirect"):
		// A proxy in front of us would answer with a file or an address of its own.
		if equalFold(n, "x-sendfile") || equalFold(n, "x-accel-redirect") {
			return dst
		}
	case len("cross-origin-opener-policy"):
		if equalFold(n, "cross-origin-opener-policy") {
			return a.appendOpenerPolicy(dst, l)
		}
	}
	return l.appendTo(dst)
}

// appendOpenerPolicy copies an app's Cross-Origin-Opener-Policy, unless it is
// that of our own pages: browsers part a window from who opened it only where
// the two differ, and an app could read what is typed on the sign-in page. The
// policy that it becomes parts the app from other sites all the same. With an
// embedder policy that isolates it is another policy already (HTML, section
// "Cross-origin opener policies").
func (a *answerHead) appendOpenerPolicy(dst []byte, l *line) []byte {
	policy, more, found := bytes.Cut(l.value, []byte{';'})
	if string(bytes.TrimSpace(policy)) != "same-origin" || a.isolates() {
		return l.appendTo(dst)
	}
	dst = append(append(dst, l.name...), ": same-origin-allow-popups"...)
	if found {
		dst = append(append(dst, ';'), more...)
	}
	return append(dst, "\r\n"...)
}

// isolates reports an embedder policy that every browser reads as one.
func (a *answerHead) isolates() bool {
	n, good := 0, 0
	for i := range a.lines {
		if equalFold(a.lines[i].name, "cross-origin-embedder-policy") {
			n++
			if v := string(a.lines[i].value); v == "require-corp" || v == "credentialless" {
				good++
			}
		}
	}
	return n == 1 && good == 1
}

// confineWorker keeps a service worker whose script lies beside our own pages
// from becoming theirs: under a mount at "/" its scope would be everything
// (Service Workers, section "Service-Worker-Allowed").
func (h *head) confineWorker(dst []byte) []byte {
	if bytes.LastIndexByte(h.path(), '/') != 0 {
		return dst
	}
	for i := range h.lines {
		if equalFold(h.lines[i].name, "service-worker") {
			return append(dst, "Service-Worker-Allowed: /.fastproxy/none/\r\n"...)
		}
	}
	return dst
}

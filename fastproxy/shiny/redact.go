package shiny

import "bytes"

// tokenLen is the length of Shiny's session token, in hex digits. Whoever
// knows one can fetch that session's downloads.
const tokenLen = 32

const cut = "…"

// RedactPath appends path as it may be written to a log and returns the
// longer dst. Cut to "…" are: every run of 31 or more hex digits (Shiny's
// session tokens; a percent-encoded digit counts as the digit), the robust
// ids and tokens of n=, o= and t= after __sockjs__, and the SockJS session
// id, all of which let their reader join or feed the session. A query or a
// fragment is dropped.
func RedactPath(dst, path []byte) []byte {
	path, _, _ = bytes.Cut(path, []byte{'?'})
	path, _, _ = bytes.Cut(path, []byte{'#'})
	inSockJS, place := false, 0 // place counts the segments after the parameters
	for rest := path; len(rest) > 0; {
		if rest[0] == '/' {
			dst = append(dst, '/')
		}
		var seg []byte
		seg, rest = cutSegment(rest)
		switch {
		case bytes.Equal(seg, segSockJS):
			inSockJS, place = true, 0
			dst = append(dst, seg...)
		case inSockJS && place == 0 && isParameter(seg):
			dst = appendParameter(dst, seg)
		case inSockJS && place == 1 && len(seg) > 0:
			place++
			dst = append(dst, cut...)
		default:
			place++
			dst = appendWithoutTokens(dst, seg)
		}
	}
	return dst
}

func appendParameter(dst, seg []byte) []byte {
	switch seg[0] {
	case 'n', 'o', 't':
		dst = append(dst, seg[:2]...)
		return append(dst, cut...)
	}
	return appendWithoutTokens(dst, seg)
}

func appendWithoutTokens(dst, seg []byte) []byte {
	for len(seg) > 0 {
		digits, width := hexRun(seg)
		switch {
		case digits >= tokenLen-1: // "%30…" shows one digit more than it is
			dst = append(dst, cut...)
		case digits > 0:
			dst = append(dst, seg[:width]...)
		default:
			width = 1
			dst = append(dst, seg[0])
		}
		seg = seg[width:]
	}
	return dst
}

// hexRun counts the hex digits that p begins with, plain or percent-encoded,
// and the bytes they take.
func hexRun(p []byte) (digits, width int) {
	for width < len(p) {
		switch {
		case isHex(p[width]):
			width++
		case p[width] == '%' && width+2 < len(p) && isHex(p[width+1]) && isHex(p[width+2]) &&
			isHex(unhex(p[width+1])<<4|unhex(p[width+2])):
			width += 3
		default:
			return digits, width
		}
		digits++
	}
	return digits, width
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// unhex is the value of a hex digit.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

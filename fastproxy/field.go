package fastproxy

import "bytes"

// field names the header fields that the front door itself reads or drops.
type field uint8

const (
	fieldOther field = iota
	fieldHost
	fieldConnection
	fieldUpgrade
	fieldContentLength
	fieldTransferEncoding
	fieldTE
	fieldTrailer
	fieldExpect
	fieldKeepAlive
	fieldProxyConnection
	fieldProxyAuthenticate
	fieldProxyAuthorization
	fieldCookie
	fieldSetCookie
	fieldAuthorization
	fieldOrigin
	fieldSecFetchMode
	fieldSecFetchDest
	fieldSecFetchSite
	fieldSecFetchUser
	fieldAccept
	fieldContentType
	fieldLocation
	fieldReferer
	fieldUserAgent
	fieldXForwardedFor
	fieldOtherTarget // X-Original-URL and X-Rewrite-URL: a target beside the target
	fieldServiceWorkerAllowed
	fieldAccessControl // any Access-Control-*
	fieldOrdinary      // one of the many that mean nothing here: it passes as it is
)

// longestField is the length of "upgrade-insecure-requests".
const longestField = 25

const accessControlPrefix = "access-control-"

// fieldOf finds the field of a name, whatever its case; false: the name is no
// token (RFC 9110 section 5.6.2). It allocates nothing.
func fieldOf(name []byte) (field, bool) {
	var low [longestField]byte
	for i, c := range name {
		c = tokenBytes[c]
		if c == 0 {
			return fieldOther, false
		}
		if i < longestField {
			low[i] = c
		}
	}
	if len(name) > longestField {
		return otherField(low[:]), len(name) > 0
	}
	return fieldNamed(low[:len(name)]), len(name) > 0
}

// fieldNamed is a switch because that takes a third of a map's time.
func fieldNamed(low []byte) field {
	switch string(low) {
	case "host":
		return fieldHost
	case "connection":
		return fieldConnection
	case "upgrade":
		return fieldUpgrade
	case "content-length":
		return fieldContentLength
	case "transfer-encoding":
		return fieldTransferEncoding
	case "te":
		return fieldTE
	case "trailer":
		return fieldTrailer
	case "expect":
		return fieldExpect
	case "keep-alive":
		return fieldKeepAlive
	case "proxy-connection":
		return fieldProxyConnection
	case "proxy-authenticate":
		return fieldProxyAuthenticate
	case "proxy-authorization":
		return fieldProxyAuthorization
	case "cookie":
		return fieldCookie
	case "set-cookie":
		return fieldSetCookie
	case "authorization":
		return fieldAuthorization
	case "origin":
		return fieldOrigin
	case "sec-fetch-mode":
		return fieldSecFetchMode
	case "sec-fetch-dest":
		return fieldSecFetchDest
	case "sec-fetch-site":
		return fieldSecFetchSite
	case "sec-fetch-user":
		return fieldSecFetchUser
	case "accept":
		return fieldAccept
	case "content-type":
		return fieldContentType
	case "location":
		return fieldLocation
	case "referer":
		return fieldReferer
	case "user-agent":
		return fieldUserAgent
	case "x-forwarded-for":
		return fieldXForwardedFor
	case "x-original-url", "x-rewrite-url":
		return fieldOtherTarget
	case "service-worker-allowed":
		return fieldServiceWorkerAllowed
	case "accept-encoding", "accept-language", "cache-control", "if-none-match", "if-modified-since", "range", "pragma", "priority",
		"sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "upgrade-insecure-requests", "x-requested-with", "dnt",
		"date", "etag", "last-modified", "server", "vary", "content-encoding", "expires":
		return fieldOrdinary
	}
	return otherField(low)
}

func otherField(low []byte) field {
	if len(low) > len(accessControlPrefix) && string(low[:len(accessControlPrefix)]) == accessControlPrefix {
		return fieldAccessControl
	}
	return fieldOther
}

// hopByHop reports fields that belong to one connection only (RFC 9110
// section 7.6.1) or to one message framing; they are never copied to the
// other side, where we write our own.
func (f field) hopByHop() bool {
	switch f {
	case fieldConnection, fieldUpgrade, fieldKeepAlive, fieldTE, fieldTrailer, fieldTransferEncoding,
		fieldContentLength, fieldProxyConnection, fieldProxyAuthenticate, fieldProxyAuthorization:
		return true
	}
	return false
}

// tokenBytes holds the bytes of tokens (RFC 9110 section 5.6.2), in lower case;
// 0 for all others.
var tokenBytes = func() (t [256]byte) {
	for c := 0; c < 128; c++ {
		if isAlnum(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0 {
			t[c] = lower(byte(c))
		}
	}
	return t
}()

// trimSpace cuts optional white space (RFC 9110 section 5.6.3) off both ends.
// Unlike bytes.Trim it never makes nil, which stands for no value at all.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares with a lower-case ASCII word. Unlike bytes.EqualFold it
// folds ASCII only: U+212A is not a k here.
func equalFold(b []byte, low string) bool {
	if len(b) != len(low) {
		return false
	}
	for i := range b {
		if lower(b[i]) != low[i] {
			return false
		}
	}
	return true
}

// sameFold compares two texts without regard to the case of ASCII letters.
func sameFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func cutPrefixFold(b []byte, low string) (rest []byte, ok bool) {
	if len(b) < len(low) || !equalFold(b[:len(low)], low) {
		return b, false
	}
	return b[len(low):], true
}

// hasToken reports whether a comma list holds a word.
func hasToken(list []byte, low string) bool {
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte{','})
		if equalFold(bytes.Trim(item, " \t"), low) {
			return true
		}
		list = rest
	}
	return false
}

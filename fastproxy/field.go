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
)

var fieldNames = map[string]field{
	"host": fieldHost, "connection": fieldConnection, "upgrade": fieldUpgrade,
	"content-length": fieldContentLength, "transfer-encoding": fieldTransferEncoding,
	"te": fieldTE, "trailer": fieldTrailer, "expect": fieldExpect,
	"keep-alive": fieldKeepAlive, "proxy-connection": fieldProxyConnection,
	"proxy-authenticate": fieldProxyAuthenticate, "proxy-authorization": fieldProxyAuthorization,
	"cookie": fieldCookie, "set-cookie": fieldSetCookie, "authorization": fieldAuthorization,
	"origin": fieldOrigin, "sec-fetch-mode": fieldSecFetchMode, "sec-fetch-dest": fieldSecFetchDest,
	"sec-fetch-site": fieldSecFetchSite, "sec-fetch-user": fieldSecFetchUser,
	"accept": fieldAccept, "content-type": fieldContentType, "location": fieldLocation, "referer": fieldReferer,
	"user-agent": fieldUserAgent, "x-forwarded-for": fieldXForwardedFor,
	"x-original-url": fieldOtherTarget, "x-rewrite-url": fieldOtherTarget,
	"service-worker-allowed": fieldServiceWorkerAllowed,
}

// longestField is the length of "service-worker-allowed".
const longestField = 22

const accessControlPrefix = "access-control-"

// fieldOf finds the field of a name, whatever its case, without allocating.
func fieldOf(name []byte) field {
	if len(name) > len(accessControlPrefix) && equalFold(name[:len(accessControlPrefix)], accessControlPrefix) {
		return fieldAccessControl
	}
	if len(name) > longestField {
		return fieldOther
	}
	var low [longestField]byte
	for i, c := range name {
		low[i] = lower(c)
	}
	return fieldNames[string(low[:len(name)])]
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

var tokenBytes = func() (t [256]bool) {
	for c := 0; c < 128; c++ {
		t[c] = isAlnum(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return t
}()

// isToken reports whether b is a token (RFC 9110 section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(b) > 0
}

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

package fastproxy

import (
	"bytes"
	"net/netip"
	"strconv"
)

// validHost accepts a registered name, an IPv4 address or a bracketed IPv6
// address, each with an optional port (RFC 3986 section 3.2, without userinfo).
func validHost(b []byte) bool {
	if len(b) > 255 {
		return false
	}
	if b[0] == '[' {
		i := bytes.IndexByte(b, ']')
		if i < 0 {
			return false
		}
		a, err := netip.ParseAddr(string(b[1:i]))
		return err == nil && a.Is6() && a.Zone() == "" && validPort(b[i+1:])
	}
	i := 0
	for i < len(b) && (isAlnum(b[i]) || b[i] == '.' || b[i] == '-' || b[i] == '_') {
		i++
	}
	return i > 0 && validPort(b[i:])
}

// validPort accepts nothing, or ":" and a number that a port can have.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > len(":65535") {
		return false
	}
	n, err := strconv.ParseUint(string(b[1:]), 10, 16)
	return err == nil && n > 0
}

package passwd

import "net/netip"

// addressKey is what counts as one address: an IPv4 address, the /64 of an
// IPv6 address (what one customer gets, RFC 6177), or, for what is neither (a
// Unix socket's peer), the text itself. A port does not count.
func addressKey(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return addr
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64) // fails for more than 128 bits only
	return p.String()
}

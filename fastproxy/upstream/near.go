package upstream

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// nearFor is how long the address that a name led to is believed.
const nearFor = time.Minute

// near is an address that answered.
type near struct {
	addr  netip.AddrPort
	until time.Time // zero: for ever
}

// Near returns the address to connect to, for those who cannot wait for names:
// the one that was dialled last and answered. False: it is not known, or its
// name has not been asked about for a minute; the next Get or Dial finds out.
func (b *Backend) Near() (netip.AddrPort, bool) {
	n := b.near.Load()
	if n == nil || !n.until.IsZero() && time.Now().After(n.until) {
		return netip.AddrPort{}, false
	}
	return n.addr, true
}

// Gone says that nobody answers at the address that Near told.
func (b *Backend) Gone() {
	if n := b.near.Load(); n != nil && !n.until.IsZero() {
		b.near.CompareAndSwap(n, nil)
	}
}

// remember notes where a dial led. What is no name needs no asking.
func (b *Backend) remember(nc net.Conn) {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || a.Zone != "" || b.near.Load() != nil && b.near.Load().until.IsZero() {
		return
	}
	at := a.AddrPort()
	b.near.Store(&near{netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), time.Now().Add(nearFor)})
}

// literal is the address that host and port are, or nil for a name.
func literal(host, port string) *near {
	addr, err := netip.ParseAddr(host)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || addr.Zone() != "" {
		return nil
	}
	return &near{addr: netip.AddrPortFrom(addr.Unmap(), uint16(n))}
}

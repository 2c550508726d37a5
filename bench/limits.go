package bench

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

const (
	// spareFiles are the descriptors beside the connections.
	spareFiles = 64
	// ourBytes and kernelBytes are what an idle connection costs here:
	// measured 0.3 KB of ours, and 3.85 KB of the kernel's for a TCP socket.
	ourBytes, kernelBytes = 400, 3940
	// tlsBytes is what TLS adds to it: measured 5.8 KB.
	tlsBytes = 6_000
)

// checkLimits says before any load what a run of n connections would run out
// of. For a loopback target it adds the source addresses that the ports ask
// for. The error is a *UsageError.
func checkLimits(n int, s *site) error {
	if limit, ok := fileLimit(); ok && uint64(n+spareFiles) > limit {
		return usage("%s connections need %s open files, this process may have %s: "+
			"raise the limit (ulimit -n %d), or share the load among several fastbench",
			thousands(int64(n)), thousands(int64(n+spareFiles)), thousands(int64(limit)), n+spareFiles)
	}
	if err := checkPorts(n, s); err != nil {
		return err
	}
	return checkMemory(n, s)
}

// checkPorts: a port may be used once for each pair of source and target
// address. A tenth of the range is left to others.
func checkPorts(n int, s *site) error {
	ports := localPorts() * 9 / 10
	if n <= ports*max(len(s.sources), 1) {
		return nil
	}
	if len(s.sources) == 0 && s.to.Addr().Is4() && s.to.Addr().IsLoopback() {
		a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		for len(s.sources)*ports < n {
			s.sources = append(s.sources, a)
			a = a.Next()
		}
		return nil
	}
	return usage("%s connections to one address need that many ports, and %s of them are there for each source address: "+
		"give %d source addresses of this machine (--source)",
		thousands(int64(n)), thousands(int64(ports)), (n+ports-1)/ports)
}

func checkMemory(n int, s *site) error {
	available, ok := memoryFigure("MemAvailable")
	each := int64(ourBytes + kernelBytes)
	if s.tls != nil {
		each += tlsBytes
	}
	if s.to.Addr().IsLoopback() {
		each += kernelBytes // the other end is here, too
	}
	if need := int64(n) * each; ok && need > available*9/10 {
		return usage("%s connections need about %s of memory, the kernel's part included; %s is available",
			thousands(int64(n)), size(float64(need)), size(float64(available)))
	}
	return nil
}

// warnings tell which targets may not open as many files as there will be
// connections. Each connection may take two, or be another's: it is no reason
// to refuse the run.
func (all processes) warnings(n int) (notes []string) {
	for _, p := range all {
		if limit, ok := filesAllowed(p.pid); ok && limit-p.use.FDsStart < n {
			notes = append(notes, fmt.Sprintf("Process %d (%s) may have %s files open; %s connections are more than that.",
				p.pid, p.use.Command, thousands(int64(limit)), thousands(int64(n))))
		}
	}
	return notes
}

// localPorts is how many ports the system has for outgoing connections.
func localPorts() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	var low, high int
	if n, _ := fmt.Sscan(string(text), &low, &high); err != nil || n != 2 {
		return 16384 // IANA's range: 49152 to 65535
	}
	return high - low + 1
}

// memoryFigure reads one line of /proc/meminfo, in bytes.
func memoryFigure(name string) (int64, bool) {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

//go:build linux

package loop

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func control(t *testing.T, fd int) string {
	t.Helper()
	name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(name, "\x00")
}

func TestNothingOnThisMachineIsPacedAndElseTheSystemsChoiceHolds(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		t.Fatal(err)
	}
	system := strings.TrimSpace(string(b))
	here := system
	if strings.HasPrefix(system, "bbr") {
		here = "reno"
	}
	door, at, err := Listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(door)
	if got := control(t, door); got != system {
		t.Errorf("a listener nobody spoke for has %q, want the system's %q", got, system)
	}
	Unpace(door)
	client, err := Connect(at, loopback.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(client)
	unix.Poll([]unix.PollFd{{Fd: int32(door), Events: unix.POLLIN}}, 10_000)
	accepted, _, err := Accept(door)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(accepted)
	for name, fd := range map[string]int{"connected": client, "accepted": accepted} {
		if got := control(t, fd); got != here {
			t.Errorf("%s: found %q, want %q where the system has %q", name, got, here, system)
		}
	}
}

//go:build linux

package fastproxy

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAShortageOfDescriptorsPasses: the limit falls to what is open already,
// so accepting fails, which nobody could foresee.
func TestAShortageOfDescriptorsPasses(t *testing.T) {
	p := startProcess(t, ":")
	socket := p.dial()
	socket.say(p.handshake(plainSocket, fromOurs))
	s := p.shiny.accept()
	s.head()
	s.say(switching)
	socket.want(switched)
	socket.say(hello)
	s.want(hello)

	pid := p.cmd.Process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	few := uint64(len(open) + 5)
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: few}, nil); err != nil {
		t.Skip(err)
	}
	var flood []net.Conn
	for range 50 { // the kernel accepts what the process cannot
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, c)
	}
	p.eventuallyLogged("new ones wait", "too many open files")
	socket.say(hello)
	s.want(hello)
	s.say(hello)
	socket.want(hello)

	for _, c := range flood {
		c.Close()
	}
	after := p.dial()
	after.say(p.request("GET /.fastproxy/session"))
	after.wantAnswer("200 OK")
	socket.say(hello)
	s.want(hello)
	p.eventuallyLogged("there is room", `"event.duration":`)
	if n := strings.Count(p.log.String(), "new ones wait"); n != 1 {
		t.Errorf("%d lines say so", n)
	}
}

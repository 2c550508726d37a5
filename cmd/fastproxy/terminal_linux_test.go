package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onTerminal starts it on a pseudo-terminal (pty(7)) of its own, and reads what
// it prints there.
func onTerminal(t *testing.T, dir string, env []string, args ...string) (r *running, master *os.File) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(err)
	must(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	must(err)
	master = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { master.Close() })
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(err)
	c := command(t, dir, env, args...)
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	r = start(t, c)
	must(slave.Close())
	go func() {
		var b [4096]byte
		for {
			n, err := master.Read(b[:])
			r.out.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	return r, master
}

func TestAPersonAtATerminalIsToldWhatIsUp(t *testing.T) {
	dir, env := house(t)
	env = append(env, "COOKIE_SECRET=somethingRandomHerePlease", "PUBLIC_URL=http://localhost:3000", "LISTEN=127.0.0.1:0")
	r, master := onTerminal(t, dir, env, "serve")
	r.find(`WARNING   COOKIE_SECRET`)
	out := strings.ReplaceAll(r.out.String(), "\r\n", "\n")
	for _, want := range []string{"\n  open      http://localhost:3000/  (listening on 127.0.0.1:", "\n  sign-in   flat file ", "\n  signed_in /reports/ -> http://localhost:3838/\n",
		"\n  closed    nobody may enter /admin/; to let somebody in, set ADMIN_USERS=", "\n  watch     http://127.0.0.1:"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, `{"`) || strings.Contains(out, "somethingRandom") {
		t.Errorf("that is not for people:\n%s", out)
	}
	// The window is closed: nothing goes on unseen.
	master.Close()
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without its terminal")
	}
	if status := r.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("it ended with status %d", status)
	}
}

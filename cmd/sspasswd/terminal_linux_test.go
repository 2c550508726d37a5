package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal (pty(7)) with sspasswd on it.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	seen   []byte
}

func onTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	must(t, err)
	master := os.NewFile(uintptr(fd), "ptmx")
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	must(t, slave.Close())
	must(t, master.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() {
		master.Close()
		cmd.Process.Kill()
	})
	return &terminal{t: t, master: master, cmd: cmd}
}

// await reads until the screen ends with text.
func (m *terminal) await(text string) {
	m.t.Helper()
	var b [100]byte
	for !strings.HasSuffix(string(m.seen), text) {
		n, err := m.master.Read(b[:])
		m.seen = append(m.seen, b[:n]...)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v; on the screen: %q", text, err, m.seen)
		}
	}
}

func (m *terminal) echoes() bool {
	var on bool
	raw, err := m.master.SyscallConn()
	must(m.t, err)
	must(m.t, raw.Control(func(fd uintptr) {
		termios, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		must(m.t, err)
		on = termios.Lflag&unix.ECHO != 0
	}))
	return on
}

// answer types a line at a prompt, once the echo is off, as people do.
func (m *terminal) answer(prompt, line string) {
	m.t.Helper()
	m.await(prompt)
	for began := time.Now(); m.echoes(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			m.t.Fatalf("at %q the echo stays on", prompt)
		}
	}
	_, err := m.master.WriteString(line)
	must(m.t, err)
}

// end waits for the exit status and returns all that was on the screen.
func (m *terminal) end(status int) string {
	m.t.Helper()
	var b [100]byte
	for { // EIO when sspasswd has closed its side
		n, err := m.master.Read(b[:])
		m.seen = append(m.seen, b[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			m.cmd.Process.Kill()
		}
		if err != nil {
			break
		}
	}
	m.cmd.Wait()
	if got := m.cmd.ProcessState.ExitCode(); got != status {
		m.t.Errorf("status %d, want %d; on the screen: %q", got, status, m.seen)
	}
	return string(m.seen)
}

func TestThePromptShowsNoPasswordAndAsksTwice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	m := onTerminal(t, "-c", file, "kim")
	m.answer("Password: ", "sécret\n")
	m.answer("Password again: ", "sécret\n")
	if got, want := m.end(0), "Password: \r\nPassword again: \r\nsspasswd: created "+file+" with user kim\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}

	m = onTerminal(t, "-v", file, "kim")
	m.answer("Password: ", "sécret\n")
	if got, want := m.end(0), "Password: \r\nsspasswd: the password is right\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}
}

func TestTwoDifferentPasswordsChangeNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, nil, 0o600))
	m := onTerminal(t, file, "kim")
	m.answer("Password: ", "one\n")
	m.answer("Password again: ", "two\n")
	if got, want := m.end(1), "Password: \r\nPassword again: \r\nsspasswd: the two passwords differ; nothing was changed\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}
	if got := read(t, file); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestNoPasswordAtThePromptChangesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	m := onTerminal(t, "-c", file, "kim")
	m.answer("Password: ", "\n")
	if got, want := m.end(1), "Password: \r\nsspasswd: found an empty password\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was made")
	}
}

func TestWhatIsKnownToFailIsToldBeforeThePrompt(t *testing.T) {
	dir := t.TempDir()
	m := onTerminal(t, dir+"/none", "kim")
	if got, want := m.end(1), "sspasswd: "+dir+"/none does not exist: -c creates it\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}
	m = onTerminal(t, "-c", dir, "kim")
	if got, want := m.end(1), "sspasswd: "+dir+" is no regular file\r\n"; got != want {
		t.Errorf("on the screen: %q, want %q", got, want)
	}
}

func TestCtrlCAtThePromptTurnsTheEchoOnAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	m := onTerminal(t, "-c", file, "kim")
	m.answer("Password: ", "half a pass\x03")
	if got := m.end(1); strings.Contains(got, "half") {
		t.Errorf("on the screen: %q", got)
	}
	if !m.echoes() {
		t.Error("the echo stays off")
	}
}

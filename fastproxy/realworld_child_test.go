//go:build linux

package fastproxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	patience  = 30 * time.Second // for another program to do what it must
	stopGrace = 10 * time.Second // between asking a program to end and ending it
)

// child is a program of the suite's: ended by its pid when its test is over,
// and by the kernel should the test binary itself die first.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser // closed to ask it to end, where that is its way; else nil
	log   *journal
	done  chan struct{} // closed when it has been waited for
	err   error         // its exit, once done
}

// start runs cmd, keeping what it prints. The child ends with t at the latest.
func start(t testing.TB, name string, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{name: name, cmd: cmd, log: &journal{}, done: make(chan struct{})}
	// The parent-death signal follows the OS thread that started the child; Go
	// ends a thread only when a locked goroutine on it ends, and none does here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if cmd.Stdout == nil {
		cmd.Stdout = c.log
	}
	cmd.Stderr = c.log
	cmd.WaitDelay = 2 * time.Second // a grandchild holding the pipe holds nobody up
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s (pid %d, %v) printed last:\n%s", name, cmd.Process.Pid, c.err, c.log.tail(60))
		}
	})
	return c
}

// stop asks the child to end, waits stopGrace, then ends it. Its exit error is
// the answer; stopping twice is harmless.
func (c *child) stop() error {
	if c.stdin != nil {
		c.stdin.Close()
	} else {
		c.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-c.done:
	case <-time.After(stopGrace):
		c.cmd.Process.Kill()
		<-c.done
	}
	return c.err
}

// awaitLine gives the first printed line that matches, or fails the test.
func (c *child) awaitLine(t testing.TB, pattern string) string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	var found string
	eventually(t, c.name+" to print "+pattern, func() error {
		for _, line := range strings.Split(c.log.String(), "\n") {
			if want.MatchString(line) {
				found = line
				return nil
			}
		}
		select {
		case <-c.done:
			t.Fatalf("%s ended (%v) before it printed %s:\n%s", c.name, c.err, pattern, c.log.tail(60))
		default:
		}
		return fmt.Errorf("not yet printed")
	})
	return found
}

// eventually calls try until it succeeds, or fails the test when patience ends.
func eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// journal is what a child printed so far. Safe for many goroutines.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) tail(n int) string {
	lines := strings.Split(strings.TrimRight(j.String(), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, line := range lines {
		if len(line) > 500 {
			lines[i] = line[:500] + "…"
		}
	}
	return strings.Join(lines, "\n")
}

// portsGiven counts what freePort gave out.
var portsGiven atomic.Int32

// freePort returns a port for a program that is about to start. It is none of
// those that the kernel gives to connections, and is given out once, so that
// nobody else has it by then.
func freePort(t testing.TB) int {
	t.Helper()
	const first, last = 21000, 30999
	for range last - first {
		port := first + (os.Getpid()*101+int(portsGiven.Add(1)))%(last-first+1)
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

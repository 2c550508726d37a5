package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// startLimit is how long a program may take until it answers, stopLimit how
// long to end once it was asked to.
const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second
)

// program is a program of a plan while it runs.
type program struct {
	name  string
	cmd   *exec.Cmd
	log   string        // the file its output goes to
	ended chan struct{} // closed once it has ended
}

// startProgram starts a service and waits until it answers. What it cannot
// start it has stopped again.
func startProgram(ctx context.Context, s *PlanService, ready, dir string, env []string) (*program, error) {
	p := &program{name: s.Name, log: filepath.Join(dir, s.Name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", s.Name, err)
	}
	defer log.Close()
	p.cmd = shell(s.Start, dir, append(env, s.Env...))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if conn, err := net.DialTimeout("tcp", ready, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("bench: start %s: somebody answers at %s already", s.Name, ready)
	}
	if err := startOn(p.cmd, s.Cores); err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", s.Name, err)
	}
	go p.wait()
	if err := p.awaitReady(ctx, ready); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// shell is a command for sh in a process group of its own, so that all of it
// can be stopped.
func shell(command, dir string, env []string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	ownGroup(cmd)
	return cmd
}

func (p *program) wait() {
	defer close(p.ended)
	p.cmd.Wait() // how it ended is of interest only while it should be there
}

func (p *program) awaitReady(ctx context.Context, address string) error {
	until := time.NewTimer(startLimit)
	defer until.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-again.C:
		case <-p.ended:
			return fmt.Errorf("bench: start %s: it ended at once (%v)%s", p.name, p.cmd.ProcessState, p.lastWords())
		case <-until.C:
			return fmt.Errorf("bench: start %s: nobody answers at %s after %v%s", p.name, address, startLimit, p.lastWords())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the program and whatever it started, and waits for it.
func (p *program) stop() {
	endGroup(p.cmd, false)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
	}
	endGroup(p.cmd, true) // whoever is left in the group
	<-p.ended
}

// lastWords is the end of what the program wrote.
func (p *program) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil || len(strings.TrimSpace(string(text))) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return ":\n" + strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// runCommand runs a command to its end and returns what it wrote.
func runCommand(ctx context.Context, command, dir string, env []string) (string, error) {
	cmd := shell(command, dir, env)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return out.String(), fmt.Errorf("%w\n%s", err, strings.TrimSpace(out.String()))
		}
		return out.String(), nil
	case <-ctx.Done():
		endGroup(cmd, true)
		return out.String(), errors.Join(ctx.Err(), <-ended)
	}
}

//go:build linux

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAProcessIsWatchedWithItsDescendants(t *testing.T) {
	// A shell whose child burns CPU; another child has ended before.
	cmd := exec.Command("/bin/sh", "-c", "(i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done); (while :; do :; done) & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer func() {
		for _, pid := range familyOf(cmd.Process.Pid) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}()
	all, err := watchProcesses(&Target{Pids: []int{cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	var cpu float64
	for deadline := time.Now().Add(20 * time.Second); cpu < 0.1 || all[0].use.Processes != 2; {
		if time.Now().After(deadline) {
			t.Fatalf("%.2f s of CPU in %d processes", cpu, all[0].use.Processes)
		}
		time.Sleep(10 * time.Millisecond)
		next := all.look(1)
		if next < cpu {
			t.Errorf("CPU went from %.2f back to %.2f", cpu, next)
		}
		cpu = next
	}
	if notes := all.warnings(1 << 30); len(notes) != 1 || !strings.Contains(notes[0], "(sh) may have") || all.warnings(1) != nil {
		t.Errorf("warnings %q, %q", notes, all.warnings(1))
	}
	u := all[0].use
	if u.PSSStart <= 0 || u.FDsStart < 3 || u.Command != "sh" || u.Error != "" || u.Series[len(u.Series)-1].PSS <= 0 {
		t.Errorf("%+v", u)
	}
}

func TestAPidFileIsReadAgainWhenItsProcessIsGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	start := func() *exec.Cmd {
		cmd := exec.Command("/bin/sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) { cmd.Process.Kill(); cmd.Wait() }
	first := start()
	all, err := watchProcesses(&Target{PidFiles: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	end(first)
	all.look(1)
	if u := all[0].use; !strings.HasSuffix(u.Error, "is gone") || len(u.Series) != 0 {
		t.Errorf("%+v", u)
	}
	second := start()
	defer end(second)
	all.look(2)
	if u := all[0].use; !strings.HasPrefix(u.Error, "restarted") || len(u.Series) != 1 || all[0].pid != second.Process.Pid {
		t.Errorf("%+v", u)
	}
	os.WriteFile(file, []byte("none"), 0o600)
	if _, err := watchProcesses(&Target{PidFiles: []string{file}}); err == nil || !strings.Contains(err.Error(), "want a process id") {
		t.Errorf("%v", err)
	}
}

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup puts a command into a process group of its own, which Ctrl-C does
// not reach, and has it end when this process is killed.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// endGroup asks everybody in the command's group to end, or ends them.
func endGroup(cmd *exec.Cmd, now bool) {
	signal := syscall.SIGTERM
	if now {
		signal = syscall.SIGKILL
	}
	syscall.Kill(-cmd.Process.Pid, signal) // ESRCH: it is gone
}

// startOn starts a command on the given cores; none: on any. The command
// inherits them from the thread that starts it.
func startOn(cmd *exec.Cmd, cores []int) error {
	if len(cores) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read the cores of this process: %w", err)
	}
	if err := pinThread(0, cores); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return cmd.Start()
}

// pinSelf keeps this process on the given cores until undo is called.
func pinSelf(cores []int) (undo func(), err error) {
	if len(cores) == 0 {
		return func() {}, nil
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &before); err != nil {
		return nil, fmt.Errorf("bench: read the cores of this process: %w", err)
	}
	undo = func() { eachThread(func(id int) error { return unix.SchedSetaffinity(id, &before) }) }
	if err := eachThread(func(id int) error { return pinThread(id, cores) }); err != nil {
		undo()
		return nil, fmt.Errorf("bench: %w", err)
	}
	return undo, nil
}

// eachThread visits the threads of this process, and those that came meanwhile
// from one not yet visited: twice, since each inherits from its parent.
func eachThread(visit func(id int) error) error {
	for range 2 {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, e := range entries {
			id, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			if err := visit(id); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}

func pinThread(id int, cores []int) error {
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	if err := unix.SchedSetaffinity(id, &set); err == unix.ESRCH {
		return err
	} else if err != nil {
		return fmt.Errorf("pin to cores %v: %w", cores, err)
	}
	return nil
}

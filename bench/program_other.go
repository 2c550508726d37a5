//go:build !linux

package bench

import (
	"errors"
	"os/exec"
)

var errCores = errors.New("cores can be chosen on Linux only")

func ownGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd, now bool) { cmd.Process.Kill() }

func startOn(cmd *exec.Cmd, cores []int) error {
	if len(cores) > 0 {
		return errCores
	}
	return cmd.Start()
}

func pinSelf(cores []int) (undo func(), err error) {
	if len(cores) > 0 {
		return nil, errCores
	}
	return func() {}, nil
}

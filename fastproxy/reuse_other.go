//go:build !linux

package fastproxy

import (
	"errors"
	"syscall"
)

// Others have the option too, and give all connections to one of the sockets,
// or to sockets of a group that Go does not make.
const systemSharesPorts = false

func sharePort(_, _ string, _ syscall.RawConn) error {
	return errors.New("this system does not share a port among processes evenly")
}

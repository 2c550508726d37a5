//go:build unix

package bench

import "golang.org/x/sys/unix"

// shutdownWrite ends our half of a connection.
func shutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

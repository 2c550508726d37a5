//go:build unix

package bench

import "golang.org/x/sys/unix"

// fileLimit is how many files this process may have open. Go has raised it to
// the hard limit when the process started.
func fileLimit() (uint64, bool) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return uint64(r.Cur), err == nil
}

//go:build !unix

package bench

import "runtime"

func fileLimit() (uint64, bool) { return 0, false }

func kernelRelease() string { return runtime.GOOS }

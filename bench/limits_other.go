//go:build !unix

package bench

func fileLimit() (uint64, bool) { return 0, false }

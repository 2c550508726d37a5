//go:build !linux

package relay

import "fastproxy/fastproxy/loop"

// NewOn returns what New does: this system has no event loops.
func NewOn(_ []*loop.Loop, o Options) *Relay { return New(o) }

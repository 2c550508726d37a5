//go:build !unix

package bench

import "net"

// stillIdle cannot be told here: no connection is kept.
func stillIdle(net.Conn) bool { return false }

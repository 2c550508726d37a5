//go:build !unix

package relay

import "net"

func newSource(conn net.Conn, pool *buffers) (source, error) {
	return newPlainSource(conn, pool), nil
}

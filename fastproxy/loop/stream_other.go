//go:build !linux

package loop

import (
	"net"
	"time"
)

// The calls of stream_linux.go.

func Peek(fd int, b []byte) (int, error)                        { return 0, errSystem }
func Discard(fd, n int) error                                   { return errSystem }
func ShutdownWrite(fd int) error                                { return errSystem }
func KeepAlive(fd int, idle, interval time.Duration, count int) {}
func NoDelay(fd int)                                            {}
func QuickAck(fd int)                                           {}
func BoundUnsent(fd, bytes int)                                 {}
func NetConn(fd int) (net.Conn, error)                          { return nil, errSystem }
func TakeFD(conn net.Conn) (fd int, err error)                  { return -1, errSystem }
func DuplicateFD(of any) (fd int, err error)                    { return -1, errSystem }

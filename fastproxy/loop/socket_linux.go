package loop

import (
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrAgain is what Read and Write say when there is nothing to read or no room
// to write: the handler will hear of it.
var ErrAgain error = syscall.EAGAIN

// Read reads from a non-blocking socket; io.EOF is its end. It skips Go's
// scheduler, which need not know of a call that cannot wait. With fewer bytes
// than room the socket is drained, and asking again would only answer ErrAgain.
func Read(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, no := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		switch {
		case no == unix.EINTR:
		case no == unix.EAGAIN:
			return 0, ErrAgain
		case no != 0:
			return 0, no
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// Write writes to a non-blocking socket, perhaps not all. It raises no SIGPIPE.
func Write(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, _, no := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case no == unix.EINTR:
		case no == unix.EAGAIN:
			return 0, ErrAgain
		case no != 0:
			return 0, no
		default:
			return int(n), nil
		}
	}
}

// Connect begins to connect a new non-blocking TCP socket. Once it is watched,
// Writable or Failed says that it is done, and SocketError how it went. From
// source unless that is the zero Addr; the port is the kernel's choice among
// those free towards this very address. TCP_NODELAY is on; towards this machine
// nothing is paced.
func Connect(to netip.AddrPort, source netip.Addr) (fd int, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() && !to.Addr().Is4In6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := connect(fd, to, source); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func connect(fd int, to netip.AddrPort, source netip.Addr) error {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if to.Addr().IsLoopback() {
		Unpace(fd)
	}
	if source.IsValid() {
		// Else bind would take a port for all destinations, of 28,232.
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0))); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	return nil
}

// Listen opens a non-blocking TCP listener; its port is the kernel's choice
// when at's is 0.
func Listen(at netip.AddrPort) (fd int, on netip.AddrPort, err error) {
	family := unix.AF_INET
	if at.Addr().Is6() && !at.Addr().Is4In6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, on, os.NewSyscallError("socket", err)
	}
	if on, err = listen(fd, at); err != nil {
		unix.Close(fd)
		return -1, on, err
	}
	return fd, on, nil
}

func listen(fd int, at netip.AddrPort) (on netip.AddrPort, err error) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	NoDelay(fd)
	if err := unix.Bind(fd, sockaddr(at)); err != nil {
		return on, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return on, os.NewSyscallError("listen", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return on, os.NewSyscallError("getsockname", err)
	}
	return addrPort(name), nil
}

// Accept takes one connection, non-blocking; ErrAgain when nobody waits. Other
// options it has of the listener.
func Accept(listener int) (fd int, peer netip.AddrPort, err error) {
	var name unix.RawSockaddrAny // unix.Accept4 would make two objects of it
	for {
		size := uint32(unsafe.Sizeof(name))
		n, _, no := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch no {
		case 0:
			return int(n), rawAddrPort(&name), nil
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return -1, peer, ErrAgain
		default:
			return -1, peer, os.NewSyscallError("accept4", no)
		}
	}
}

// rawAddrPort reads a name as the kernel writes it; zero for what is no IP
// address.
func rawAddrPort(name *unix.RawSockaddrAny) netip.AddrPort {
	switch name.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), bigEndian(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr), bigEndian(in.Port))
	}
	return netip.AddrPort{}
}

// bigEndian reads a port that stands in network order.
func bigEndian(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return binary.BigEndian.Uint16(b[:])
}

// SocketError takes the error that a socket has, such as that of its
// connecting; nil when it has none.
func SocketError(fd int) error {
	no, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case no != 0:
		return syscall.Errno(no)
	}
	return nil
}

// ResetOnClose makes Close drop what was not sent and send a reset: no
// TIME_WAIT stays, and so no port is taken for a minute.
func ResetOnClose(fd int) error {
	return os.NewSyscallError("setsockopt",
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
}

// CloseFD closes a descriptor that no loop watches.
func CloseFD(fd int) { unix.Close(fd) }

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	ip := a.Addr()
	if ip.Is4() || ip.Is4In6() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
}

func addrPort(name unix.Sockaddr) netip.AddrPort {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
	}
	return netip.AddrPort{}
}

package relay

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestJoinAsksTheKernelWhetherAnybodyIsThere(t *testing.T) {
	r := New(Options{KeepAlive: 30 * time.Second})
	farClient, client := connect(t, "tcp")
	farBackend, backend := connect(t, "tcp")
	defer farClient.Close()
	defer farBackend.Close()
	done := make(chan Stats, 1)
	tunnel, err := r.Join(Leg{Conn: client}, Leg{Conn: backend}, func(s Stats) { done <- s })
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{client, backend} {
		for option, want := range map[int]int{unix.TCP_KEEPIDLE: 30, unix.TCP_KEEPINTVL: 10, unix.TCP_KEEPCNT: 4} {
			if got := socketOption(t, conn, option); got != want {
				t.Errorf("TCP option %d is %d, want %d", option, got, want)
			}
		}
	}
	farClient.Close()
	farBackend.Close()
	tunnel.Close(Farewell{})
	<-done
}

func TestJoinLiftsTheDeadlinesOfTheHead(t *testing.T) {
	farClient, client := connect(t, "tcp")
	farBackend, backend := connect(t, "tcp")
	client.SetDeadline(time.Unix(1, 0))
	backend.SetDeadline(time.Unix(1, 0))
	done := make(chan Stats, 1)
	tunnel, err := New(Options{}).Join(Leg{Conn: client}, Leg{Conn: backend}, func(s Stats) { done <- s })
	if err != nil {
		t.Fatal(err)
	}
	tunnel.Start()
	farClient.Write([]byte("in time"))
	got := make([]byte, 7)
	if _, err := farBackend.Read(got); err != nil || string(got) != "in time" {
		t.Errorf("read %q (%v)", got, err)
	}
	farClient.Close()
	farBackend.Close()
	<-done
}

func socketOption(t *testing.T, conn net.Conn, option int) (value int) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		value, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

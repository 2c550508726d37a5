//go:build linux

package loop

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWait is why the ways to wait are what they are: an echo on a loop,
// pinned to core 0, and a second process on core 1 that sends 64 bytes over
// 1,000 connections in turn. Run it alone:
//
//	go test -run '^$' -bench Wait -benchtime 1x -count 5 ./fastproxy/loop
//
// "4000" is 4,000 messages a second, every one a wake-up; "max" all
// connections at once; "logins" is 4,000 with one goroutine that hashes 16 MiB
// at a time in the same process, as a password check does, on the same core.
//
// Found in seven runs, two cores shared with much else, least and most:
//
//	        CPU µs a message          median latency µs
//	        nested       raw          nested         raw
//	4000    17.8 - 32.6  15.9 - 37.5   113 - 3,915    107 - 7,313
//	max     3.77 - 4.38  3.99 - 4.81
//	logins                            2,986 - 3,937  614 - 1,788
//
// Tried too, and left out: raw for a millisecond and parked after that. At
// 4000 it cost 23.6 to 47.4 µs: Go's poller is woken in vain for every event
// that the raw wait takes. With a blocking call in place of the parking it was
// 36.9 to 45.0 µs, beside 24.4 to 29.9 nested.
func BenchmarkWait(b *testing.B) {
	for _, load := range []string{"4000", "max", "logins"} {
		for _, how := range []string{"nested", "raw"} {
			b.Run(load+"/"+how, func(b *testing.B) { benchmarkWait(b, load, how) })
		}
	}
}

func benchmarkWait(b *testing.B, load, how string) {
	l := open(b, waits[how])
	door, at, err := Listen(loopback)
	if err != nil {
		b.Fatal(err)
	}
	l.Watch(door, &echoDoor{l})
	pin(b, 0)
	defer unpin(b)
	defer start(b, l)()
	if load == "logins" {
		ctx, cancel := context.WithCancel(b.Context())
		var hashing sync.WaitGroup
		defer hashing.Wait()
		defer cancel()
		hashing.Go(func() { hashUntil(ctx) })
	}
	for b.Loop() {
		out := runSender(b, at, load)
		b.ReportMetric(out.cpu/out.messages*1e6, "cpu-µs/msg")
		b.ReportMetric(out.messages/out.seconds, "msg/s")
		b.ReportMetric(out.p50, "p50-µs")
		b.ReportMetric(out.p99, "p99-µs")
		b.ReportMetric(0, "ns/op")
	}
}

// echoDoor accepts, and says back what each connection says.
type echoDoor struct{ loop *Loop }

func (d *echoDoor) Handle(key Key, ev Events) {
	for ev != Stopped {
		fd, _, err := Accept(d.loop.FD(key))
		if err != nil {
			return
		}
		d.loop.Watch(fd, (*echoConn)(d))
	}
}

type echoConn echoDoor

func (c *echoConn) Handle(key Key, ev Events) {
	if ev&Readable == 0 {
		return
	}
	n, err := Read(c.loop.FD(key), c.loop.Scratch())
	switch {
	case err == nil:
		Write(c.loop.FD(key), c.loop.Scratch()[:n])
	case err != ErrAgain:
		c.loop.Close(key)
	}
}

func hashUntil(ctx context.Context) {
	for ctx.Err() == nil {
		sha256.Sum256(make([]byte, 16<<20))
	}
}

type sent struct{ messages, seconds, cpu, p50, p99 float64 }

// runSender starts the second process and measures our CPU from its first
// line, when it begins to measure, to its second, which has the figures.
func runSender(b *testing.B, to netip.AddrPort, load string) sent {
	rate := strings.NewReplacer("max", "0", "logins", "4000").Replace(load)
	cmd := exec.Command("taskset", "-c", "1", os.Args[0], "-test.run", "^TestSendFromASecondProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "LOOP_SEND_TO="+to.String(), "LOOP_SEND_RATE="+rate)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	lines := bufio.NewScanner(out)
	var began float64
	var s sent
	for lines.Scan() {
		if lines.Text() == "begin" {
			began = cpuSeconds()
		}
		if n, _ := fmt.Sscanf(lines.Text(), "end %g %g %g %g", &s.messages, &s.seconds, &s.p50, &s.p99); n == 4 {
			s.cpu = cpuSeconds() - began
			io.Copy(io.Discard, out)
			return s
		}
	}
	b.Fatal("the second process said nothing")
	return s
}

func cpuSeconds() float64 {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// pin keeps every thread of this process on one core.
func pin(b *testing.B, core int) {
	var set unix.CPUSet
	set.Set(core)
	affinity(b, &set)
}

func unpin(b *testing.B) {
	var set unix.CPUSet
	for core := range 1024 {
		set.Set(core)
	}
	affinity(b, &set)
}

func affinity(b *testing.B, set *unix.CPUSet) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		b.Fatal(err)
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		unix.SchedSetaffinity(tid, set)
	}
}

// TestSendFromASecondProcess is the second process of BenchmarkWait.
func TestSendFromASecondProcess(t *testing.T) {
	to, err := netip.ParseAddrPort(os.Getenv("LOOP_SEND_TO"))
	if err != nil {
		t.Skip("is part of BenchmarkWait")
	}
	rate, _ := strconv.Atoi(os.Getenv("LOOP_SEND_RATE"))
	s := newSender(t, to, rate)
	on(t, s.loop, s.begin)
	<-s.done
	s.end()
	if len(s.latency) == 0 {
		t.Fatal("nothing came back")
	}
	slices.Sort(s.latency)
	at := func(q float64) float64 { return float64(s.latency[int(q*float64(len(s.latency)-1))]) / 1e3 }
	fmt.Printf("\nend %d %g %g %g\n", len(s.latency), s.took.Seconds(), at(0.5), at(0.99))
}

const (
	senders     = 1000
	sendWarmup  = 500 * time.Millisecond
	sendMeasure = 3 * time.Second
)

type sender struct {
	loop    *Loop
	end     func()
	keys    []Key
	due     []int64 // by connection
	slot    map[Key]int
	next    int
	alarm   *Alarm
	step    int64 // ns between messages; 0: all connections at once
	at      int64 // next message is due
	from    int64 // measuring began
	latency []int64
	took    time.Duration
	done    chan struct{}
}

func newSender(t *testing.T, to netip.AddrPort, rate int) *sender {
	s := &sender{loop: open(t, Nested), due: make([]int64, senders), slot: map[Key]int{}, done: make(chan struct{})}
	if rate > 0 {
		s.step = int64(time.Second) / int64(rate)
	}
	for i := range senders {
		fd, err := Connect(to, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		for ready := false; !ready; { // loopback: at once, or soon
			polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			n, _ := unix.Poll(polled, 1000)
			ready = n > 0
		}
		key, err := s.loop.Watch(fd, s)
		if err != nil {
			t.Fatal(err)
		}
		s.keys = append(s.keys, key)
		s.slot[key] = i
	}
	s.alarm = s.loop.NewAlarm(s.tick)
	s.end = start(t, s.loop)
	return s
}

func (s *sender) begin() {
	s.at = s.loop.Clock()
	s.from = s.at + int64(sendWarmup)
	s.loop.NewAlarm(func(int64) { fmt.Printf("\nbegin\n") }).Set(s.from)
	s.loop.NewAlarm(func(now int64) { s.took = time.Duration(now - s.from); close(s.done); s.alarm.Stop() }).Set(s.from + int64(sendMeasure))
	if s.step > 0 {
		s.alarm.Set(s.at)
		return
	}
	for i := range s.keys {
		s.send(i, s.loop.Clock())
	}
}

func (s *sender) tick(now int64) {
	for ; s.at <= now; s.at += s.step {
		s.send(s.next, s.at)
		s.next = (s.next + 1) % senders
	}
	s.alarm.Set(s.at)
}

func (s *sender) send(i int, due int64) {
	s.due[i] = due
	Write(s.loop.FD(s.keys[i]), s.loop.Scratch()[:64])
}

func (s *sender) Handle(key Key, ev Events) {
	if ev&Readable == 0 || s.took > 0 {
		return
	}
	if n, _ := Read(s.loop.FD(key), s.loop.Scratch()); n == 0 {
		return
	}
	now, i := s.loop.Clock(), s.slot[key]
	if s.due[i] >= s.from && s.from > 0 {
		s.latency = append(s.latency, now-s.due[i])
	}
	if s.step == 0 {
		s.send(i, now)
	}
}

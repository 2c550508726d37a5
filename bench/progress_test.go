package bench

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a writer that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	got chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.buf.Write(b)
	select {
	case l.got <- struct{}{}:
	default:
	}
	return n, err
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestProgressOnATerminalDrawsOneLineAnewAndLeavesItClean(t *testing.T) {
	out := &lines{got: make(chan struct{}, 1)}
	var live Live
	live.Planned.Store(9000)
	live.Open.Store(4500)
	live.SetPhase("opening")
	p := StartProgress(out, func() int { return 60 }, "hold", &live)
	<-out.got
	p.Stop()
	got := out.String()
	first, rest, _ := strings.Cut(strings.TrimPrefix(got, "\r\x1b[K"), "\r")
	if !strings.HasPrefix(first, "hold ██████████░░░░░░░░░░ 0:00 · opening · 4,500 open") {
		t.Errorf("the line is %q", first)
	}
	if n := len([]rune(first)); n > 59 {
		t.Errorf("the line is %d wide on a terminal of 60", n)
	}
	if !strings.HasSuffix("\r"+rest, "\r\x1b[K") {
		t.Errorf("it ends with %q, want a cleared line", rest)
	}
}

func TestProgressLineSaysWhatThereIs(t *testing.T) {
	var live Live
	live.Planned.Store(10)
	live.Open.Store(9)
	live.Failed.Store(1)
	live.Lost.Store(2)
	live.Duration.Store(int64(time.Minute))
	live.Measured.Store(int64(15 * time.Second))
	live.P99.Store(1234)
	live.SetPhase("measuring")
	p := &Progress{live: &live, began: time.Unix(0, 0)}
	got := p.line(time.Unix(20, 0), 4012)
	want := "0:20 (0:45 to go) · measuring · 9 open · 0 opening · 1 failed · 2 lost · 4,012 msg/s · p99 1.23 ms"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if live.share() != .25 {
		t.Errorf("share is %v, want a quarter of the measured time", live.share())
	}
}

func TestFiguresAreWrittenWithThreeDigitsAndAUnit(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{micros(0), "0 µs"}, {micros(8.234), "8.23 µs"}, {micros(999.6), "1.00 ms"}, {micros(9.9985), "10.0 µs"}, {micros(99.97), "100 µs"}, {micros(999600), "1.00 s"}, {micros(1234), "1.23 ms"}, {micros(3.2e6), "3.20 s"},
		{size(40), "40.0 B"}, {size(4713.4), "4,713 B"}, {size(18141), "18.1 kB"}, {size(174e6), "174 MB"}, {size(25.8e9), "25.8 GB"},
		{thousands(-1234567), "-1,234,567"}, {thousands(0), "0"}, {digits(59560), "59,560"}, {seconds(640), "10:40 min"}, {bar(.54, 4), "██▏░"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress shows a run while it is under way: on a terminal one line that is
// drawn anew several times a second, else a line every few seconds.
type Progress struct {
	out      io.Writer
	title    string
	live     *Live
	columns  func() int // of the terminal; nil where there is none
	interval time.Duration
	began    time.Time
	messages int64     // at the last line
	at       time.Time // of the last line
	notes    chan string
	stop     chan struct{}
	stopped  chan struct{}
}

// Where there is no terminal a line comes this often, and on one the line is
// drawn this often.
const (
	lineEvery = 5 * time.Second
	drawEvery = 200 * time.Millisecond
)

// StartProgress shows live on out until Stop is called. columns tells how wide
// the terminal is that out is, nil that it is none. title is a word or two.
func StartProgress(out io.Writer, columns func() int, title string, live *Live) *Progress {
	p := &Progress{
		out: out, title: title, live: live, columns: columns, interval: lineEvery,
		began: time.Now(), at: time.Now(), messages: live.Messages.Load(),
		notes: make(chan string), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if columns != nil {
		p.interval = drawEvery
	}
	go p.run()
	return p
}

// Note writes a line of its own, above the one that is drawn. Not after Stop.
func (p *Progress) Note(line string) { p.notes <- line }

// Stop ends the showing and leaves a clean line. It waits until nothing is
// written any more.
func (p *Progress) Stop() {
	close(p.stop)
	<-p.stopped
}

func (p *Progress) run() {
	defer close(p.stopped)
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	rate := 0.0
	for {
		select {
		case now := <-tick.C:
			// A rate needs a second of messages to mean something.
			if span := now.Sub(p.at); span >= time.Second {
				count := p.live.Messages.Load()
				rate = float64(max(0, count-p.messages)) / span.Seconds()
				p.messages, p.at = count, now
			}
			p.draw(now, rate)
		case line := <-p.notes:
			p.clear()
			fmt.Fprintln(p.out, line)
		case <-p.stop:
			p.clear()
			return
		}
	}
}

func (p *Progress) clear() {
	if p.columns != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *Progress) draw(now time.Time, rate float64) {
	if p.columns == nil {
		fmt.Fprintln(p.out, p.title+": "+p.line(now, rate))
		return
	}
	width := p.columns()
	line := p.title + " " + bar(p.live.share(), 20) + " " + p.line(now, rate)
	if letters := []rune(line); width > 1 && len(letters) >= width {
		line = string(letters[:width-1])
	}
	fmt.Fprint(p.out, "\r\x1b[K"+line)
}

// line is what there is to know, in a fixed order.
func (p *Progress) line(now time.Time, rate float64) string {
	l := p.live
	parts := []string{clock(now.Sub(p.began))}
	if left := l.left(); left > 0 {
		parts[0] += " (" + clock(left) + " to go)"
	}
	if phase := l.Phase(); phase != "" {
		parts = append(parts, phase)
	}
	parts = append(parts,
		thousands(l.Open.Load())+" open",
		thousands(l.Opening.Load())+" opening",
		thousands(l.Failed.Load())+" failed")
	if n := l.Lost.Load(); n > 0 {
		parts = append(parts, thousands(n)+" lost")
	}
	if n := l.Sessions.Load(); n > 0 {
		parts = append(parts, thousands(n)+" sessions done")
	}
	parts = append(parts, digits(rate)+" msg/s")
	if us := l.P99.Load(); us > 0 {
		parts = append(parts, "p99 "+micros(float64(us)))
	}
	return strings.Join(parts, " · ")
}

// share is how much of what is under way is done, 0 to 1: of the connections
// until the measured time begins, then of that.
func (l *Live) share() float64 {
	if of := l.Duration.Load(); of > 0 && l.Measured.Load() > 0 {
		return min(1, float64(l.Measured.Load())/float64(of))
	}
	if of := l.Planned.Load(); of > 0 {
		return min(1, float64(max(l.Open.Load(), l.Sessions.Load())+l.Failed.Load())/float64(of))
	}
	return 0
}

// left is how much of the measured time is to come, 0 before it began.
func (l *Live) left() time.Duration {
	of, over := l.Duration.Load(), l.Measured.Load()
	if of == 0 || over == 0 {
		return 0
	}
	return time.Duration(max(0, of-over))
}

// bar draws a share with cells and their eighths.
func bar(share float64, cells int) string {
	eighths := int(share * float64(cells) * 8)
	full, part := eighths/8, eighths%8
	b := strings.Repeat("█", full)
	if part > 0 {
		b += string([]rune(" ▏▎▍▌▋▊▉")[part])
		full++
	}
	return b + strings.Repeat("░", cells-full)
}

package bench

import (
	"context"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// pulse takes one point of the series each second, and samples the targets.
func (f *fleet) pulse(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.beat()
		case <-ctx.Done():
			return
		}
	}
}

// beat ends one second of the series.
func (f *fleet) beat() {
	at := f.elapsed().Seconds()
	p := Point{At: at, Failed: int(f.live.Failed.Load()), Lost: int(f.live.Lost.Load())}
	answers, handshakes := hdr.New(shortest, longest, digitsKept), hdr.New(shortest, longest, digitsKept)
	for _, cl := range f.clients {
		done := make(chan struct{})
		if !cl.loop.Post(func() {
			defer close(done)
			p.Messages += cl.second
			cl.second = 0
			takeSecond(answers, cl.answers)
			takeSecond(handshakes, cl.handshake)
		}) {
			return // the run is over
		}
		<-done
		p.Open += int(cl.open.Load())
		p.Opening += int(cl.opening.Load())
	}
	if answers.TotalCount() == 0 {
		answers = handshakes // while connections are opened, that is what takes time
	}
	if answers.TotalCount() > 0 {
		p.P50 = float64(answers.ValueAtQuantile(50)) / 1e3
		p.P99 = float64(answers.ValueAtQuantile(99)) / 1e3
	}
	f.live.P99.Store(int64(p.P99))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.series = append(f.series, p)
	f.processes.look(at)
	if from := f.measuring.Load(); from > 0 {
		f.live.Measured.Store(min(int64(f.elapsed())-from, f.live.Duration.Load()))
	}
}

func takeSecond(sum *hdr.Histogram, l *latency) {
	sum.Merge(l.second)
	l.second.Reset()
}

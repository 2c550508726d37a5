package bench

import (
	"math"

	// hdrhistogram: the original's own port; constant cost for each value, a
	// bounded relative error, no samples lost.
	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies from 100 ns to an hour are kept to three digits: 0.1 %.
const (
	shortest, longest = 100, int64(3600e9)
	digitsKept        = 3
)

// latency records one kind of latency, in ns: of the whole run and of the
// second that goes on. It is one loop's.
type latency struct{ all, second *hdr.Histogram }

func newLatency() *latency {
	return &latency{all: hdr.New(shortest, longest, digitsKept), second: hdr.New(shortest, longest, digitsKept)}
}

// record takes one value, which counts for the run only inside its measured
// time.
func (l *latency) record(ns int64, measured bool) {
	ns = min(max(ns, 0), longest)
	l.second.RecordValue(ns)
	if measured {
		l.all.RecordValue(ns)
	}
}

// percentilesOf reads a histogram of ns.
func percentilesOf(h *hdr.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	us := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e3 }
	p := Percentiles{
		Count: h.TotalCount(), Min: float64(h.Min()) / 1e3, Max: float64(h.Max()) / 1e3,
		Mean: h.Mean() / 1e3, StdDev: h.StdDev() / 1e3,
		P50: us(50), P90: us(90), P99: us(99), P999: us(99.9), P9999: us(99.99),
	}
	p.Histogram = barsOf(h)
	return p
}

// barsPerDecade is the step of a Percentiles' histogram.
const barsPerDecade = 20

func barsOf(h *hdr.Histogram) []Bar {
	var bars []Bar
	last := math.MinInt
	for _, b := range h.Distribution() {
		if b.Count == 0 {
			continue
		}
		middle := float64(b.From+b.To) / 2e3 // µs
		step := int(math.Floor(math.Log10(max(middle, 0.1)) * barsPerDecade))
		if step != last {
			last = step
			bars = append(bars, Bar{From: edge(step), To: edge(step + 1)})
		}
		bars[len(bars)-1].Count += b.Count
	}
	return bars
}

// edge is where a step begins, to four digits.
func edge(step int) float64 {
	exact := math.Pow(10, float64(step)/barsPerDecade)
	scale := math.Pow(10, 3-math.Floor(math.Log10(exact)))
	return math.Round(exact*scale) / scale
}

//go:build linux

package bench

import (
	"testing"
	"time"
)

// BenchmarkRoundTrip is what a round trip costs this client, the target being
// another process. The gate is 0.7 of HAProxy's CPU for one, which is two
// messages of 9 to 11 µs (0.7 of it: 12.6 µs). Found, on 2 cores with much
// else going on: max 4.5 to 5.2 µs, 8-flying 5.1, 4000-rate 18 to 43, where
// HAProxy has 80 because nearly every message wakes somebody up.
func BenchmarkRoundTrip(b *testing.B) {
	for name, o := range map[string]ChatOptions{
		"max":       {Rate: Max},
		"8-flying":  {Rate: Max, InFlight: 8},
		"4000-rate": {Rate: 4000},
	} {
		b.Run(name, func(b *testing.B) {
			o.Target, _ = newParrotProcess(b)
			o.N, o.Ramp, o.For, o.Warmup = 1000, Max, 3*time.Second, 500*time.Millisecond
			for b.Loop() {
				r, err := Chat(b.Context(), o, nil)
				if err != nil || r.Err() != nil {
					b.Fatal(err, r.Err())
				}
				b.ReportMetric(r.Client.CPUSeconds/float64(r.Counts.Answered)*1e6, "client-µs/rtt")
				b.ReportMetric(r.Derived["round_trips_per_second"], "rtt/s")
				b.ReportMetric(r.Latency["echo"].P99, "p99-µs")
				b.ReportMetric(r.Client.CPUShare, "share")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

// sampleResult is a made-up run in which everything is there.
func sampleResult() *Result {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &Result{
		Schema: SchemaVersion, Scenario: "hold", URL: "ws://127.0.0.1:3000/reports/app/websocket/",
		Started: time.Date(2026, 11, 21, 21, 30, 0, 0, time.UTC), Seconds: 78.4, Ended: "done",
		Machine:    Machine{CPU: "A Processor", Cores: 2, Memory: 24 << 30, Kernel: "6.18.44", Go: "go1.26.8"},
		Counts:     Counts{Planned: 9000, Opened: 8993, Failed: 7, Lost: 30, Reopened: 28, OpenAtEnd: 8991, Sent: 6000, Answered: 6000, BytesIn: 48000, BytesOut: 48000},
		Latency:    map[string]Percentiles{"handshake": samplePercentiles(rng, 850, .4), "ping": samplePercentiles(rng, 210, .25)},
		Failures:   []Failure{{"status 503", 5, "503 Service Unavailable <b>busy</b> & more"}, {"timeout", 2, "no answer to the upgrade within 30s"}},
		CloseCodes: map[string]int{"1001": 20, "eof": 10},
		Client:     ClientUse{CPUSeconds: 3.2, CPUShare: .31, BytesPerConnection: 612, Goroutines: 9},
		Derived:    map[string]float64{"bytes_per_connection": 18141, "connects_per_second": 498, "cpu_seconds_per_1000_connections": .212, "something_new": 3},
		Notes:      []string{"The target was restarted by the hook at 40 s."},
	}
	use := TargetUse{Pid: 4711, Command: "nginx", Processes: 2, CPUSeconds: 4.1, PSSStart: 9 << 20, PSSIdle: 172 << 20, PSSEnd: 174 << 20, FDsStart: 12, FDsEnd: 18003}
	for s := range 78 {
		at := float64(s + 1)
		open := min(9000, 500*(s+1))
		r.Series = append(r.Series, Point{At: at, Open: open, Opening: max(0, 40*min(1, 18-s)), Failed: min(7, s/3), Messages: 95 + rng.IntN(10), P50: 200 + 20*rng.Float64(), P99: 400 + 300*rng.Float64()})
		use.Series = append(use.Series, TargetPoint{At: at, PSS: 9<<20 + int64(open)*18141, CPUSeconds: .1*min(at, 18) + .01*at, FDs: 12 + 2*open})
	}
	r.Targets = []TargetUse{use}
	for id := range 4 {
		r.Sessions = append(r.Sessions, sampleSession(rng, id))
	}
	return r
}

func samplePercentiles(rng *rand.Rand, median, spread float64) Percentiles {
	p := Percentiles{Count: 9000, Min: median / 3, Mean: median * 1.1, StdDev: median / 4, P50: median, P90: median * 1.6, P99: median * 2.4, P999: median * 4, P9999: median * 7, Max: median * 9}
	counts := map[int]int64{}
	for range p.Count {
		counts[int(math.Round(40*math.Log10(median*math.Exp(spread*rng.NormFloat64()))))]++
	}
	for i := range 400 {
		if counts[i] > 0 {
			p.Histogram = append(p.Histogram, Bar{From: math.Pow(10, (float64(i)-.5)/40), To: math.Pow(10, (float64(i)+.5)/40), Count: counts[i]})
		}
	}
	return p
}

func sampleSession(rng *rand.Rand, id int) SessionTrace {
	s := SessionTrace{Session: id, Worker: id % 2, Iteration: id / 2, At: float64(id), Failed: id == 2}
	at := 0.0
	for i, kind := range []string{"REQ_HOME", "REQ_GET", "REQ_GET", "REQ_GET", "REQ_SINF", "REQ_TOK", "WS_OPEN", "WS_RECV", "WS_SEND", "WS_RECV_INIT", "REQ_POST", "WS_RECV", "WS_SEND", "WS_RECV", "WS_CLOSE"} {
		if kind == "WS_SEND" {
			at += 1.5
		}
		end := at + .01 + .3*rng.Float64()
		s.Events = append(s.Events, TraceEvent{Line: i + 4, Type: kind, Begin: at, End: end})
		at = end
	}
	return s
}

// sampleComparison is made up, too.
func sampleComparison() *Comparison {
	rng := rand.New(rand.NewPCG(3, 4))
	c := &Comparison{
		Schema: SchemaVersion, Plan: "fastproxy and its peers", About: "One core for the proxy, the other for load and backend.",
		Started: time.Date(2026, 11, 21, 21, 30, 0, 0, time.UTC), Seconds: 640, Rounds: 5, Ended: "done",
		Machine: Machine{CPU: "A Processor", Cores: 2, Memory: 24 << 30, Kernel: "6.18.44", Go: "go1.26.8"},
		Targets: []ComparedTarget{{"nginx", "no authentication", "nginx/1.22.1"}, {"fastproxy", "signed in by cookie", "fastproxy 1"}, {"haproxy", "no authentication", "HAProxy 2.6"}, {"go", "httputil.ReverseProxy", ""}},
		Scenarios: []ComparedScenario{
			{"hold", "hold", "9,000 WebSockets, idle", "bytes_per_connection", nil},
			{"chat", "chat", "1,000 WebSockets, 64 B, as fast as they come back", "cpu_us_per_message", nil},
			{"http-1k", "http", "GET 1 KiB, 64 connections", "cpu_us_per_request", nil},
		},
		Versions: []string{"fastbench at 1a2b3c4"},
	}
	c.Gates = []Gate{
		{Name: "GET 1 KiB, CPU per request, over nginx", Unit: "ratio", Measured: Spread{5, .72, .66, .81}, Gate: atMost(.85), Stretch: atMost(.7), Verdict: gateMet},
		{Name: "memory per tunnel", Unit: "bytes_per_connection", Measured: Spread{5, 701, 690, 733}, Stretch: atMost(600), Verdict: "stretch missed"},
		{Name: "bulk, CPU per GB, over nginx", Unit: "ratio", Measured: Spread{5, .6, .5, .7}, Gate: atMost(.55), Stretch: atMost(.44), Verdict: gateMissed},
		{Name: "decision remembered", Unit: "ns/op", Measured: Spread{5, 245, 240, 260}, Gate: atMost(1000), Stretch: atMost(300), Verdict: gateStretch},
	}
	base := map[string]float64{"hold": 18141, "chat": 8.23, "http-1k": 21.8}
	factor := map[string]float64{"nginx": 1, "fastproxy": .7, "haproxy": 1.1, "go": 2.6}
	for round := range c.Rounds {
		for _, s := range c.Scenarios {
			for _, t := range c.Targets {
				run := ComparedRun{Round: round + 1, Scenario: s.Name, Target: t.Name}
				if t.Name == "go" && s.Name == "hold" {
					run.Error = "3 failed (timeout: no answer to the upgrade within 30s)"
				} else {
					v := base[s.Name] * factor[t.Name] * (1 + .08*rng.NormFloat64())
					run.Result = &Result{Scenario: s.Kind, Derived: map[string]float64{s.Figure: v}, LowerBound: t.Name == "haproxy" && s.Name == "chat",
						Latency: map[string]Percentiles{"echo": samplePercentiles(rng, 130*factor[t.Name], .2)}}
					run.Result.Latency["echo"] = Percentiles{Count: 10, P50: 130 * factor[t.Name], P99: 300}
				}
				c.Runs = append(c.Runs, run)
			}
		}
	}
	return c
}

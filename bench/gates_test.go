package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func atMost(v float64) *float64 { return &v }

func TestGatesAreJudgedByTheMedianOfTheRatiosOfEachRound(t *testing.T) {
	c := &Comparison{
		Targets: []ComparedTarget{{Name: "theirs"}, {Name: "ours"}},
		Scenarios: []ComparedScenario{{Name: "chat", Kind: "chat", Figure: "cpu_us_per_message"},
			{Name: "many", Kind: "hold", Figure: "bytes_per_connection"}, {Name: "few", Kind: "hold", Figure: "bytes_per_connection"}},
	}
	add := func(scenario, figure, target string, perRound ...float64) {
		for i, v := range perRound {
			c.Runs = append(c.Runs, ComparedRun{Round: i + 1, Scenario: scenario, Target: target, Result: &Result{Derived: map[string]float64{figure: v}}})
		}
	}
	add("chat", "cpu_us_per_message", "theirs", 10, 20, 10)
	add("chat", "cpu_us_per_message", "ours", 9, 18, 5)
	add("many", "bytes_per_connection", "ours", 500, 600, 700)
	add("few", "bytes_per_connection", "ours", 1000, 500, 1000)
	marks := Benchmarks{"BenchmarkX": {"ns/op": {400, 200, 300}, "allocs/op": {0, 0, 0}}}
	for _, each := range []struct {
		gate          PlanGate
		text, verdict string
	}{
		{PlanGate{Target: "ours", Scenario: "chat", Over: "theirs", Gate: atMost(.95), Stretch: atMost(.8)}, "0.90 [0.50–0.90]", "met"},
		{PlanGate{Target: "ours", Scenario: "chat", Over: "theirs", Gate: atMost(.85)}, "0.90 [0.50–0.90]", "missed"},
		{PlanGate{Target: "ours", Scenario: "chat", Over: "theirs", Gate: atMost(.95), Stretch: atMost(.9)}, "0.90 [0.50–0.90]", "stretch met"},
		{PlanGate{Target: "ours", Scenario: "many", Stretch: atMost(500)}, "600 B [500 B–700 B]", "stretch missed"},
		{PlanGate{Target: "ours", Scenario: "many", OverScenario: "few", Gate: atMost(1.1), Stretch: atMost(1)}, "0.70 [0.50–1.20]", "stretch met"},
		{PlanGate{Target: "theirs", Scenario: "many", Gate: atMost(1)}, "–", "not measured"},
		{PlanGate{Benchmark: "BenchmarkX", Gate: atMost(1000), Stretch: atMost(300)}, "0.30 µs [0.20 µs–0.40 µs]", "stretch met"},
		{PlanGate{Benchmark: "BenchmarkX", Unit: "allocs/op", Gate: atMost(0)}, "0 allocs [0 allocs–0 allocs]", "met"},
		{PlanGate{Benchmark: "BenchmarkY", Gate: atMost(1)}, "–", "not measured"},
	} {
		g := c.judge([]PlanGate{each.gate}, marks)[0]
		if g.Text() != each.text || g.Verdict != each.verdict {
			t.Errorf("%+v: %s, %s; want %s, %s", each.gate, g.Text(), g.Verdict, each.text, each.verdict)
		}
	}
}

func TestBenchmarksAreReadAsGoPrintsThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.txt")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("goos: linux\nBenchmarkOne-2 \t 1000\t 12.5 ns/op\t 8 B/op\t 1 allocs/op\nBenchmarkOne-2 1000 13.5 ns/op 8 B/op 1 allocs/op\n" +
		"BenchmarkTwo/a-case 	 5 	 100 ns/op\nBenchmarkBroken-2 --- FAIL\nPASS\nok  	x 2.3s\n")
	all, err := ReadBenchmarks(file)
	if err != nil {
		t.Fatal(err)
	}
	if one := all["BenchmarkOne"]; len(all) != 2 || len(one["ns/op"]) != 2 || one["ns/op"][1] != 13.5 || one["allocs/op"][0] != 1 || all["BenchmarkTwo/a-case"]["ns/op"][0] != 100 {
		t.Errorf("got %v", all)
	}
	write("FAIL\n")
	for _, name := range []string{file, file + "x"} {
		var asked *UsageError
		if _, err := ReadBenchmarks(name); !errors.As(err, &asked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGatesThatCannotBeAreRefused(t *testing.T) {
	for lines, want := range map[string]string{
		"{name: g, target: a, scenario: s}":                                  "want gate or stretch",
		"{name: g, target: b, scenario: s, gate: 1}":                         `found the target "b"`,
		"{name: g, target: a, scenario: s, over: b, gate: 1}":                `found the target "b"`,
		"{name: g, target: a, gate: 1}":                                      `found the scenario "none"`,
		"{name: g, target: a, scenario: s, benchmark: B, gate: 1}":           "together with",
		"{name: g, benchmark: B, gate: 1}, {name: g, benchmark: B, gate: 1}": "its name is taken",
		"{benchmark: B, gate: 1}":                                            "found no name",
	} {
		_, err := ReadPlan(writePlan(t, `
version: 1
targets: [{name: a, url: 'http://h/'}]
scenarios: [{name: s, kind: http, conns: 1, rate: max}]
gates: [`+lines+`]
`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", lines, err, want)
		}
	}
	_, err := ReadPlan(writePlan(t, "version: 1\ntargets: [{name: a, url: 'http://h/'}]\nscenarios: [{name: s, kind: http, conns: 1, rate: max, targets: [b]}]\n"))
	if err == nil || !strings.Contains(err.Error(), `targets: found "b"`) {
		t.Errorf("a target that is not there: %v", err)
	}
}

package bench

import (
	"strings"
	"testing"
)

func TestRatiosAreFormedInsideEachRound(t *testing.T) {
	// The machine became twice as slow in round 2: the ratio does not notice.
	c := &Comparison{
		Plan: "p", Rounds: 2, Ended: "done",
		Targets:   []ComparedTarget{{Name: "first"}, {Name: "second"}, {Name: "broken"}},
		Scenarios: []ComparedScenario{{Name: "chat", Kind: "chat", Figure: "cpu_us_per_message"}},
	}
	add := func(round int, target string, v float64, trouble string) {
		c.Runs = append(c.Runs, ComparedRun{Round: round, Scenario: "chat", Target: target, Error: trouble,
			Result: &Result{Derived: map[string]float64{"cpu_us_per_message": v}}})
	}
	add(1, "first", 10, "")
	add(1, "second", 5, "")
	add(2, "first", 20, "")
	add(2, "second", 10, "")
	add(1, "broken", 1, "3 lost")
	add(2, "broken", 30, "")
	table := c.Tables()[0]
	for i, want := range []TableRow{
		{Text: "15.0 µs [10.0 µs–20.0 µs]", Ratio: Spread{2, 1, 1, 1}},
		{Text: "7.50 µs [5.00 µs–10.0 µs]", Ratio: Spread{2, .5, .5, .5}},
		{Text: "30.0 µs", Ratio: Spread{1, 1.5, 1.5, 1.5}, Trouble: "1 of 2 rounds do not count: 3 lost"},
	} {
		got := table.Rows[i]
		if got.Text != want.Text || got.Ratio != want.Ratio || got.Trouble != want.Trouble {
			t.Errorf("row %d: got %q, ratio %v, trouble %q; want %q, %v, %q", i, got.Text, got.Ratio, got.Trouble, want.Text, want.Ratio, want.Trouble)
		}
	}
	if err := c.Err(); err == nil || err.Error() != "bench: compare: 1 of 6 runs do not count; the first: broken, chat: 3 lost" {
		t.Errorf("Err is %v", err)
	}
}

func TestTablesAreMarkdownWithEqualColumns(t *testing.T) {
	var b strings.Builder
	if err := sampleComparison().WriteTables(&b); err != nil {
		t.Fatal(err)
	}
	for _, table := range strings.Split(b.String(), "\n## ")[1:] {
		widths := map[int]bool{}
		for line := range strings.Lines(table) {
			if strings.HasPrefix(line, "|") {
				widths[strings.Count(line, "|")] = true
			}
		}
		if len(widths) != 1 {
			t.Errorf("rows have different numbers of columns: %v\n%s", widths, table)
		}
	}
	for _, want := range []string{"## http-1k", "haproxy ¹", "5 of 5 rounds do not count", "Medians of 5 interleaved rounds [lowest–highest]",
		"## Gates", "0.72 [0.66–0.81]", "stretch missed", "≤ 600 B"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the tables do not contain %q:\n%s", want, &b)
		}
	}
}

func TestSummaryShowsEverythingThatWentWrong(t *testing.T) {
	var b strings.Builder
	if err := sampleResult().WriteSummary(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"connections", "8,993 of 9,000 opened, 7 failed, 30 lost, 28 came back, 8,991 open at the end",
		"memory of the target per connection", "18.1 kB", "5 × status 503: 503 Service Unavailable", "20 × 1001, 10 × eof",
		"nginx (2 processes): CPU 4.10 s", "612 B per connection", "restarted by the hook",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary does not contain %q:\n%s", want, &b)
		}
	}
}

func TestReportTellsHowManySessionsWereDone(t *testing.T) {
	r := &Result{Scenario: "replay", Counts: Counts{Sessions: 2360, Failed: 1}}
	if got := r.facts()[0]; got != (named{"sessions", "2,360 done"}) {
		t.Errorf("the first fact is %v", got)
	}
}

package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Table is one scenario of a Comparison, a row for each target.
type Table struct {
	Scenario ComparedScenario
	Figure   string   // what is compared, in words
	Cost     bool     // less is better
	Beside   []string // headings of the figures beside it
	Rounds   int      // where it had fewer than the others, else 0
	Rows     []TableRow
}

// TableRow is one target in one scenario.
type TableRow struct {
	Target  ComparedTarget
	Spread  Spread
	Text    string   // the figure: median [min–max]
	Ratio   Spread   // to the first target, formed inside each round
	Beside  []string // medians
	Trouble string   // what did not go as it should
	// LowerBound says that the client was the bottleneck in at least one round.
	LowerBound bool
}

// RunsFailed is a comparison of which some runs do not count.
type RunsFailed struct {
	Failed, Of int
	First      string
}

func (e *RunsFailed) Error() string {
	return fmt.Sprintf("bench: compare: %d of %d runs do not count; the first: %s", e.Failed, e.Of, e.First)
}

// Tables are what the runs come to, one for each scenario.
func (c *Comparison) Tables() []Table {
	var tables []Table
	for _, s := range c.Scenarios {
		tables = append(tables, c.table(s))
	}
	return tables
}

func (c *Comparison) table(s ComparedScenario) Table {
	main := figureOf(s.Figure)
	t := Table{Scenario: s, Figure: main.Label, Cost: main.Cost}
	last := 0
	for _, run := range c.Runs {
		if run.Scenario == s.Name {
			last = max(last, run.Round)
		}
	}
	if last < c.Rounds {
		t.Rounds = last
	}
	beside := c.besides(s)
	for _, b := range beside {
		t.Beside = append(t.Beside, b.heading)
	}
	var first map[int]float64
	for i, target := range c.Targets {
		if !s.concerns(target) {
			continue
		}
		byRound := c.figure(s.Name, target.Name, derivedFigure(s.Figure))
		if i == 0 {
			first = byRound
		}
		row := TableRow{Target: target, Spread: spreadOf(values(byRound)), Ratio: ratio(byRound, first)}
		row.Text = spreadText(row.Spread, main.Write)
		for _, b := range beside {
			text := "–"
			if spread := spreadOf(values(c.figure(s.Name, target.Name, b.read))); spread.Rounds > 0 {
				text = b.write(spread.Median)
			}
			row.Beside = append(row.Beside, text)
		}
		row.Trouble, row.LowerBound = c.troubles(s.Name, target.Name)
		t.Rows = append(t.Rows, row)
	}
	return t
}

// beside is a figure shown next to the one that is compared.
type beside struct {
	heading string
	read    func(*Result) (float64, bool)
	write   func(float64) string
}

// besides lists what else the runs of a scenario found.
func (c *Comparison) besides(s ComparedScenario) []beside {
	var list []beside
	seen := map[string]bool{s.Figure: true}
	for _, run := range c.Runs {
		if run.Scenario != s.Name || run.Result == nil {
			continue
		}
		for _, f := range run.Result.derived() {
			if !seen[f.Key] && !slices.Contains(scenarioKinds[s.Kind].omit, f.Key) {
				seen[f.Key] = true
				list = append(list, beside{f.Label, derivedFigure(f.Key), f.Write})
			}
		}
		if _, ok := memoryInAll(run.Result); ok && !seen["memory"] {
			seen["memory"] = true
			list = append(list, beside{"memory of the target in all", memoryInAll, size})
		}
		for _, kind := range run.Result.timed() {
			if !seen["p50 "+kind] && !slices.Contains(scenarioKinds[s.Kind].omit, kind) {
				seen["p50 "+kind] = true
				list = append(list,
					beside{kind + " p50", percentile(kind, func(p Percentiles) float64 { return p.P50 }), micros},
					beside{kind + " p99", percentile(kind, func(p Percentiles) float64 { return p.P99 }), micros})
			}
		}
	}
	return list
}

func derivedFigure(key string) func(*Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		v, ok := r.Derived[key]
		return v, ok
	}
}

// memoryInAll is what a target uses while its connections are idle, whatever
// it used before them: figures per connection leave out what was there and
// count what became free meanwhile.
func memoryInAll(r *Result) (float64, bool) {
	var all int64
	for _, u := range r.Targets {
		all += u.PSSIdle
	}
	return float64(all), all > 0
}

func percentile(kind string, read func(Percentiles) float64) func(*Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		p, ok := r.Latency[kind]
		return read(p), ok && p.Count > 0
	}
}

func (c *Comparison) troubles(scenario, target string) (text string, lowerBound bool) {
	failed, runs, sample := 0, 0, ""
	for _, run := range c.Runs {
		if run.Scenario != scenario || run.Target != target {
			continue
		}
		runs++
		if run.Error != "" {
			failed++
			sample = run.Error
		}
		if run.Result != nil && run.Result.LowerBound {
			lowerBound = true
		}
	}
	if failed > 0 {
		text = fmt.Sprintf("%d of %d rounds do not count: %s", failed, runs, sample)
	}
	return text, lowerBound
}

func spreadText(s Spread, write func(float64) string) string {
	switch s.Rounds {
	case 0:
		return "–"
	case 1:
		return write(s.Median)
	}
	return fmt.Sprintf("%s [%s–%s]", write(s.Median), write(s.Min), write(s.Max))
}

// WriteTables writes the comparison in Markdown, which reads well in a
// terminal too.
func (c *Comparison) WriteTables(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", c.Plan)
	if c.About != "" {
		fmt.Fprintf(&b, "%s\n\n", c.About)
	}
	fmt.Fprintf(&b, "%s; %s\n", c.Started.UTC().Format(time.RFC3339), c.Machine.line())
	fmt.Fprintf(&b, "%s [lowest–highest]; a ratio is formed inside each round, to the first line.\n", medians(c.Rounds))
	if c.Ended != "" && c.Ended != "done" {
		b.WriteString("\n**" + c.Ended + " before it was done.**\n")
	}
	b.WriteString("\n")
	for _, v := range append(slices.Concat(c.Versions, c.Notes), nonEmpty(c.disturbance())...) {
		b.WriteString("- " + v + "\n")
	}
	for _, t := range c.Targets {
		if about := strings.Join(nonEmpty(t.About, t.Version), "; "); about != "" {
			fmt.Fprintf(&b, "- **%s**: %s\n", t.Name, about)
		}
	}
	for _, t := range c.Tables() {
		t.write(&b)
	}
	writeGates(&b, c.Gates)
	_, err := io.WriteString(w, b.String())
	return err
}

func medians(rounds int) string {
	if rounds == 1 {
		return "One round"
	}
	return fmt.Sprintf("Medians of %d interleaved rounds", rounds)
}

func (t *Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", t.Scenario.Name)
	if t.Scenario.About != "" {
		fmt.Fprintf(b, "%s\n\n", t.Scenario.About)
	}
	if t.Rounds > 0 {
		b.WriteString(medians(t.Rounds) + ".\n\n")
	}
	rows := [][]string{append([]string{"", t.Figure, "ratio"}, t.Beside...)}
	var under []string
	for _, row := range t.Rows {
		name := row.Target.Name
		if row.LowerBound {
			name += " ¹"
		}
		rows = append(rows, append([]string{name, row.Text, spreadText(row.Ratio, digits)}, row.Beside...))
		if row.Trouble != "" {
			under = append(under, row.Target.Name+": "+row.Trouble)
		}
	}
	writeMarkdown(b, rows)
	if slices.ContainsFunc(t.Rows, func(r TableRow) bool { return r.LowerBound }) {
		under = append(under, "¹ "+lowerBoundText)
	}
	for _, line := range under {
		b.WriteString("\n" + line + "\n")
	}
}

// writeMarkdown writes rows, the first of which is the heading, in columns.
func writeMarkdown(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)), 3)
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				b.WriteString("| " + cell + pad)
			} else {
				b.WriteString(" | " + pad + cell)
			}
		}
		b.WriteString(" |\n")
		if n == 0 {
			b.WriteString("|" + strings.Repeat("-", widths[0]+2))
			for _, w := range widths[1:] {
				b.WriteString("|" + strings.Repeat("-", w+1) + ":")
			}
			b.WriteString("|\n")
		}
	}
}

// line is a machine in one line.
func (m Machine) line() string {
	return strings.Join(nonEmpty(m.CPU, fmt.Sprintf("%d cores", m.Cores), size(float64(m.Memory)), m.Kernel, m.Go), ", ")
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// PlanGate is one thing that a comparison is to show: a figure of a target,
// or its ratio to another's in the same round, is at most so much.
type PlanGate struct {
	Name     string `yaml:"name"`
	Target   string `yaml:"target"`
	Scenario string `yaml:"scenario"`
	Figure   string `yaml:"figure"` // derived figure; default what the scenario measures
	// Over names whose figure it is divided by, OverScenario in which
	// scenario; by default the same target and scenario. Neither: the figure
	// itself counts.
	Over         string `yaml:"over"`
	OverScenario string `yaml:"over_scenario"`
	// Benchmark is a Go benchmark and Unit one of the figures it prints, in
	// place of a target's.
	Benchmark string `yaml:"benchmark"`
	Unit      string `yaml:"unit"` // default ns/op

	Gate    *float64 `yaml:"gate"`    // at most
	Stretch *float64 `yaml:"stretch"` // at most; better than asked for
}

func (g *PlanGate) faults(p *Plan) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if g.Gate == nil && g.Stretch == nil {
		fault("want gate or stretch: a number that the figure is not to exceed")
	}
	if g.Benchmark != "" {
		if g.Target != "" || g.Scenario != "" || g.Over != "" || g.OverScenario != "" {
			fault("found a benchmark together with a target or scenario, want one of them")
		}
		return faults
	}
	for _, name := range nonEmpty(g.Over, cmp.Or(g.Target, "none")) {
		if p.target(name) == nil {
			fault("found the target %q, want the name of one", name)
		}
	}
	for _, name := range nonEmpty(g.OverScenario, cmp.Or(g.Scenario, "none")) {
		if p.scenario(name) == nil {
			fault("found the scenario %q, want the name of one", name)
		}
	}
	return faults
}

// Gate is what came of one of a plan's gates.
type Gate struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit"` // "ratio", a derived figure, or a benchmark's unit
	Measured Spread   `json:"measured"`
	Gate     *float64 `json:"gate,omitempty"`
	Stretch  *float64 `json:"stretch,omitempty"`
	Verdict  string   `json:"verdict"` // "stretch met", "met", "missed", "not measured"
}

const (
	gateStretch = "stretch met"
	gateMet     = "met"
	gateMissed  = "missed"
	gateUnknown = "not measured"
)

// judge holds what was measured against a plan's gates. The median decides.
func (c *Comparison) judge(gates []PlanGate, benchmarks Benchmarks) []Gate {
	var all []Gate
	for _, plan := range gates {
		g := Gate{Name: plan.Name, Gate: plan.Gate, Stretch: plan.Stretch}
		if plan.Benchmark != "" {
			g.Unit = cmp.Or(plan.Unit, "ns/op")
			g.Measured = spreadOf(benchmarks[plan.Benchmark][g.Unit])
		} else {
			g.Unit, g.Measured = c.measured(&plan)
		}
		g.Verdict = g.verdict()
		all = append(all, g)
	}
	return all
}

func (c *Comparison) measured(g *PlanGate) (unit string, s Spread) {
	of := func(target, scenario string) (map[int]float64, string) {
		i := slices.IndexFunc(c.Scenarios, func(s ComparedScenario) bool { return s.Name == scenario })
		if i < 0 {
			return nil, ""
		}
		figure := cmp.Or(g.Figure, c.Scenarios[i].Figure)
		return c.figure(scenario, target, derivedFigure(figure)), figure
	}
	mine, figure := of(g.Target, g.Scenario)
	if g.Over == "" && g.OverScenario == "" {
		return figure, spreadOf(values(mine))
	}
	other, _ := of(cmp.Or(g.Over, g.Target), cmp.Or(g.OverScenario, g.Scenario))
	return "ratio", ratio(mine, other)
}

func (g *Gate) verdict() string {
	within := func(bound *float64) bool { return bound != nil && g.Measured.Median <= *bound }
	switch {
	case g.Measured.Rounds == 0:
		return gateUnknown
	case within(g.Stretch):
		return gateStretch
	case within(g.Gate):
		return gateMet
	case g.Gate == nil:
		return "stretch " + gateMissed
	}
	return gateMissed
}

// Met and Missed tell how it is drawn; neither: it was not measured, or a
// stretch alone was not reached.
func (g Gate) Met() bool    { return g.Verdict == gateMet || g.Verdict == gateStretch }
func (g Gate) Missed() bool { return g.Verdict == gateMissed }

// Text is what was measured, AtMost and StretchText the bounds.
func (g Gate) Text() string        { return spreadText(g.Measured, g.write) }
func (g Gate) AtMost() string      { return g.bound(g.Gate) }
func (g Gate) StretchText() string { return g.bound(g.Stretch) }

func (g Gate) bound(bound *float64) string {
	if bound == nil {
		return "–"
	}
	return "≤ " + g.write(*bound)
}

func (g Gate) write(v float64) string {
	switch {
	case g.Unit == "ns/op":
		return micros(v / 1e3)
	case g.Unit == "ratio" && v < 0.1:
		return fmt.Sprintf("%.3f", v)
	case g.Unit == "ratio":
		return digits(v)
	case strings.HasSuffix(g.Unit, "/op"):
		return digits(v) + " " + strings.TrimSuffix(g.Unit, "/op")
	}
	return figureOf(g.Unit).Write(v)
}

// writeGates writes them as a table.
func writeGates(b *strings.Builder, gates []Gate) {
	if len(gates) == 0 {
		return
	}
	b.WriteString("\n## Gates\n\nThe median decides.\n\n")
	rows := [][]string{{"measure", "measured", "gate", "stretch", "verdict"}}
	for _, g := range gates {
		rows = append(rows, []string{g.Name, g.Text(), g.AtMost(), g.StretchText(), g.Verdict})
	}
	writeMarkdown(b, rows)
}

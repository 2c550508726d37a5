package bench

import (
	"cmp"
	"io"
	"slices"
	"strings"
)

// tableView is a Table as the page draws it.
type tableView struct {
	Table
	Scale    float64 // what a bar of full width stands for
	AnyBound bool
}

// roundsView is one scenario with the figure of every round.
type roundsView struct {
	Scenario ComparedScenario
	Figure   string
	Numbers  []int
	Rows     []roundsRow
}

type roundsRow struct {
	Target string
	Values []string
}

// WriteReport writes the comparison as a self-contained HTML page.
func (c *Comparison) WriteReport(w io.Writer) error {
	p := &report{
		Title: "fastbench compare: " + c.Plan, Kind: "compare", Heading: c.Plan, About: c.About,
		Started: c.Started, Took: seconds(c.Seconds), Machine: c.Machine.line(), RowsTitle: "The targets", Notes: slices.Concat(c.Versions, c.Notes, nonEmpty(c.disturbance())),
	}
	if err := c.Err(); err != nil {
		p.Fault = strings.TrimPrefix(err.Error(), "bench: compare: ")
	}
	if c.Ended != "done" {
		p.Interrupted = cmp.Or(c.Ended, "unknown why")
	}
	for _, t := range c.Tables() {
		view := tableView{Table: t}
		for _, row := range t.Rows {
			view.Scale = max(view.Scale, row.Spread.Max)
			view.AnyBound = view.AnyBound || row.LowerBound
		}
		p.Tables = append(p.Tables, view)
	}
	p.Gates = c.Gates
	for _, t := range c.Targets {
		p.Rows = append(p.Rows, named{t.Name, strings.Join(nonEmpty(t.About, t.Version), "; ")})
	}
	p.Notes = append(p.Notes, "Bars are medians of the rounds, whiskers reach from the lowest to the highest; × is the ratio to the first target, formed inside each round.")
	p.Rounds = c.roundViews()
	return p.write(w)
}

func (c *Comparison) roundViews() []roundsView {
	var views []roundsView
	for _, s := range c.Scenarios {
		f := figureOf(s.Figure)
		view := roundsView{Scenario: s, Figure: f.Label}
		for round := 1; round <= c.Rounds; round++ {
			view.Numbers = append(view.Numbers, round)
		}
		for _, t := range c.Targets {
			if !s.concerns(t) {
				continue
			}
			row := roundsRow{Target: t.Name}
			byRound := c.figure(s.Name, t.Name, derivedFigure(s.Figure))
			for _, round := range view.Numbers {
				text := "–"
				if v, ok := byRound[round]; ok {
					text = f.Write(v)
				}
				row.Values = append(row.Values, text)
			}
			view.Rows = append(view.Rows, row)
		}
		views = append(views, view)
	}
	return views
}

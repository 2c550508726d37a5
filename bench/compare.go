package bench

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CompareOptions say how a plan is run.
type CompareOptions struct {
	Plan *Plan
	// Rounds, Targets and Scenarios override or narrow the plan's when given.
	Rounds    int
	Targets   []string
	Scenarios []string
	// Benchmarks are figures of Go benchmarks for the plan's gates; nil: none.
	Benchmarks Benchmarks
	// Note is called with a line for each thing that begins or is done; nil: nobody.
	Note func(line string)
}

// Compare runs a plan: in every round every scenario, in every scenario every
// target, so that what else happens on the machine falls on all of them alike.
// Each round begins with another target. A run that goes wrong is kept with
// its reason and does not count. When ctx is cancelled Compare returns what
// there is. It starts and stops the plan's programs.
func Compare(ctx context.Context, o CompareOptions, live *Live) (*Comparison, error) {
	plan, err := o.narrowed()
	if err != nil {
		return nil, err
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	s, err := newStage(plan, o.Note)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	c := s.comparison()
	defer func() {
		c.Seconds = time.Since(c.Started).Seconds()
		c.Gates = c.judge(plan.Gates, o.Benchmarks)
	}()
	for round := 1; round <= c.Rounds; round++ {
		for i := range plan.Scenarios {
			scenario := &plan.Scenarios[i]
			if round > cmp.Or(scenario.Rounds, plan.Rounds) {
				continue
			}
			for k := range s.actors {
				actor := s.actors[(k+round-1)%len(s.actors)]
				if !scenario.concerns(actor.target) {
					continue
				}
				run := s.run(ctx, round, scenario, actor, live)
				if ctx.Err() != nil {
					c.Ended = "interrupted"
					return c, nil
				}
				c.Runs = append(c.Runs, run)
				o.Note(fmt.Sprintf("round %d of %d · %s · %s: %s", round, c.Rounds, scenario.Name, actor.target.Name, run.line(scenario.Measure)))
			}
		}
	}
	return c, nil
}

// narrowed is the plan with what the options say in its place.
func (o *CompareOptions) narrowed() (*Plan, error) {
	p := *o.Plan
	if o.Rounds > 0 {
		p.Rounds = o.Rounds
		p.Scenarios = slices.Clone(p.Scenarios)
		for i := range p.Scenarios {
			p.Scenarios[i].Rounds = 0
		}
	}
	var err error
	if p.Targets, err = only(p.Targets, o.Targets, "target", func(t PlanTarget) string { return t.Name }); err != nil {
		return nil, err
	}
	p.Scenarios, err = only(p.Scenarios, o.Scenarios, "scenario", func(s PlanScenario) string { return s.Name })
	return &p, err
}

// only keeps those of list that are named; no names: all.
func only[T any](list []T, names []string, what string, nameOf func(T) string) ([]T, error) {
	if len(names) == 0 {
		return list, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(list, func(t T) bool { return nameOf(t) == name }) {
			return nil, usage("the plan has no %s %q", what, name)
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(t T) bool { return !slices.Contains(names, nameOf(t)) }), nil
}

// line is a run's outcome in one line.
func (r *ComparedRun) line(measure string) string {
	if r.Error != "" {
		return "does not count: " + r.Error
	}
	f := figureOf(measure)
	text := "–"
	if v, ok := r.Result.Derived[measure]; ok {
		text = f.Write(v) + " " + f.Label
	}
	for _, kind := range r.Result.timed() {
		p := r.Result.Latency[kind]
		text += fmt.Sprintf(", %s p50 %s p99 %s", kind, micros(p.P50), micros(p.P99))
	}
	if r.Result.LowerBound {
		text += " (lower bound)"
	}
	return text
}

// bare is a result without its series and histograms, of which a comparison
// would have hundreds.
func (r *Result) bare() *Result {
	if r == nil {
		return nil
	}
	b := *r
	b.Series, b.Sessions = nil, nil
	b.Targets = slices.Clone(r.Targets)
	for i := range b.Targets {
		b.Targets[i].Series = nil
	}
	b.Latency = maps.Clone(r.Latency)
	for kind, p := range b.Latency {
		p.Histogram = nil
		b.Latency[kind] = p
	}
	return &b
}

// reset makes a Live ready for the next run.
func (l *Live) reset() {
	for _, n := range []interface{ Store(int64) }{&l.Planned, &l.Open, &l.Opening, &l.Failed, &l.Lost, &l.Messages, &l.Sessions, &l.P99, &l.Duration, &l.Measured} {
		n.Store(0)
	}
	l.SetPhase("")
}

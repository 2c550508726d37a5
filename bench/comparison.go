package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Comparison is what a plan's runs found: several targets under the same
// loads, in turn, over several rounds.
type Comparison struct {
	Schema    int                `json:"schema"`
	Plan      string             `json:"plan"` // its name
	About     string             `json:"about,omitempty"`
	Started   time.Time          `json:"started"`
	Seconds   float64            `json:"seconds"`
	Machine   Machine            `json:"machine"`
	Versions  []string           `json:"versions,omitempty"` // of what runs beside the targets
	Rounds    int                `json:"rounds"`
	Targets   []ComparedTarget   `json:"targets"`
	Scenarios []ComparedScenario `json:"scenarios"`
	Runs      []ComparedRun      `json:"runs"`
	Gates     []Gate             `json:"gates,omitempty"` // of the plan
	Notes     []string           `json:"notes,omitempty"`
	Ended     string             `json:"ended"` // "done" or "interrupted"
}

// ComparedTarget is one of those compared. Ratios are to the first.
type ComparedTarget struct {
	Name    string `json:"name"`
	About   string `json:"about,omitempty"`
	Version string `json:"version,omitempty"`
}

// ComparedScenario is one load.
type ComparedScenario struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // hold, chat or http
	About  string `json:"about,omitempty"`
	Figure string `json:"figure"` // the derived figure that is compared
	// Targets are those that it was played on; none: all.
	Targets []string `json:"targets,omitempty"`
}

func (s *ComparedScenario) concerns(t ComparedTarget) bool {
	return len(s.Targets) == 0 || slices.Contains(s.Targets, t.Name)
}

// ComparedRun is one scenario against one target in one round. Its result has
// no series and no histograms.
type ComparedRun struct {
	Round    int     `json:"round"` // from 1
	Scenario string  `json:"scenario"`
	Target   string  `json:"target"`
	Result   *Result `json:"result,omitempty"`
	Error    string  `json:"error,omitempty"` // why there is none, or why it does not count
	// OtherCores is how many cores programs that have no part in it used while
	// it ran.
	OtherCores float64 `json:"other_cores"`
}

// Spread is a figure over the rounds in which it was measured.
type Spread struct {
	Rounds int     `json:"rounds"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Clone(values)
	slices.Sort(v)
	n := len(v)
	return Spread{Rounds: n, Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// Err is nil if every run counts.
func (c *Comparison) Err() error {
	failed, first := 0, ""
	for _, run := range c.Runs {
		if run.Error != "" {
			failed++
			first = cmp.Or(first, run.Target+", "+run.Scenario+": "+run.Error)
		}
	}
	if failed == 0 {
		return nil
	}
	return &RunsFailed{Failed: failed, Of: len(c.Runs), First: first}
}

// disturbance says how busy the machine was with other things.
func (c *Comparison) disturbance() string {
	var cores []float64
	for _, run := range c.Runs {
		cores = append(cores, run.OtherCores)
	}
	s := spreadOf(cores)
	if s.Max < .05 {
		return ""
	}
	return fmt.Sprintf("Programs that have no part in this used %s cores while it ran (median of all runs; %s to %s).",
		digits(s.Median), digits(s.Min), digits(s.Max))
}

// figure reads a figure of the runs of one scenario and target, by round.
func (c *Comparison) figure(scenario, target string, read func(*Result) (float64, bool)) map[int]float64 {
	values := map[int]float64{}
	for _, run := range c.Runs {
		if run.Scenario == scenario && run.Target == target && run.Error == "" {
			if v, ok := read(run.Result); ok {
				values[run.Round] = v
			}
		}
	}
	return values
}

// ratio is target's figure divided by that of another in the same round.
func ratio(target, other map[int]float64) Spread {
	var ratios []float64
	for round, v := range target {
		if of := other[round]; of > 0 {
			ratios = append(ratios, v/of)
		}
	}
	return spreadOf(ratios)
}

func values(byRound map[int]float64) []float64 {
	var list []float64
	for _, v := range byRound {
		list = append(list, v)
	}
	return list
}

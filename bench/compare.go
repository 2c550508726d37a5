package bench

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// CompareOptions say how a plan is run.
type CompareOptions struct {
	Plan *Plan
	// Rounds, Targets and Scenarios override or narrow the plan's when given.
	Rounds    int
	Targets   []string
	Scenarios []string
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
	defer func() { c.Seconds = time.Since(c.Started).Seconds() }()
	for round := 1; round <= c.Rounds; round++ {
		for i := range plan.Scenarios {
			scenario := &plan.Scenarios[i]
			if round > cmp.Or(scenario.Rounds, plan.Rounds) {
				continue
			}
			for k := range s.actors {
				actor := s.actors[(k+round-1)%len(s.actors)]
				if slices.Contains(actor.target.Skip, scenario.Name) {
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

// stage is where a plan plays: its directory and its programs.
type stage struct {
	plan     *Plan
	dir      string
	env      []string
	note     func(string)
	unpin    func()
	services []*program
	actors   []*actor
	versions []string
}

// actor is a target while the plan is run.
type actor struct {
	target  *PlanTarget
	process *program // nil: it was there already
	header  http.Header
	version string
}

func newStage(plan *Plan, note func(string)) (*stage, error) {
	dir, err := os.MkdirTemp("", "fastbench-")
	if err != nil {
		return nil, fmt.Errorf("bench: make a directory for the run: %w", err)
	}
	s := &stage{plan: plan, dir: dir, note: note, unpin: func() {}, env: []string{"RUN=" + dir, "PLAN=" + plan.dir}}
	for i := range plan.Targets {
		s.actors = append(s.actors, &actor{target: &plan.Targets[i]})
	}
	return s, nil
}

// open prepares, starts everything and signs in where that is asked for.
func (s *stage) open(ctx context.Context) error {
	for _, command := range s.plan.Prepare {
		if _, err := runCommand(ctx, command, s.dir, s.env); err != nil {
			return fmt.Errorf("bench: prepare: %s: %w", command, err)
		}
	}
	for i := range s.plan.Services {
		service := &s.plan.Services[i]
		p, err := startProgram(ctx, service, service.Ready, s.dir, s.env)
		if err != nil {
			return err
		}
		s.services = append(s.services, p)
		if v := s.versionOf(ctx, service); v != "" {
			s.versions = append(s.versions, service.Name+": "+v)
		}
	}
	for _, a := range s.actors {
		if err := s.start(ctx, a); err != nil {
			return err
		}
		a.version = s.versionOf(ctx, &a.target.PlanService)
		var err error
		if a.header, err = s.header(ctx, a.target); err != nil {
			return fmt.Errorf("bench: target %s: %w", a.target.Name, err)
		}
	}
	undo, err := pinSelf(s.plan.Cores)
	if err != nil {
		return err
	}
	s.unpin = undo
	return nil
}

func (s *stage) start(ctx context.Context, a *actor) error {
	if a.target.Start == "" {
		return nil
	}
	s.note("starting " + a.target.Name)
	var err error
	a.process, err = startProgram(ctx, &a.target.PlanService, cmp.Or(a.target.Ready, hostPortOf(a.target.URL)), s.dir, s.env)
	return err
}

// close stops everything, the last first.
func (s *stage) close() {
	s.unpin()
	for _, a := range slices.Backward(s.actors) {
		if a.process != nil {
			a.process.stop()
		}
	}
	for _, p := range slices.Backward(s.services) {
		p.stop()
	}
	os.RemoveAll(s.dir)
}

func (s *stage) versionOf(ctx context.Context, service *PlanService) string {
	if service.Version == "" {
		return ""
	}
	out, err := runCommand(ctx, service.Version, s.dir, s.env)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return first
}

// header is what goes with every request to a target.
func (s *stage) header(ctx context.Context, t *PlanTarget) (http.Header, error) {
	lines := slices.Clone(t.Header)
	if t.HeaderFile != "" {
		text, err := os.ReadFile(filepath.Join(s.dir, t.HeaderFile))
		if err != nil {
			return nil, fmt.Errorf("header_file: %w", err)
		}
		lines = append(lines, nonEmpty(strings.Split(strings.TrimSpace(string(text)), "\n")...)...)
	}
	if t.Cookie != "" {
		lines = append(lines, "Cookie: "+t.Cookie)
	}
	h, err := Headers(lines)
	if err != nil {
		return nil, err
	}
	in := SignIn{OIDC: t.OIDC}
	if t.Login != nil {
		in.Logins = []Login{*t.Login}
		s.note("signing in to " + t.Name)
	}
	h, err = in.Header(ctx, Target{URL: t.URL, Header: h})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return h, nil
}

// run is one scenario against one target.
func (s *stage) run(ctx context.Context, round int, scenario *PlanScenario, a *actor, live *Live) ComparedRun {
	run := ComparedRun{Round: round, Scenario: scenario.Name, Target: a.target.Name}
	if scenario.Fresh && a.process != nil {
		a.process.stop()
		a.process = nil
	}
	if a.process == nil {
		if err := s.start(ctx, a); err != nil {
			run.Error = err.Error()
			return run
		}
	}
	live.reset()
	t := Target{URL: scenario.address(a.target.URL), Header: a.header, Timeout: scenario.Timeout, Pids: slices.Clone(a.target.Pids)}
	if a.target.PidFile != "" {
		t.PidFiles = []string{filepath.Join(s.dir, a.target.PidFile)}
		if filepath.IsAbs(a.target.PidFile) {
			t.PidFiles = []string{a.target.PidFile}
		}
	}
	if a.process != nil {
		t.Pids = append(t.Pids, a.process.cmd.Process.Pid)
	}
	before := s.effort()
	result, err := scenarioKinds[scenario.Kind].run(ctx, scenario, t, live)
	run.OtherCores = s.otherCores(before)
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		run.Error = strings.TrimPrefix(strings.TrimPrefix(err.Error(), "bench: "), scenario.Kind+": ")
	}
	run.Result = result.bare()
	select {
	case <-time.After(s.plan.Pause):
	case <-ctx.Done():
	}
	return run
}

// comparison is the frame that runs go into.
func (s *stage) comparison() *Comparison {
	c := &Comparison{
		Schema: SchemaVersion, Plan: s.plan.Name, About: strings.TrimSpace(s.plan.About),
		Started: time.Now(), Machine: thisMachine(), Versions: s.versions, Rounds: s.plan.Rounds, Ended: "done",
	}
	for _, a := range s.actors {
		c.Targets = append(c.Targets, ComparedTarget{Name: a.target.Name, About: a.target.About, Version: a.version})
	}
	for _, sc := range s.plan.Scenarios {
		c.Scenarios = append(c.Scenarios, ComparedScenario{Name: sc.Name, Kind: sc.Kind, About: sc.About, Figure: sc.Measure})
	}
	return c
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

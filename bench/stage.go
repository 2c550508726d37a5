package bench

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

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
	roots   *x509.CertPool // nil: the system's
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
		if a.target.CA != "" {
			if a.roots, err = Authorities(s.file(a.target.CA)); err != nil {
				return err
			}
		}
		if a.header, err = s.header(ctx, a); err != nil {
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

// file is where a file that the plan names is.
func (s *stage) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.dir, name)
}

// header is what goes with every request to a target.
func (s *stage) header(ctx context.Context, a *actor) (http.Header, error) {
	t := a.target
	lines := slices.Clone(t.Header)
	if t.HeaderFile != "" {
		text, err := os.ReadFile(s.file(t.HeaderFile))
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
	h, err = in.Header(ctx, Target{URL: t.URL, Header: h, Roots: a.roots})
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
	s.awaitQuiet(ctx, live)
	t := Target{URL: scenario.address(a.target.URL), Header: a.header, Roots: a.roots, Timeout: scenario.Timeout, Loops: scenario.Loops, Pids: slices.Clone(a.target.Pids)}
	if a.target.PidFile != "" {
		t.PidFiles = []string{s.file(a.target.PidFile)}
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
		c.Scenarios = append(c.Scenarios, ComparedScenario{Name: sc.Name, Kind: sc.Kind, About: sc.About, Figure: sc.Measure, Targets: sc.Targets})
	}
	return c
}

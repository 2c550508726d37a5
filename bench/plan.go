package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml" // names the line and column of what it does not understand
)

// Plan is what Compare does: which targets under which loads.
//
// Commands are run by sh in a directory made for the run, with the plan's own
// directory in $PLAN and that one in $RUN; standard output and error go to
// NAME.log there.
type Plan struct {
	Version int    `yaml:"version"` // 1
	Name    string `yaml:"name"`
	About   string `yaml:"about"`
	Rounds  int    `yaml:"rounds"` // default 3
	// Cores are those fastbench itself runs on; none: any.
	Cores []int `yaml:"cores"`
	// Pause lies between two runs, so that closed connections are gone; default 500 ms.
	Pause time.Duration `yaml:"pause"`
	// Quiet is how many cores programs that have no part in this may use when
	// a run begins; it is waited for, Patience long at most. 0: not at all.
	Quiet    float64       `yaml:"quiet"`
	Patience time.Duration `yaml:"patience"`
	// Prepare are commands run once before anything is started.
	Prepare []string `yaml:"prepare"`
	// Services run beside the targets all the time: a backend.
	Services  []PlanService  `yaml:"services"`
	Targets   []PlanTarget   `yaml:"targets"` // ratios are to the first
	Scenarios []PlanScenario `yaml:"scenarios"`
	// Gates are what the runs are to show: the last table.
	Gates []PlanGate `yaml:"gates"`

	dir string // of the plan's file
}

// PlanService is a program to start, wait for and stop.
type PlanService struct {
	Name    string   `yaml:"name"`
	Start   string   `yaml:"start"`
	Ready   string   `yaml:"ready"`   // host:port that answers once it is ready
	Version string   `yaml:"version"` // a command whose first line of output says which it is
	Cores   []int    `yaml:"cores"`
	Env     []string `yaml:"env"` // NAME=value
}

// PlanTarget is one of those to compare. Without Start it is there already.
type PlanTarget struct {
	PlanService `yaml:",inline"`
	About       string `yaml:"about"`
	URL         string `yaml:"url"` // http:// or ws://; each scenario's path comes behind it
	// Header and HeaderFile ("Name: value" on each line, in the run's
	// directory) and Cookie go with every request.
	Header     []string `yaml:"header"`
	HeaderFile string   `yaml:"header_file"`
	Cookie     string   `yaml:"cookie"`
	// Login signs in through the target's password form, OIDC through its
	// identity provider; the cookies go with every request.
	Login   *Login   `yaml:"login"`
	OIDC    bool     `yaml:"oidc"`
	CA      string   `yaml:"ca"`   // file of authorities to trust beside the system's, in the run's directory
	Pids    []int    `yaml:"pids"` // to watch; what was started is watched by itself
	PidFile string   `yaml:"pid_file"`
	Skip    []string `yaml:"skip"` // scenarios that say nothing here
}

// PlanScenario is one load. Its keys are those of the command of its kind.
type PlanScenario struct {
	Name    string `yaml:"name"`
	Kind    string `yaml:"kind"` // hold, chat or http
	About   string `yaml:"about"`
	Path    string `yaml:"path"`    // behind the target's URL
	Measure string `yaml:"measure"` // the derived figure to compare; by default the one that tells most
	Rounds  int    `yaml:"rounds"`  // default the plan's
	// Targets are those of the plan that it is about; none: all.
	Targets []string `yaml:"targets"`
	// Fresh starts the target anew for each run, for figures of memory.
	Fresh bool `yaml:"fresh"`

	N        int           `yaml:"n"`
	Ramp     Rate          `yaml:"ramp"`
	For      time.Duration `yaml:"for"`
	Warmup   time.Duration `yaml:"warmup"`
	Timeout  time.Duration `yaml:"timeout"`
	Rate     Rate          `yaml:"rate"`
	InFlight int           `yaml:"in_flight"`
	Size     Sizes         `yaml:"size"`
	Ping     *Rate         `yaml:"ping"`
	Echo     bool          `yaml:"echo"`
	Conns    int           `yaml:"conns"`
	Loops    int           `yaml:"loops"`
	HTTP     bool          `yaml:"http"`
	Churn    Rate          `yaml:"churn"`
	Leave    int           `yaml:"leave_after"`
	Listen   bool          `yaml:"listen"`
	// PingFrames makes a chat of Ping frames, for a target that says nothing back.
	PingFrames bool   `yaml:"ping_frames"`
	Method     string `yaml:"method"`
	Status     int    `yaml:"status"`
	Body       *int64 `yaml:"body"` // size of the answer's body, wanted
}

// ReadPlan reads a plan and says of everything in it that cannot be where it
// stands.
func ReadPlan(file string) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("bench: read plan: %w", err)
	}
	p := &Plan{Rounds: 3, Pause: 500 * time.Millisecond}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, usage("plan %s: %s", file, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if p.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("bench: read plan: %w", err)
	}
	if faults := p.faults(); len(faults) > 0 {
		return nil, usage("plan %s:\n  %s", file, strings.Join(faults, "\n  "))
	}
	return p, nil
}

// faults is everything wrong with a plan that can be read.
func (p *Plan) faults() []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if p.Version != 1 {
		fault("version: found %d, want 1", p.Version)
	}
	if p.Rounds < 1 {
		fault("rounds: found %d, want at least 1", p.Rounds)
	}
	if len(p.Targets) == 0 {
		fault("targets: found none, want at least one")
	}
	if len(p.Scenarios) == 0 {
		fault("scenarios: found none, want at least one")
	}
	if p.Name == "" {
		p.Name = "comparison"
	}
	seen := map[string]bool{}
	named := func(what, name string, i int) string {
		if name == "" {
			fault("%s %d: found no name", what, i+1)
		} else if seen[what+name] {
			fault("%s %s: its name is taken", what, name)
		}
		seen[what+name] = true
		return what + " " + name
	}
	for i, s := range p.Services {
		where := named("service", s.Name, i)
		if s.Start == "" || s.Ready == "" {
			fault("%s: want start, a command, and ready, its host:port", where)
		}
	}
	for i, t := range p.Targets {
		where := named("target", t.Name, i)
		for _, text := range t.faults(p) {
			fault("%s: %s", where, text)
		}
	}
	for i := range p.Scenarios {
		where := named("scenario", p.Scenarios[i].Name, i)
		for _, text := range p.Scenarios[i].faults(p) {
			fault("%s: %s", where, text)
		}
	}
	for i := range p.Gates {
		where := named("gate", p.Gates[i].Name, i)
		for _, text := range p.Gates[i].faults(p) {
			fault("%s: %s", where, text)
		}
	}
	return faults
}

func (t *PlanTarget) faults(p *Plan) []string {
	var faults []string
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		faults = append(faults, fmt.Sprintf("url: found %q, want http://host:port/ or ws://…", t.URL))
	}
	for _, line := range t.Header {
		if _, _, err := splitHeader(line); err != nil {
			faults = append(faults, "header: "+err.Error())
		}
	}
	for _, name := range t.Skip {
		if !slices.ContainsFunc(p.Scenarios, func(s PlanScenario) bool { return s.Name == name }) {
			faults = append(faults, fmt.Sprintf("skip: found %q, want the name of a scenario", name))
		}
	}
	return faults
}

func (s *PlanScenario) faults(p *Plan) []string {
	var faults []string
	kind, ok := scenarioKinds[s.Kind]
	if !ok {
		return []string{fmt.Sprintf("kind: found %q, want hold, chat or http", s.Kind)}
	}
	switch {
	case s.Measure != "":
	case s.Leave > 0:
		s.Measure = "cpu_us_per_visit"
	case s.Listen:
		s.Measure = "cpu_seconds_per_gigabyte"
	default:
		s.Measure = kind.measure
	}
	for _, name := range s.Targets {
		if p.target(name) == nil {
			faults = append(faults, fmt.Sprintf("targets: found %q, want the name of a target", name))
		}
	}
	if s.Kind == "http" && s.Conns < 1 {
		faults = append(faults, "conns: want how many connections")
	}
	if s.Kind != "http" && s.N < 1 {
		faults = append(faults, "n: want how many connections")
	}
	if s.Kind == "chat" && s.Rate == 0 && !s.Listen {
		faults = append(faults, "rate: want one such as 4000/s, or max")
	}
	if s.Kind == "http" && s.Rate == 0 {
		faults = append(faults, "rate: want one such as 4000/s, or max")
	}
	return faults
}

// target finds one by its name; nil: there is none.
func (p *Plan) target(name string) *PlanTarget {
	for i := range p.Targets {
		if p.Targets[i].Name == name {
			return &p.Targets[i]
		}
	}
	return nil
}

// scenario likewise.
func (p *Plan) scenario(name string) *PlanScenario {
	for i := range p.Scenarios {
		if p.Scenarios[i].Name == name {
			return &p.Scenarios[i]
		}
	}
	return nil
}

// concerns reports whether a scenario is played on a target.
func (s *PlanScenario) concerns(t *PlanTarget) bool {
	return !slices.Contains(t.Skip, s.Name) && (len(s.Targets) == 0 || slices.Contains(s.Targets, t.Name))
}

// splitHeader reads "Name: value".
func splitHeader(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(value, "\r\n") {
		return "", "", errors.New(`found a header without a name or a colon, want "Name: value"`)
	}
	return name, value, nil
}

// Headers makes a header of lines "Name: value".
func Headers(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, err := splitHeader(line)
		if err != nil {
			return nil, usage("%v", err)
		}
		h.Add(name, value)
	}
	return h, nil
}

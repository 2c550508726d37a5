package bench

import (
	"fmt"
	"strings"
	"time"
)

// SchemaVersion is the version of Result's JSON form. It grows when a field
// changes its meaning or goes away; new fields leave it as it is.
const SchemaVersion = 1

// Result is what one run of a scenario found. Times are microseconds, sizes
// bytes, moments seconds since Started, unless a name says otherwise.
type Result struct {
	Schema   int       `json:"schema"`
	Scenario string    `json:"scenario"` // hold chat http storm replay
	URL      string    `json:"url"`      // without user and query
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // of the whole run
	Machine  Machine   `json:"machine"`
	Counts   Counts    `json:"counts"`
	// Latency is by what was timed: "handshake", "echo", "ping", "request",
	// "reconnect", "login", …
	Latency    map[string]Percentiles `json:"latency,omitempty"`
	Failures   []Failure              `json:"failures,omitempty"`    // most frequent first
	CloseCodes map[string]int         `json:"close_codes,omitempty"` // "1001", "eof", "reset" of connections the other side ended
	Series     []Point                `json:"series,omitempty"`      // one a second
	Targets    []TargetUse            `json:"targets,omitempty"`
	Client     ClientUse              `json:"client"`
	// LowerBound says that this client was the bottleneck: the target can do
	// at least this much.
	LowerBound bool `json:"lower_bound"`
	// Derived are figures made of the above, of all Targets together, where a
	// message is a frame in one direction: bytes_per_connection,
	// cpu_us_per_message, cpu_us_per_request, cpu_seconds_per_1000_connections,
	// connects_per_second, messages_per_second, requests_per_second, …
	Derived map[string]float64 `json:"derived,omitempty"`
	Notes   []string           `json:"notes,omitempty"` // whatever a reader should know, one sentence each
	// Sessions are those a replay traced: of many, some that stand for all,
	// and every kind of failed one.
	Sessions []SessionTrace `json:"sessions,omitempty"`
	Ended    string         `json:"ended"` // "done" or "interrupted"
}

// Counts are totals of a run.
type Counts struct {
	Planned    int `json:"planned"`     // connections, logins or sessions asked for
	Opened     int `json:"opened"`      // connections that were established, first time
	Failed     int `json:"failed"`      // attempts that failed: no connection, or another status than wanted
	Lost       int `json:"lost"`        // established connections the other side ended
	Reopened   int `json:"reopened"`    // of the lost, those that came back
	Retries    int `json:"retries"`     // attempts to come back that failed
	OpenAtEnd  int `json:"open_at_end"` // before we closed them
	Sent       int `json:"sent"`        // messages or requests in the measured time
	Answered   int `json:"answered"`    // of those
	Unanswered int `json:"unanswered"`  // of those
	Wrong      int `json:"wrong"`       // answers with another status, size or content than wanted
	BytesIn    int `json:"bytes_in"`    // payload
	BytesOut   int `json:"bytes_out"`   // payload
	Sessions   int `json:"sessions"`    // replay and storm: whole sessions done
	// FailedSessions are those of a replay that ended before their end, for
	// whatever reason; Failed, Lost and Wrong say for which.
	FailedSessions int `json:"failed_sessions,omitempty"`
	// Visits are connections that were opened, used and ended here in the
	// measured time, for another to take their place: with LeaveAfter and Churn.
	Visits int `json:"visits,omitempty"`
}

// Percentiles are of a latency, in microseconds.
type Percentiles struct {
	Count  int64   `json:"count"`
	Min    float64 `json:"min"`
	Mean   float64 `json:"mean"`
	StdDev float64 `json:"stddev"`
	P50    float64 `json:"p50"`
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
	P999   float64 `json:"p99_9"`
	P9999  float64 `json:"p99_99"`
	Max    float64 `json:"max"`
	// Histogram has equal steps of a logarithmic scale, empty ones left out.
	Histogram []Bar `json:"histogram,omitempty"`
}

// Bar counts the values above From up to and including To.
type Bar struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

// Failure counts what went wrong in one way.
type Failure struct {
	Kind   string `json:"kind"` // "refused", "timeout", "status 401", "no answer", …
	Count  int    `json:"count"`
	Sample string `json:"sample"` // one message, without credentials
}

// Point is one second of a run.
type Point struct {
	At       float64 `json:"at"`       // its end, seconds since Started
	Open     int     `json:"open"`     // connections, at its end
	Opening  int     `json:"opening"`  // at its end
	Failed   int     `json:"failed"`   // since Started
	Lost     int     `json:"lost"`     // since Started
	Messages int     `json:"messages"` // answers (or requests, or events) in this second
	P50      float64 `json:"p50"`      // of this second, µs; 0 without messages
	P99      float64 `json:"p99"`
}

// TargetUse is what one process asked for with --pid and its descendants used
// together.
type TargetUse struct {
	Pid        int           `json:"pid"`
	Command    string        `json:"command"`     // its name, without arguments
	Processes  int           `json:"processes"`   // with descendants, at the end
	CPUSeconds float64       `json:"cpu_seconds"` // user and system, in the measured time
	PSSStart   int64         `json:"pss_start"`   // before the first connection
	PSSIdle    int64         `json:"pss_idle"`    // all connections open and quiet; hold only
	PSSEnd     int64         `json:"pss_end"`     // all connections open still, at the end of the measured time
	FDsStart   int           `json:"fds_start"`
	FDsEnd     int           `json:"fds_end"`
	Series     []TargetPoint `json:"series,omitempty"`
	Error      string        `json:"error,omitempty"` // why figures are missing, or that it was restarted
}

// TargetPoint is one sample of a TargetUse.
type TargetPoint struct {
	At         float64 `json:"at"`
	PSS        int64   `json:"pss"`
	CPUSeconds float64 `json:"cpu_seconds"` // since Started
	FDs        int     `json:"fds"`
}

// ClientUse is what fastbench itself used.
type ClientUse struct {
	CPUSeconds         float64 `json:"cpu_seconds"`          // in the measured time
	CPUShare           float64 `json:"cpu_share"`            // of one core, of the busiest loop, in the measured time
	BytesPerConnection float64 `json:"bytes_per_connection"` // live heap; 0 when not measured, or too few
	Goroutines         int     `json:"goroutines"`           // while all connections were open
}

// Machine is where a run took place.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that this process may use
	Memory int64  `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// Err is nil if every connection was established and stayed, and every answer
// was right; else it says in one line what was not. It decides exit code 1.
func (r *Result) Err() error {
	var wrong []string
	add := func(n int, what string) {
		if n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(r.Counts.Failed, "failed")
	if r.Scenario == "hold" { // --reconnect was asked for, else none came back
		add(r.Counts.Lost-r.Counts.Reopened, "lost")
	} else {
		add(r.Counts.Lost, "lost")
	}
	add(r.Counts.Wrong, "answered wrongly")
	add(r.Counts.Unanswered, "not answered")
	if len(wrong) == 0 {
		return nil
	}
	line := "bench: " + r.Scenario + ": " + strings.Join(wrong, ", ")
	if len(r.Failures) > 0 {
		line += " (" + r.Failures[0].Kind + ": " + r.Failures[0].Sample + ")"
	}
	return fmt.Errorf("%s", line)
}

package bench

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteSummary writes what a run found as a page of text.
func (r *Result) WriteSummary(w io.Writer) error {
	fmt.Fprintf(w, "\n%s %s, %s%s\n\n", r.Scenario, r.URL, seconds(r.Seconds), r.endedEarly())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range r.countLines() {
		fmt.Fprintf(t, "  %s\t%s\n", line[0], line[1])
	}
	for _, kind := range r.timed() {
		p := r.Latency[kind]
		fmt.Fprintf(t, "  %s\tp50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", kind,
			micros(p.P50), micros(p.P90), micros(p.P99), micros(p.P999), micros(p.Max))
	}
	for _, f := range r.derived() {
		fmt.Fprintf(t, "  %s\t%s\n", f.Label, f.Write(r.Derived[f.Key]))
	}
	for _, u := range r.Targets {
		fmt.Fprintf(t, "  process %d\t%s\n", u.Pid, u.line())
	}
	fmt.Fprintf(t, "  fastbench itself\t%s\n", r.Client.line())
	if err := t.Flush(); err != nil {
		return err
	}
	r.writeTroubles(w)
	return nil
}

func (r *Result) endedEarly() string {
	if r.Ended == "" || r.Ended == "done" {
		return ""
	}
	return ", " + r.Ended
}

// writeTroubles writes what went wrong and what a reader should know.
func (r *Result) writeTroubles(w io.Writer) {
	if len(r.Failures) > 0 {
		fmt.Fprintln(w, "\n  what failed:")
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "    %s × %s: %s\n", thousands(int64(f.Count)), f.Kind, f.Sample)
	}
	if len(r.CloseCodes) > 0 {
		fmt.Fprintf(w, "\n  closed by the other side: %s\n", r.closeCodes())
	}
	if r.LowerBound {
		fmt.Fprintln(w, "\n  "+lowerBoundText)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, "  "+note)
	}
}

const lowerBoundText = "This client was the bottleneck: the target can do at least this much."

// countLines are the totals that say something in this scenario, each with
// its name.
func (r *Result) countLines() [][2]string {
	c := r.Counts
	number := func(n int) string { return thousands(int64(n)) }
	what := "connections"
	if r.Scenario == "storm" {
		what = "sign-ins"
	}
	var lines [][2]string
	if r.Scenario == "replay" {
		lines = append(lines, [2]string{"sessions", fmt.Sprintf("%s done, %s failed", number(c.Sessions), number(c.FailedSessions))})
	} else {
		text := fmt.Sprintf("%s of %s opened, %s failed", number(c.Opened), number(c.Planned), number(c.Failed))
		if c.Lost > 0 {
			text += fmt.Sprintf(", %s lost, %s came back", number(c.Lost), number(c.Reopened))
		}
		lines = append(lines, [2]string{what, text + fmt.Sprintf(", %s open at the end", number(c.OpenAtEnd))})
	}
	if c.Sent > 0 {
		text := fmt.Sprintf("%s sent, %s answered", number(c.Sent), number(c.Answered))
		if c.Unanswered > 0 {
			text += fmt.Sprintf(", %s not", number(c.Unanswered))
		}
		if c.Wrong > 0 {
			text += fmt.Sprintf("; %s wrong answers in the whole run", number(c.Wrong))
		}
		lines = append(lines, [2]string{r.unit(), text})
	} else if c.Answered > 0 {
		lines = append(lines, [2]string{r.unit(), number(c.Answered) + " heard"})
	}
	if c.Visits > 0 {
		lines = append(lines, [2]string{"visits", number(c.Visits) + " connections came, talked and left"})
	}
	if c.BytesIn+c.BytesOut > 0 {
		lines = append(lines, [2]string{"payload", size(float64(c.BytesOut)) + " out, " + size(float64(c.BytesIn)) + " in"})
	}
	return lines
}

// unit is what was sent.
func (r *Result) unit() string {
	if _, asked := r.Latency["request"]; asked || r.Scenario == "http" {
		return "requests"
	}
	return "messages"
}

func (r *Result) closeCodes() string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(r.CloseCodes)) {
		parts = append(parts, fmt.Sprintf("%s × %s", thousands(int64(r.CloseCodes[code])), code))
	}
	return strings.Join(parts, ", ")
}

// line is one process in one line.
func (u *TargetUse) line() string {
	text := path.Base(u.Command)
	if u.Processes > 1 {
		text += fmt.Sprintf(" (%d processes)", u.Processes)
	}
	text += fmt.Sprintf(": CPU %s", seconds(u.CPUSeconds))
	if u.PSSEnd > 0 {
		text += fmt.Sprintf(", memory %s → %s", size(float64(u.PSSStart)), size(float64(max(u.PSSIdle, u.PSSEnd))))
	}
	if u.FDsEnd > 0 {
		text += fmt.Sprintf(", descriptors %s → %s", thousands(int64(u.FDsStart)), thousands(int64(u.FDsEnd)))
	}
	if u.Error != "" {
		text += "; " + u.Error
	}
	return text
}

// line is what this client used, in one line.
func (c *ClientUse) line() string {
	text := fmt.Sprintf("CPU %s, its busiest loop %s %% of a core", seconds(c.CPUSeconds), digits(c.CPUShare*100))
	if c.BytesPerConnection > 0 {
		text += ", " + size(c.BytesPerConnection) + " per connection"
	}
	if c.Goroutines > 0 {
		text += fmt.Sprintf(", %d goroutines", c.Goroutines)
	}
	return text
}

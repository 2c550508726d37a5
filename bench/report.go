package bench

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	htmltemplate "html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// The report is one page that needs nothing else: no network, no server. What
// can be read is in the HTML; charts are drawn by uPlot, which is in the page.
//
//go:embed report
var reportFiles embed.FS

// uPlot rather than a larger library: 51 kB, canvas, no dependencies.
var (
	plotScript   = embedded("uPlot.iife.min.js")
	plotStyle    = embedded("uPlot.min.css")
	plotLicence  = embedded("uPlot.LICENSE")
	reportScript = embedded("report.js")
	reportStyle  = embedded("report.css")
	reportPage   = htmltemplate.Must(htmltemplate.New("report").Funcs(htmltemplate.FuncMap{
		"micros":  micros,
		"count":   thousands,
		"percent": func(scale, v float64) float64 { return share(scale, v) },
		"span":    func(scale, from, to float64) float64 { return share(scale, to-from) },
		"ratio":   digits,
		"hue":     func(i int) int { return i % 8 },
	}).Parse(embedded("report.html")))
)

func embedded(name string) string {
	text, err := reportFiles.ReadFile("report/" + name)
	if err != nil {
		panic(err) // it is compiled in
	}
	return string(text)
}

// share is v in hundredths of scale, with one decimal.
func share(scale, v float64) float64 {
	if scale <= 0 || v <= 0 {
		return 0
	}
	return math.Round(1000*v/scale) / 10
}

// report is what the page shows. Nil and empty parts are left out.
type report struct {
	Title, Kind, Heading, About string
	Started                     time.Time
	Took, Machine               string
	Fault, Interrupted          string
	LowerBound                  bool
	Facts                       []named // the telling figures, large
	Tables                      []tableView
	Gates                       []Gate
	Charts                      []chart
	Latency                     []latencyRow
	Failures                    []Failure
	Rows                        []named
	RowsTitle                   string
	Rounds                      []roundsView
	Notes                       []string
	Data                        any // for the charts

	PlotStyle, Style   htmltemplate.CSS
	PlotScript, Script htmltemplate.JS
	ScriptHashes       string
	PlotLicence        string
}

type named struct{ Name, Value string }

// chart is a place for one; report.js knows how each ID is drawn.
type chart struct {
	ID, Of, Title, Note string
	Wide                bool
}

type latencyRow struct {
	Kind string
	Percentiles
}

func (p *report) write(w io.Writer) error {
	p.PlotStyle, p.Style = htmltemplate.CSS(plotStyle), htmltemplate.CSS(reportStyle)
	p.PlotScript, p.Script = htmltemplate.JS(plotScript), htmltemplate.JS(reportScript)
	p.ScriptHashes = cspHash(plotScript) + " " + cspHash(reportScript)
	p.PlotLicence = plotLicence
	if err := reportPage.Execute(w, p); err != nil {
		return fmt.Errorf("bench: write report: %w", err)
	}
	return nil
}

func cspHash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// WriteReport writes the result as a self-contained HTML page.
func (r *Result) WriteReport(w io.Writer) error {
	p := &report{
		Title: "fastbench " + r.Scenario + " " + r.URL, Kind: r.Scenario, Heading: r.URL,
		Started: r.Started, Took: seconds(r.Seconds), Machine: r.Machine.line(),
		LowerBound: r.LowerBound, Failures: r.Failures, Notes: r.Notes, Data: r,
		Facts: r.facts(), Charts: r.charts(), Rows: r.rows(), RowsTitle: "In numbers",
	}
	if err := r.Err(); err != nil {
		p.Fault = strings.TrimPrefix(err.Error(), "bench: "+r.Scenario+": ")
	}
	if r.Ended != "done" {
		p.Interrupted = cmp.Or(r.Ended, "unknown why")
	}
	for _, kind := range r.timed() {
		p.Latency = append(p.Latency, latencyRow{kind, r.Latency[kind]})
	}
	return p.write(w)
}

// facts are the figures to see first.
func (r *Result) facts() []named {
	var facts []named
	for _, line := range r.countLines()[:1] {
		value, _, _ := strings.Cut(line[1], ", ")
		if r.Scenario != "replay" {
			value = fmt.Sprintf("%s of %s", thousands(int64(r.Counts.Opened)), thousands(int64(r.Counts.Planned)))
		}
		facts = append(facts, named{line[0], value})
	}
	for _, f := range r.derived() {
		if !slices.Contains(scenarioKinds[r.Scenario].omit, f.Key) {
			facts = append(facts, named{f.Label, f.Write(r.Derived[f.Key])})
		}
	}
	for _, kind := range r.timed() {
		p := r.Latency[kind]
		facts = append(facts, named{kind + ", p50", micros(p.P50)}, named{kind + ", p99", micros(p.P99)})
	}
	return facts
}

// charts lists what there is data for.
func (r *Result) charts() []chart {
	var list []chart
	var messages, timed bool
	for _, p := range r.Series {
		messages = messages || p.Messages > 0
		timed = timed || p.P99 > 0
	}
	if len(r.Series) > 0 {
		list = append(list, chart{ID: "connections", Title: "Connections over time"})
	}
	if messages {
		title := "Messages per second"
		if r.unit() == "requests" {
			title = "Requests per second"
		}
		list = append(list, chart{ID: "messages", Title: title})
	}
	if timed {
		list = append(list, chart{ID: "latency", Title: "Latency over time", Note: "of each second, from when each was due"})
	}
	var spread bool
	for _, kind := range r.timed() {
		spread = spread || len(r.Latency[kind].Histogram) > 0
	}
	if spread {
		list = append(list, chart{ID: "percentiles", Title: "Latency by percentile", Note: "to the right the rare ones: ten times rarer at each mark"})
	}
	for _, kind := range r.timed() {
		if len(r.Latency[kind].Histogram) > 0 {
			list = append(list, chart{ID: "histogram", Of: kind, Title: "How " + kind + " times are spread"})
		}
	}
	for _, t := range r.Targets {
		if len(t.Series) > 1 {
			list = append(list, chart{ID: "memory", Title: "Memory of the target", Note: "proportional set size"},
				chart{ID: "cpu", Title: "CPU of the target", Note: "of one core"},
				chart{ID: "descriptors", Title: "Descriptors of the target"})
			break
		}
	}
	if len(r.Sessions) > 0 {
		list = append(list, chart{ID: "waterfall", Title: "Waterfall of a session",
			Note: "each line of the recording, played; failed sessions first, then the slowest", Wide: true})
	}
	return list
}

// rows is everything else in words.
func (r *Result) rows() []named {
	var rows []named
	for _, line := range r.countLines() {
		rows = append(rows, named{line[0], line[1]})
	}
	for _, f := range r.derived() {
		rows = append(rows, named{f.Label, f.Write(r.Derived[f.Key])})
	}
	for _, u := range r.Targets {
		rows = append(rows, named{fmt.Sprintf("process %d", u.Pid), u.line()})
	}
	if len(r.CloseCodes) > 0 {
		rows = append(rows, named{"closed by the other side", r.closeCodes()})
	}
	return append(rows, named{"fastbench itself", r.Client.line()})
}

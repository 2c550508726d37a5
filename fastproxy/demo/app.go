package demo

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// app is what server(input, output, session) is in R: outputs, each with the
// inputs it reads, and perhaps something that happens by itself.
type app struct {
	outputs []output
	// pace says when the app next recalculates by itself (invalidateLater), and
	// which outputs; nil for never.
	pace func(v *visit) (time.Duration, []string)
}

type output struct {
	name   string
	reads  []string // inputs; a trailing "*" is any ending
	render func(v *visit) any
}

// silent is an output's error that the page shows in its place: need() in R.
type silent string

func (o output) readsAny(inputs []string) bool {
	return slices.ContainsFunc(inputs, func(in string) bool {
		return slices.ContainsFunc(o.reads, func(pattern string) bool {
			stem, open := strings.CutSuffix(pattern, "*")
			return in == pattern || open && strings.HasPrefix(in, stem)
		})
	})
}

// delays is the app at the root: how late do the companies' flights arrive?
var delays = app{outputs: []output{
	{"plot", []string{"late", "company", ".clientdata_output_plot_*"}, renderPlot},
	{"summary", []string{"late", "company"}, renderSummary},
	{"table", []string{"late", "company"}, renderTable},
	{"whoami", nil, renderWhoami},
	{"told", nil, func(v *visit) any { return fragment("told", v.env.told()) }},
	{"upinfo", []string{"up"}, func(v *visit) any { return v.uploaded() }},
	{"down", []string{"late"}, func(v *visit) any { return v.downloadURL("down") }},
	{"down_utf8", []string{"late"}, func(v *visit) any { return v.downloadURL("down_utf8") }},
}}

// nothing says why there is nothing to see.
func (g guest) nothing() silent {
	if !g.Known {
		return "Shiny was not told who you are, so there is nothing you may see. Come in through the proxy."
	}
	return "None of your groups names a company, so there is nothing you may see."
}

// chosen is the company picked on the page, or all that the visitor may see.
func (v *visit) chosen() []company {
	visible := visibleTo(v.guest.Groups)
	code := v.text("company", "")
	if i := slices.IndexFunc(visible, func(c company) bool { return c.Code == code }); i >= 0 {
		return visible[i : i+1]
	}
	return visible
}

func (v *visit) late() int { return int(v.number("late", 15, 0, 120)) / 5 * 5 }

// total adds up the chosen companies.
func (v *visit) total() (flights, late int) {
	for _, c := range v.chosen() {
		r := c.countLate(v.late())
		flights, late = flights+r.Flights, late+r.Late
	}
	return flights, late
}

func renderPlot(v *visit) any {
	if len(v.chosen()) == 0 {
		return v.guest.nothing()
	}
	c := v.canvas("plot")
	flights, late := v.total()
	alt := fmt.Sprintf("Histogram of the arrival delays of %d flights; %d arrived more than %d minutes late.", flights, late, v.late())
	return c.picture(c.drawHistogram(histogram(v.chosen()), v.late()), alt)
}

func renderSummary(v *visit) any {
	flights, late := v.total()
	if flights == 0 {
		return "No flights to show."
	}
	return fmt.Sprintf("%.1f%% of %d flights arrived more than %d minutes late.",
		100*float64(late)/float64(flights), flights, v.late())
}

func renderTable(v *visit) any {
	var rows []row
	for _, c := range visibleTo(v.guest.Groups) {
		rows = append(rows, c.countLate(v.late()))
	}
	return fragment("table", map[string]any{"Rows": rows, "Late": v.late(), "Chosen": v.text("company", "")})
}

func renderWhoami(v *visit) any {
	return fragment("whoami", map[string]any{"Guest": v.guest, "Visible": visibleTo(v.guest.Groups), "All": len(companies)})
}

// fragment renders a piece of page that travels inside values.
func fragment(name string, fields any) string {
	body, err := renderPage(name, fields)
	if err != nil {
		return template.HTMLEscapeString("demo: cannot render " + name)
	}
	return string(bytes.TrimSpace(body))
}

// stream is the app under /sockjs/: a line that moves by itself, so that a
// buffering proxy would show at once.
var stream = app{
	outputs: []output{
		{"stream", []string{"rate", ".clientdata_output_stream_*"}, renderStream},
		{"tick", nil, func(v *visit) any { return v.ticks }},
		{"told", nil, func(v *visit) any { return fragment("told", v.env.told()) }},
		{"whoami", nil, func(v *visit) any { return v.guest.User }},
	},
	pace: func(v *visit) (time.Duration, []string) {
		v.ticks++
		return time.Duration(float64(time.Second) / v.number("rate", 2, 1, 20)), []string{"stream", "tick"}
	},
}

const streamRoom = 60

func renderStream(v *visit) any {
	v.points = append(v.points, nextPoint(v.points))
	for len(v.points) < streamRoom { // the first time: as if it had run before
		v.points = append(v.points, nextPoint(v.points))
	}
	v.points = v.points[len(v.points)-streamRoom:]
	c := v.canvas("stream")
	return c.picture(c.drawLine(v.points),
		fmt.Sprintf("A line that moves with every message, now at %.0f of 100.", v.points[streamRoom-1]))
}

// nextPoint is a step of a random walk that likes the middle, within 2 to 98.
func nextPoint(points []float64) float64 {
	last := 50.0
	if len(points) > 0 {
		last = points[len(points)-1]
	}
	next := last + (50-last)*.05 + rand.NormFloat64()*7
	return math.Round(10*min(max(next, 2), 98)) / 10
}

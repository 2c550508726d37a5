package demo

import (
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// picture is what renderPlot puts into values: an image the size of the space
// that the browser reported.
type picture struct {
	Src    string `json:"src"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Alt    string `json:"alt"`
}

// canvas is the space and the colours of a plot, as the browser reported them:
// Shiny's client sends the computed colours so that plots can follow the page.
type canvas struct {
	width, height     int
	paper, ink, tinge string // background, foreground, accent
}

// cssColour is the form in which browsers compute colours.
var cssColour = regexp.MustCompile(`^(#[0-9a-fA-F]{3,8}|rgba?\([0-9., %/]{5,40}\)|color\(srgb [0-9. /]{5,60}\))$`)

func (v *visit) canvas(id string) canvas {
	colour := func(kind, otherwise string) string {
		if c := v.text(".clientdata_output_"+id+"_"+kind, ""); cssColour.MatchString(c) {
			return c
		}
		return otherwise
	}
	return canvas{
		width:  int(v.number(".clientdata_output_"+id+"_width", 640, 220, 2400)),
		height: int(v.number(".clientdata_output_"+id+"_height", 260, 80, 1200)),
		paper:  colour("bg", "#ffffff"), ink: colour("fg", "#222222"), tinge: colour("accent", "#0b6bcb"),
	}
}

func (c canvas) picture(body, alt string) picture {
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="system-ui,sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="%s"/>%s</svg>`,
		c.width, c.height, c.width, c.height, c.paper, body)
	return picture{
		Src:   "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg)),
		Width: c.width, Height: c.height, Alt: alt,
	}
}

// drawHistogram draws bins of five minutes from -30 on; those above late
// minutes in the accent colour, with a dashed line at the limit.
func (c canvas) drawHistogram(bins []int, late int) string {
	const left, right, top, bottom = 44, 18, 26, 34
	w, h := float64(c.width-left-right), float64(c.height-top-bottom)
	most := 1
	for _, n := range bins {
		most = max(most, n)
	}
	step := niceStep(float64(most), max(2, int(h)/45))
	ceiling := math.Ceil(float64(most)/step) * step
	x := func(minutes int) float64 { return left + w*float64(minutes+30)/float64(5*len(bins)) }
	y := func(n float64) float64 { return top + h*(1-n/ceiling) }

	var b strings.Builder
	for n := 0.0; n <= ceiling; n += step {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="%s" stroke-opacity=".16"/>`, left, y(n), c.width-right, c.ink)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end" fill="%s" fill-opacity=".75">%.0f</text>`, left-7, y(n)+4, c.ink, n)
	}
	every := 30
	if w < 420 {
		every = 60
	}
	for m := -30; m <= 150; m += every {
		sign := ""
		switch {
		case m > 0:
			sign = "+"
		case m < 0:
			sign = "−"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="%s" fill-opacity=".75">%s%d</text>`,
			x(m), c.height-bottom+17, c.ink, sign, max(m, -m))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="%s" fill-opacity=".75">minutes late</text>`,
		c.width-right, c.height-3, c.ink)
	for i, n := range bins {
		fill, opacity := c.ink, ".34"
		from := -30 + 5*i
		if from >= late {
			fill, opacity = c.tinge, "1"
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="%s"/>`,
			x(from)+.5, y(float64(n)), x(from+5)-x(from)-1, max(0, top+h-y(float64(n))), fill, opacity)
	}
	anchor, dx := "start", 6
	if late > 90 {
		anchor, dx = "end", -6
	}
	fmt.Fprintf(&b, `<path d="M%.1f %dV%.1f" stroke="%s" stroke-width="1.5" stroke-dasharray="4 4"/>`, x(late), top-14, top+h, c.ink)
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s" fill="%s" font-weight="600">late: more than %d min</text>`,
		x(late)+float64(dx), top-6, anchor, c.ink, late)
	return b.String()
}

// niceStep is 1, 2 or 5 times a power of ten that cuts most into about n.
func niceStep(most float64, n int) float64 {
	rough := max(1, most/float64(n))
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= rough {
			return f * power
		}
	}
	return 10 * power
}

// drawLine draws the newest points, the last one marked.
func (c canvas) drawLine(points []float64) string {
	const side, top, bottom = 10, 12, 12
	w, h := float64(c.width-2*side), float64(c.height-top-bottom)
	var line strings.Builder
	var lastX, lastY float64
	for i, p := range points {
		lastX = side + w*float64(i)/float64(len(points)-1)
		lastY = top + h*(1-p/100)
		op := "L"
		if i == 0 {
			op = "M"
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", op, lastX, lastY)
	}
	var b strings.Builder
	for _, level := range []float64{0, 50, 100} {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="%s" stroke-opacity=".16"/>`, side, top+h*(1-level/100), c.width-side, c.ink)
	}
	fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, line.String(), c.tinge)
	fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s"/>`, lastX, lastY, c.tinge)
	return b.String()
}

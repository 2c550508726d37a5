package bench

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// How figures are written for people, the same in the terminal, in tables and
// in reports: three digits that count, and the unit that fits.

// micros writes a time given in microseconds.
func micros(us float64) string {
	switch {
	case math.IsNaN(us):
		return "–"
	case us < 999.5:
		return digits(us) + " µs"
	case us < 999.5e3:
		return digits(us/1e3) + " ms"
	}
	return digits(us/1e6) + " s"
}

// size writes a number of bytes.
func size(b float64) string {
	switch {
	case math.IsNaN(b):
		return "–"
	case math.Abs(b) < 10e3: // 4713 B says more than 4.71 kB here
		return digits4(b) + " B"
	case math.Abs(b) < 10e6:
		return digits(b/1e3) + " kB"
	case math.Abs(b) < 10e9:
		return digits(b/1e6) + " MB"
	}
	return digits(b/1e9) + " GB"
}

// digits writes a number with three digits that count.
func digits(f float64) string {
	switch a := math.Abs(f); {
	case a >= 999.5:
		return thousands(int64(math.Round(f)))
	case a >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func digits4(f float64) string {
	if math.Abs(f) >= 99.95 {
		return thousands(int64(math.Round(f)))
	}
	return digits(f)
}

// thousands writes a whole number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// clock writes a span as minutes and seconds.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// seconds writes a span given in seconds.
func seconds(s float64) string {
	if s < 120 {
		return digits(s) + " s"
	}
	return clock(time.Duration(s*float64(time.Second))) + " min"
}

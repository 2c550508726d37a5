package fastproxy

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestColoursCanBeRead wants the contrasts of WCAG 2.2: 4.5 for text (1.4.3),
// 3 for what shows where a field is (1.4.11), in light and in dark.
func TestColoursCanBeRead(t *testing.T) {
	light, dark, ok := strings.Cut(pageStyle, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark colours")
	}
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colour := make(map[string]float64)
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
			colour[m[1]] = luminance(t, m[2])
		}
		for _, p := range []struct {
			on, under string
			want      float64
		}{
			{"ink", "paper", 4.5}, {"ink", "card", 4.5}, {"ink", "wash", 4.5}, {"soft", "paper", 4.5}, {"soft", "card", 4.5}, {"soft", "wash", 4.5},
			{"accent-ink", "accent", 4.5}, {"accent-ink", "accent-over", 4.5}, {"accent", "card", 4.5}, {"bad", "bad-wash", 4.5}, {"good", "good-wash", 4.5},
			{"edge", "card", 3}, {"edge", "wash", 3}, {"bad", "card", 3}, {"accent", "paper", 3}, {"accent", "wash", 3},
		} {
			a, okA := colour[p.on]
			b, okB := colour[p.under]
			if !okA || !okB {
				t.Errorf("%s: no colour %s or %s", scheme, p.on, p.under)
				continue
			}
			if got := (max(a, b) + .05) / (min(a, b) + .05); got < p.want {
				t.Errorf("%s: %s on %s has contrast %.2f, want %.1f", scheme, p.on, p.under, got, p.want)
			}
		}
	}
}

// luminance is WCAG's relative luminance of a colour rrggbb.
func luminance(t *testing.T, hex string) (sum float64) {
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

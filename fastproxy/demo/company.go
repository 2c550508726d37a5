package demo

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// company is an airline that does not exist, with a year of arrivals.
type company struct {
	Code, Name string
	delays     []int // minutes late, negative for early; sorted
}

// companies is the demonstration's data: eight companies, the same at every start.
var companies = makeCompanies()

func makeCompanies() []company {
	plan := []struct {
		code, name  string
		flights     int
		early, late float64 // usual minutes early; mean minutes of a late one
		share       float64 // of flights that run late
	}{
		{"AA", "Aurora Air", 1240, 6, 31, 0.31},
		{"BF", "Bluefjord", 610, 9, 24, 0.22},
		{"DL", "Dune Lines", 980, 8, 27, 0.24},
		{"FF", "Firefinch", 430, 2, 44, 0.43},
		{"HA", "Halcyon", 350, 12, 19, 0.13},
		{"NK", "Nordkite", 520, 5, 36, 0.35},
		{"UA", "Ursa Airways", 1150, 7, 33, 0.28},
		{"WN", "Westnorth", 870, 4, 29, 0.33},
	}
	var all []company
	for i, p := range plan {
		dice := rand.New(rand.NewPCG(2026, uint64(i)))
		c := company{Code: p.code, Name: p.name}
		for range p.flights {
			minutes := -p.early + dice.NormFloat64()*8
			if dice.Float64() < p.share {
				minutes += dice.ExpFloat64() * p.late
			}
			c.delays = append(c.delays, int(math.Round(min(max(minutes, -30), 149))))
		}
		slices.Sort(c.delays)
		all = append(all, c)
	}
	return all
}

// visibleTo lists the companies that somebody of these groups may see: Admin
// every one, others those whose code is one of their groups.
func visibleTo(groups []string) []company {
	if slices.Contains(groups, "Admin") {
		return companies
	}
	var some []company
	for _, c := range companies {
		if slices.Contains(groups, c.Code) {
			some = append(some, c)
		}
	}
	return some
}

// row is one company's line in the table, for one definition of late.
type row struct {
	Code, Name    string
	Flights, Late int
	Percent, Mean float64 // share of late flights; mean minutes late
}

// countLate makes the company's line: late is more than that many minutes.
func (c company) countLate(minutes int) row {
	at, _ := slices.BinarySearch(c.delays, minutes+1)
	sum := 0
	for _, d := range c.delays {
		sum += d
	}
	n := len(c.delays)
	return row{c.Code, c.Name, n, n - at, 100 * float64(n-at) / float64(n), float64(sum) / float64(n)}
}

// MeanShown is the mean with a real minus sign.
func (r row) MeanShown() string {
	return strings.Replace(strconv.FormatFloat(r.Mean, 'f', 1, 64), "-", "−", 1)
}

// histogram counts arrivals in bins of five minutes from -30 to 150.
func histogram(some []company) []int {
	bins := make([]int, 36)
	for _, c := range some {
		for _, d := range c.delays {
			bins[(d+30)/5]++
		}
	}
	return bins
}

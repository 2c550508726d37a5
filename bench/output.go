package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// WriteJSON writes everything the run found. Figures that are no numbers, such
// as a quotient by nothing, are left out.
func (r *Result) WriteJSON(w io.Writer) error { return writeJSON(w, r.finite()) }

// WriteJSON writes every run of the comparison.
func (c *Comparison) WriteJSON(w io.Writer) error {
	all := *c
	all.Runs = append([]ComparedRun(nil), c.Runs...)
	for i := range all.Runs {
		all.Runs[i].Result = all.Runs[i].Result.finite()
	}
	return writeJSON(w, &all)
}

// finite is a result that JSON can hold.
func (r *Result) finite() *Result {
	if r == nil {
		return nil
	}
	f := *r
	f.Derived = map[string]float64{}
	for key, v := range r.Derived {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			f.Derived[key] = v
		}
	}
	return &f
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("bench: write JSON: %w", err)
	}
	return nil
}

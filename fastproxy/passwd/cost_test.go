package passwd

import (
	"slices"
	"testing"
	"time"
)

func TestFitCostTakesTheLargestThatFits(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		limit    time.Duration
		want     uint8
		measured []uint8
	}{
		{1 * ms, 14, []uint8{14}},
		{50 * ms, 14, []uint8{14, 15}},
		{99 * ms, 14, []uint8{14, 15}},
		{100 * ms, 15, []uint8{14, 15, 16}},
		{time.Second, 18, []uint8{14, 15, 16, 17, 18}},
		{time.Hour, 18, []uint8{14, 15, 16, 17, 18}},
	} {
		var measured []uint8
		got := FitCost(c.limit, func(logN uint8) time.Duration {
			measured = append(measured, logN)
			return 50 * ms << (logN - 14)
		})
		if got != c.want || !slices.Equal(measured, c.measured) {
			t.Errorf("%v: found %d after %d, want %d after %d", c.limit, got, measured, c.want, c.measured)
		}
	}
}

func TestMeasureCostTakesTime(t *testing.T) {
	if MeasureCost(4) <= 0 {
		t.Error("no time passed")
	}
}

package passwd

import "time"

// FitCost returns the largest logN from LogNFloor to LogNMax that takes no
// longer than limit by measure, which says how long one hash of that logN
// takes. It measures from the cheap end and stops at the first that is too
// dear; below LogNFloor it never goes.
func FitCost(limit time.Duration, measure func(logN uint8) time.Duration) uint8 {
	fit := uint8(LogNFloor)
	for logN := fit; logN <= LogNMax && measure(logN) <= limit; logN++ {
		fit = logN
	}
	return fit
}

// MeasureCost hashes once with logN, on this machine as busy as it is now, and
// says how long it took.
func MeasureCost(logN uint8) time.Duration {
	began := time.Now()
	NewHash([]byte("how long does this take"), logN)
	return time.Since(began)
}

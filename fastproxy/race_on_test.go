//go:build race

package fastproxy

// raceDetector is on: sync.Pool forgets on purpose.
const raceDetector = true

//go:build race

package relay

// raceDetector is on: sync.Pool forgets on purpose.
const raceDetector = true

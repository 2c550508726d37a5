//go:build !race

package fastproxy

const raceDetector = false

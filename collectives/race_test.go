//go:build race

package collectives_test

// raceEnabled: under the race detector fewer goroutines fit.
const raceEnabled = true

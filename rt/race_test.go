//go:build race

package rt_test

// raceEnabled: under the race detector pools drop what they are given.
const raceEnabled = true

//go:build race

package tcp

// raceEnabled makes tests under the race detector shorter.
const raceEnabled = true

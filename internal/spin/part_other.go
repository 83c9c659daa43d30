//go:build !linux

package spin

func part() bool { return false }

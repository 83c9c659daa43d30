//go:build !linux

package cpuset

import "errors"

var errLinux = errors.New("processes are bound to CPUs on Linux only")

// Of is known on Linux only.
func Of(int) (Set, error) { return nil, errLinux }

// Allowed is known on Linux only.
func Allowed() (Set, error) { return nil, errLinux }

// Bind works on Linux only.
func (Set) Bind() error { return errLinux }

// Current is known on Linux only.
func Current() (int, error) { return 0, errLinux }

// Move works on Linux only.
func Move(func(may Set, here int) Set) bool { return false }

// Part works on Linux only.
func Part() bool { return false }

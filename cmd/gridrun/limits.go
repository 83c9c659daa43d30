package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// What Go's runtime takes before it fails, often in the middle of things and with
// nothing to say but its own stacks. Addresses are reserved, not used: a small
// program takes 0.7 GiB of them and may fail with twice as many.
const (
	leastAddresses = 3 << 29 // bytes
	leastThreads   = 24      // of a user: gridrun, guard, agent and a rank
)

// checkLimits says which limit of this process is too small for gridrun.
func checkLimits() error {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &l) == nil && l.Cur < leastAddresses {
		return fmt.Errorf("the limit of address space is %d KiB, gridrun and each of its ranks need %d: ulimit -v unlimited, or as in limits(5)", l.Cur>>10, leastAddresses>>10)
	}
	if os.Geteuid() != 0 && unix.Getrlimit(unix.RLIMIT_NPROC, &l) == nil && l.Cur < leastThreads {
		return fmt.Errorf("the limit of processes and threads is %d, gridrun needs %d and some 8 for each rank: see ulimit -u, or limits(5)", l.Cur, leastThreads)
	}
	return nil
}

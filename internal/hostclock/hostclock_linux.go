package hostclock

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // every Linux has this clock
	}
	return ts.Nano()
}

// BootID names the running system, "" where that is unknown. Hosts that are
// namespaces of one machine have the same, and the same clock.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

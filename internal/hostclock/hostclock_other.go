//go:build !linux

package hostclock

import "time"

var started = time.Now()

// monotonic counts from the start of the process: elsewhere nothing is shared.
func monotonic() int64 { return int64(time.Since(started)) }

// BootID is unknown elsewhere.
func BootID() string { return "" }

//go:build race

package spin

import "sync"

// Lock is one that the race detector knows.
type Lock = sync.Mutex

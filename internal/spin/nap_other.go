//go:build !linux

package spin

import (
	"sync/atomic"
	"time"
)

func Nap(over *uint32, d time.Duration) {
	if atomic.LoadUint32(over) == 0 {
		time.Sleep(d)
	}
}

func EndNaps(over *uint32) { atomic.StoreUint32(over, 1) }

//go:build !amd64 || race

package spin

import "sync/atomic"

func store(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

func storePointer[T any](p *atomic.Pointer[T], v *T) { p.Store(v) }

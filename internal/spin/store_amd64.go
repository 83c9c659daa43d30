//go:build !race

package spin

import (
	"sync/atomic"
	"unsafe"
)

// A plain move: on this architecture stores become visible in program order, and
// the compiler moves nothing across a call of assembly.
//
//go:noescape
func store(p *uint64, v uint64)

// A plain store of a pointer tells the garbage collector what an atomic one does; the
// compiler keeps the order of stores.
func storePointer[T any](p *atomic.Pointer[T], v *T) { *(**T)(unsafe.Pointer(p)) = v }

package board

import (
	"sync/atomic"
	"unsafe"
)

// Words are what a member waits for: N words, Stride bytes apart, that must each
// have reached Want, in the wrapping order of uint32.
type Words struct {
	first  unsafe.Pointer
	stride uintptr
	N      int
	want   uint32
}

func word(p *uint32, want uint32) Words { return Words{first: at32(p), N: 1, want: want} }

func at32(p *uint32) unsafe.Pointer { return unsafe.Pointer(p) }

// Reached returns how many words, from number from on, have been reached before
// the first that has not; N if all.
func (w *Words) Reached(from int) int {
	for ; from < w.N; from++ {
		p := (*uint32)(unsafe.Add(w.first, uintptr(from)*w.stride))
		if int32(atomic.LoadUint32(p)-w.want) < 0 {
			return from
		}
	}
	return from
}

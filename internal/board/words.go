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

	// count moves on as others bring the words about; stalled is where somebody saw it
	// stand still. nil: nobody counts.
	count, stalled *uint32
}

func word(p *uint32, want uint32) Words { return Words{first: at32(p), N: 1, want: want} }

// arrivals is a word that arrivals in a round bring about.
func (r *round) arrivals(p *uint32, want uint32) Words {
	w := word(p, want)
	w.count, w.stalled = &r.arrived, &r.stalled
	return w
}

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

// Count is how far others have come in bringing the words about; ok is false if nobody
// counts, or somebody has seen it stand still there.
func (w *Words) Count() (n uint32, ok bool) {
	if w.count == nil {
		return 0, false
	}
	n = atomic.LoadUint32(w.count)
	return n, atomic.LoadUint32(w.stalled) != n
}

// Stalled says that Count has stayed n for longer than it is worth to wait without
// giving way: nobody else need try.
func (w *Words) Stalled(n uint32) { atomic.StoreUint32(w.stalled, n) }

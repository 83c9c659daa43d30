// Package arena hands out ranges of a region of memory that it never touches:
// pure bookkeeping, so that the region can be shared memory.
//
// Sizes are rounded up to [Unit]. Free ranges are kept ordered by offset and
// joined with their neighbours when freed; an allocation takes the first range
// that fits (first fit keeps the high end of the region unused for longest,
// and unused pages cost nothing). Blocks of one array have one size, so a
// range that one block left fits the next; between sizes the caller frees
// further blocks until a range is long enough.
package arena

import (
	"fmt"
	"sort"
)

// Unit is the granularity in bytes: a page, so that two blocks never share one.
const Unit = 4096

// Round gives the bytes that an allocation of n bytes occupies.
func Round(n int) int64 { return (int64(max(n, 1)) + Unit - 1) / Unit * Unit }

type span struct{ off, n int64 }

// An Arena is not safe for concurrent use.
type Arena struct {
	free []span // ascending by off; never empty spans, never two that touch
	used map[int64]int64
	left int64
}

// New manages [0, size), rounded down to whole units.
func New(size int64) *Arena {
	a := &Arena{used: make(map[int64]int64)}
	if size = size / Unit * Unit; size > 0 {
		a.free = []span{{0, size}}
		a.left = size
	}
	return a
}

// Free is how many bytes are not allocated, in one range or several.
func (a *Arena) Free() int64 { return a.left }

// Alloc returns the offset of n bytes; ok is false if no free range is long enough.
func (a *Arena) Alloc(n int) (off int64, ok bool) {
	want := Round(n)
	for i := range a.free {
		s := &a.free[i]
		if s.n < want {
			continue
		}
		off = s.off
		s.off += want
		s.n -= want
		if s.n == 0 {
			a.free = append(a.free[:i], a.free[i+1:]...)
		}
		a.used[off] = want
		a.left -= want
		return off, true
	}
	return 0, false
}

// Release takes back what Alloc returned. Anything else is an error and changes nothing.
func (a *Arena) Release(off int64) error {
	n, ok := a.used[off]
	if !ok {
		return fmt.Errorf("arena: nothing is allocated at %d", off)
	}
	delete(a.used, off)
	a.left += n
	i := sort.Search(len(a.free), func(i int) bool { return a.free[i].off > off })
	before := i > 0 && a.free[i-1].off+a.free[i-1].n == off
	after := i < len(a.free) && off+n == a.free[i].off
	switch {
	case before && after:
		a.free[i-1].n += n + a.free[i].n
		a.free = append(a.free[:i], a.free[i+1:]...)
	case before:
		a.free[i-1].n += n
	case after:
		a.free[i].off -= n
		a.free[i].n += n
	default:
		a.free = append(a.free, span{})
		copy(a.free[i+1:], a.free[i:])
		a.free[i] = span{off, n}
	}
	return nil
}

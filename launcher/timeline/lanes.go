package timeline

import (
	"cmp"
	"slices"
)

// A span is drawn on a thread: spans of one thread contain each other or do not
// touch.
type span struct {
	begin, end int64
	lane       int
}

// maxLanes bounds the threads of a rank; what does not fit shares the last.
const maxLanes = 32

// layOut gives every span the first lane where it fits and returns the number of
// lanes. It orders spans by their begin, the longer before the shorter.
func layOut[T any](items []T, spanOf func(*T) *span) (lanes int) {
	slices.SortStableFunc(items, func(x, y T) int {
		a, b := spanOf(&x), spanOf(&y)
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(b.end, a.end))
	})
	var open [][]int64 // of each lane, the ends of the spans around the next one
	for i := range items {
		s := spanOf(&items[i])
		for lane := 0; ; lane++ {
			if lane == len(open) {
				open = append(open, nil)
			}
			ends := open[lane]
			for len(ends) > 0 && ends[len(ends)-1] <= s.begin {
				ends = ends[:len(ends)-1]
			}
			fits := len(ends) == 0 || ends[len(ends)-1] >= s.end
			if fits {
				ends = append(ends, s.end)
			}
			open[lane] = ends
			if fits || lane == maxLanes-1 {
				s.lane = lane
				break
			}
		}
	}
	return len(open)
}

package box

import "slices"

// A Layout says where the elements of a box stand in an array: runs of
// neighbours, and an odometer over the dimensions in front of them, the slowest
// first.
type Layout struct {
	off  int // of the first element
	run  int // elements of a run
	size int // elements of the box
	axes []axis
}

// An axis has count positions, step elements apart.
type axis struct{ count, step int }

// LayoutOf describes a box that passes CheckStrided. nil strides are 1. Dimensions
// that continue each other are one.
func LayoutOf(shape, start, count, stride []int) Layout {
	l := Layout{run: 1}
	l.size, _ = Size(count)
	if l.size == 0 {
		return Layout{}
	}
	step := 1 // between neighbours of dimension i
	for i := len(shape) - 1; i >= 0; i-- {
		by := step
		if stride != nil {
			by *= stride[i]
		}
		l.off += start[i] * step
		step *= shape[i]
		switch last := len(l.axes) - 1; {
		case count[i] == 1:
		case last < 0 && by == l.run:
			l.run *= count[i]
		case last >= 0 && by == l.axes[last].count*l.axes[last].step:
			l.axes[last].count *= count[i]
		default:
			l.axes = append(l.axes, axis{count[i], by})
		}
	}
	slices.Reverse(l.axes)
	return l
}

// Len is the number of elements.
func (l *Layout) Len() int { return l.size }

// Contiguous says where the elements stand if they are one run. Those of an empty
// box are.
func (l *Layout) Contiguous() (off int, ok bool) { return l.off, len(l.axes) == 0 }

// Gather copies the elements of the box from the array a to x, in order; x has
// room for all.
func Gather[T any](l *Layout, x, a []T) {
	if l.size > 0 {
		gather(l.axes, l.run, x, a, l.off)
	}
}

// Scatter copies x to where the box's elements stand in the array a.
func Scatter[T any](l *Layout, a, x []T) {
	if l.size > 0 {
		scatter(l.axes, l.run, a, x, l.off)
	}
}

// shortRun is how many elements a loop copies faster than a call of memmove.
const shortRun = 4

func gather[T any](axes []axis, run int, x, a []T, off int) (n int) {
	switch {
	case len(axes) == 0:
		return copy(x[:run], a[off:])
	case len(axes) > 1:
		for range axes[0].count {
			n += gather(axes[1:], run, x[n:], a, off)
			off += axes[0].step
		}
		return n
	}
	count, step := axes[0].count, axes[0].step
	n = count * run
	x = x[:n]
	switch {
	case run == 1:
		for i := range x {
			x[i] = a[off]
			off += step
		}
	case run <= shortRun:
		for i := 0; i < n; i += run {
			for k := range run {
				x[i+k] = a[off+k]
			}
			off += step
		}
	default:
		for len(x) >= run {
			copy(x[:run], a[off:])
			x, off = x[run:], off+step
		}
	}
	return n
}

func scatter[T any](axes []axis, run int, a, x []T, off int) (n int) {
	switch {
	case len(axes) == 0:
		return copy(a[off:], x[:run])
	case len(axes) > 1:
		for range axes[0].count {
			n += scatter(axes[1:], run, a, x[n:], off)
			off += axes[0].step
		}
		return n
	}
	count, step := axes[0].count, axes[0].step
	n = count * run
	x = x[:n]
	switch {
	case run == 1:
		for _, v := range x {
			a[off] = v
			off += step
		}
	case run <= shortRun:
		for i := 0; i < n; i += run {
			for k := range run {
				a[off+k] = x[i+k]
			}
			off += step
		}
	default:
		for len(x) >= run {
			copy(a[off:], x[:run])
			x, off = x[run:], off+step
		}
	}
	return n
}

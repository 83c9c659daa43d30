// Package box is the arithmetic of boxes in row-major arrays: bounds, strides, contiguous runs. Pure functions over slices of ints, no I/O.
//
// A box of an n-dimensional array is start (its first element in each dimension) and count (how many in each). Dimensions are ordered slowest first; the last
// one is contiguous. A count of zero in any dimension makes an empty box, which is legal and has no runs. A scalar has no dimensions and one element.
package box

import (
	"fmt"
	"iter"
	"math"
	"slices"
)

// Check refuses a box that is not inside shape; the error names the first offending dimension: `lat: start 70 count 10 exceeds 73`. dims may be nil.
func Check(dims []string, shape, start, count []int) error {
	if len(start) != len(shape) || len(count) != len(shape) {
		return fmt.Errorf("a box of %d starts and %d counts for an array of %d dimensions", len(start), len(count), len(shape))
	}
	for i, n := range shape {
		switch {
		case start[i] < 0 || count[i] < 0:
			return fmt.Errorf("%s: start %d count %d is negative", dimName(dims, i), start[i], count[i])
		case start[i] > n || count[i] > n-start[i]:
			return fmt.Errorf("%s: start %d count %d exceeds %d", dimName(dims, i), start[i], count[i], n)
		}
	}
	return nil
}

// CheckStrided is Check for every stride-th element: count elements stride apart.
func CheckStrided(dims []string, shape, start, count, stride []int) error {
	if len(start) != len(shape) || len(count) != len(shape) || len(stride) != len(shape) {
		return fmt.Errorf("a box of %d starts, %d counts and %d strides for an array of %d dimensions", len(start), len(count), len(stride), len(shape))
	}
	for i, n := range shape {
		switch {
		case start[i] < 0 || count[i] < 0:
			return fmt.Errorf("%s: start %d count %d is negative", dimName(dims, i), start[i], count[i])
		case stride[i] < 1:
			return fmt.Errorf("%s: stride %d is not positive", dimName(dims, i), stride[i])
		case start[i] > n || count[i] > 0 && (start[i] == n || count[i]-1 > (n-1-start[i])/stride[i]):
			return fmt.Errorf("%s: start %d count %d stride %d exceeds %d", dimName(dims, i), start[i], count[i], stride[i], n)
		}
	}
	return nil
}

func dimName(dims []string, i int) string {
	if i < len(dims) && dims[i] != "" {
		return dims[i]
	}
	return fmt.Sprintf("dimension %d", i)
}

// Size is the number of elements, 1 for a scalar; ok is false if a length is negative or the product does not fit an int.
func Size(shape []int) (n int, ok bool) {
	n, empty := 1, false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, false
		case d == 0:
			empty = true
		case !empty && n > math.MaxInt/d:
			// A later zero would still make the array empty, but such a shape is nonsense anyway.
			return 0, false
		case !empty:
			n *= d
		}
	}
	if empty {
		return 0, true
	}
	return n, true
}

// Strides gives, for each dimension, how many elements lie between neighbours in it. The size of shape must fit an int.
func Strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// Runs yields the contiguous pieces of a box as (offset, length) in elements, in ascending order and as long as they can be: rows that
// touch are one run. The box must pass Check.
func Runs(shape, start, count []int) iter.Seq2[int, int] {
	return func(yield func(off, n int) bool) {
		if n, _ := Size(count); n == 0 {
			return
		}
		strides := Strides(shape)
		// inner is the first dimension of a run: all dimensions behind it are taken whole.
		inner := len(shape)
		run := 1
		for inner > 0 {
			inner--
			run *= count[inner]
			if count[inner] != shape[inner] {
				break
			}
		}
		base := 0
		for i, s := range start {
			base += s * strides[i]
		}
		at := make([]int, inner) // the odometer over the dimensions in front of the run
		for {
			off := base
			for i, k := range at {
				off += k * strides[i]
			}
			if !yield(off, run) || !next(at, count) {
				return
			}
		}
	}
}

// StridedRuns is Runs for every stride-th element; nil strides are 1. With a
// stride in the last dimension each element is a run. The box must pass CheckStrided.
func StridedRuns(shape, start, count, stride []int) iter.Seq2[int, int] {
	if !slices.ContainsFunc(stride, func(s int) bool { return s != 1 }) {
		return Runs(shape, start, count)
	}
	return func(yield func(off, n int) bool) {
		if n, _ := Size(count); n == 0 {
			return
		}
		strides := Strides(shape)
		outer, run := len(shape), 1 // dimensions in front of a run, and its length
		if last := len(shape) - 1; stride[last] == 1 {
			outer, run = last, count[last]
		}
		base := 0
		for i, s := range start {
			base += s * strides[i]
		}
		at := make([]int, outer)
		for {
			off := base
			for i, k := range at {
				off += k * stride[i] * strides[i]
			}
			if !yield(off, run) || !next(at, count) {
				return
			}
		}
	}
}

// next moves the odometer on, last dimension fastest; false after the last position.
func next(at, count []int) bool {
	for i := len(at) - 1; i >= 0; i-- {
		at[i]++
		if at[i] < count[i] {
			return true
		}
		at[i] = 0
	}
	return false
}

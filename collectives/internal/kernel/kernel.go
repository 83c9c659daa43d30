package kernel

import "unsafe"

// Integer, Real and Number are the element types of the kernels.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

type Real interface{ Integer | ~float32 | ~float64 }

type Number interface {
	Real | ~complex64 | ~complex128
}

// A Loc is a value and where it stands.
type Loc[T Real] struct {
	Value T
	Index int64
}

// rest leaves what is not folded in vectors: all of it where they are not worth their
// call.
func rest[T any](of func() lane, o op, dst, src []T) (_, _ []T) {
	var zero T
	if len(src) < least/int(unsafe.Sizeof(zero)) {
		return dst, src
	}
	n := vector(of(), o, dst, src)
	return dst[n:], src[n:]
}

// In all of these dst is as long as src, and either the same memory or none of it.

// Sum is dst += src.
func Sum[T Number](dst, src []T) {
	sum(rest(laneOf[T], opSum, dst, src))
}

// Prod is dst *= src.
func Prod[T Number](dst, src []T) {
	prod(rest(laneOf[T], opProd, dst, src))
}

// Min is dst = min(dst, src), as Go has min: NaN beats numbers, -0 beats +0.
func Min[T Real](dst, src []T) {
	smallest(rest(laneOf[T], opMin, dst, src))
}

// Max is dst = max(dst, src): NaN beats numbers, +0 beats -0.
func Max[T Real](dst, src []T) {
	greatest(rest(laneOf[T], opMax, dst, src))
}

// And, Or and Xor work on the bits of what is nothing but bits.
func And(dst, src []byte) {
	andBytes(rest(laneOf[byte], opAnd, dst, src))
}

func Or(dst, src []byte) {
	orBytes(rest(laneOf[byte], opOr, dst, src))
}

func Xor(dst, src []byte) {
	xorBytes(rest(laneOf[byte], opXor, dst, src))
}

// MinLoc takes pairs of src that have a lesser value, or the same at a lower
// index. NaN is less than any number.
func MinLoc[T Real](dst, src []Loc[T]) {
	dst, src = rest(locLane[T], opMin, dst, src)
	pick(dst, src, func(a, b T) bool { return a < b })
}

// MaxLoc takes pairs of src that have a greater value, or the same at a lower
// index. NaN is greater than any number.
func MaxLoc[T Real](dst, src []Loc[T]) {
	dst, src = rest(locLane[T], opMax, dst, src)
	pick(dst, src, func(a, b T) bool { return a > b })
}

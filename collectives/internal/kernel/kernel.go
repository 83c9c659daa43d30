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

// long tells whether vectors are worth their call.
func long[T any](x []T) bool {
	var zero T
	return len(x) >= least/int(unsafe.Sizeof(zero))
}

// In all of these dst is as long as src, and either the same memory or none of it.

// Sum is dst += src.
func Sum[T Number](dst, src []T) {
	if long(src) {
		n := vector(laneOf[T](), opSum, dst, src)
		dst, src = dst[n:], src[n:]
	}
	sum(dst, src)
}

// Prod is dst *= src.
func Prod[T Number](dst, src []T) {
	if long(src) {
		n := vector(laneOf[T](), opProd, dst, src)
		dst, src = dst[n:], src[n:]
	}
	prod(dst, src)
}

// Min is dst = min(dst, src), as Go has min: NaN beats numbers, -0 beats +0.
func Min[T Real](dst, src []T) {
	if long(src) {
		n := vector(laneOf[T](), opMin, dst, src)
		dst, src = dst[n:], src[n:]
	}
	smallest(dst, src)
}

// Max is dst = max(dst, src): NaN beats numbers, +0 beats -0.
func Max[T Real](dst, src []T) {
	if long(src) {
		n := vector(laneOf[T](), opMax, dst, src)
		dst, src = dst[n:], src[n:]
	}
	greatest(dst, src)
}

// And, Or and Xor work on the bits of what is nothing but bits.
func And(dst, src []byte) {
	if long(src) {
		n := vector(laneU8, opAnd, dst, src)
		dst, src = dst[n:], src[n:]
	}
	andBytes(dst, src)
}

func Or(dst, src []byte) {
	if long(src) {
		n := vector(laneU8, opOr, dst, src)
		dst, src = dst[n:], src[n:]
	}
	orBytes(dst, src)
}

func Xor(dst, src []byte) {
	if long(src) {
		n := vector(laneU8, opXor, dst, src)
		dst, src = dst[n:], src[n:]
	}
	xorBytes(dst, src)
}

// MinLoc takes pairs of src that have a lesser value, or the same at a lower
// index. NaN is less than any number.
func MinLoc[T Real](dst, src []Loc[T]) {
	if long(src) {
		n := vector(locLane[T](), opMin, dst, src)
		dst, src = dst[n:], src[n:]
	}
	pick(dst, src, func(a, b T) bool { return a < b })
}

// MaxLoc takes pairs of src that have a greater value, or the same at a lower
// index. NaN is greater than any number.
func MaxLoc[T Real](dst, src []Loc[T]) {
	if long(src) {
		n := vector(locLane[T](), opMax, dst, src)
		dst, src = dst[n:], src[n:]
	}
	pick(dst, src, func(a, b T) bool { return a > b })
}

package collectives

import (
	"unsafe"

	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/floats"
)

// An Op folds src into dst element by element, dst = dst op src, where dst
// stands for the lower ranks. It must be associative, and is taken as
// commutative unless the call says [Ordered]. It sees pieces of the ranks'
// slices, of any length, always whole elements, and must not keep them. If it
// panics the call fails.
type Op[T any] func(dst, src []T)

// Integer, Real and Number are the element types of the operations below.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

type Real interface{ Integer | ~float32 | ~float64 }

type Number interface {
	Real | ~complex64 | ~complex128
}

// The loops of Sum, Prod, Min and Max are unrolled, four elements a turn, with
// lengths that the compiler knows: then they are as fast as memory, which
// BenchmarkKernels compares them with.

// Sum adds. Floating point numbers, also the parts of complex ones, go through
// gonum's vector code, short integers through words.
func Sum[T Number](dst, src []T) {
	dst = dst[:len(src)]
	if len(src) >= 32 {
		switch d := any(dst).(type) {
		case []float64:
			floats.Add(d, any(src).([]float64))
			return
		case []complex128:
			floats.Add(elements[float64](raw(dst)), elements[float64](raw(src)))
			return
		case []float32:
			addFloat32(d, any(src).([]float32))
			return
		case []complex64:
			addFloat32(elements[float32](raw(dst)), elements[float32](raw(src)))
			return
		}
		switch unsafe.Sizeof(src[0]) { // no float is that short
		case 1:
			done := addWords(raw(dst), raw(src), tops8)
			dst, src = dst[done:], src[done:]
		case 2:
			done := addWords(raw(dst), raw(src), tops16) / 2
			dst, src = dst[done:], src[done:]
		}
	}
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] += s[0]
		d[1] += s[1]
		d[2] += s[2]
		d[3] += s[3]
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] += v
	}
}

// addFloat32 is y += 1 x.
func addFloat32(dst, src []float32) { gonum.Implementation{}.Saxpy(len(src), 1, src, 1, dst, 1) }

// Prod multiplies.
func Prod[T Number](dst, src []T) {
	dst = dst[:len(src)]
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] *= s[0]
		d[1] *= s[1]
		d[2] *= s[2]
		d[3] *= s[3]
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] *= v
	}
}

// Min takes the least; a NaN on any rank gives NaN.
func Min[T Real](dst, src []T) {
	dst = dst[:len(src)]
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] = min(d[0], s[0])
		d[1] = min(d[1], s[1])
		d[2] = min(d[2], s[2])
		d[3] = min(d[3], s[3])
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] = min(dst[i], v)
	}
}

// Max takes the greatest; a NaN on any rank gives NaN.
func Max[T Real](dst, src []T) {
	dst = dst[:len(src)]
	for len(src) >= 4 {
		d, s := dst[:4:4], src[:4:4]
		d[0] = max(d[0], s[0])
		d[1] = max(d[1], s[1])
		d[2] = max(d[2], s[2])
		d[3] = max(d[3], s[3])
		dst, src = dst[4:], src[4:]
	}
	for i, v := range src {
		dst[i] = max(dst[i], v)
	}
}

// BitAnd, BitOr and BitXor work on the bits of integers.
func BitAnd[T Integer](dst, src []T) { andBytes(raw(dst[:len(src)]), raw(src)) }

func BitOr[T Integer](dst, src []T) { orBytes(raw(dst[:len(src)]), raw(src)) }

func BitXor[T Integer](dst, src []T) { xorBytes(raw(dst[:len(src)]), raw(src)) }

// And is true where all ranks are. A bool is a byte, 0 or 1.
func And(dst, src []bool) { andBytes(raw(dst[:len(src)]), raw(src)) }

// Or is true where any rank is.
func Or(dst, src []bool) { orBytes(raw(dst[:len(src)]), raw(src)) }

// Loc is a value and where it stands, for [MinLoc] and [MaxLoc].
type Loc[T Real] struct {
	Value T
	Index int64
}

// MinLoc takes the least value and its index, the lowest on a tie. As in [Min],
// NaN beats every number.
func MinLoc[T Real](dst, src []Loc[T]) {
	pickLoc(dst, src, func(a, b T) bool { return a < b })
}

// MaxLoc takes the greatest value and its index, the lowest on a tie. As in
// [Max], NaN beats every number.
func MaxLoc[T Real](dst, src []Loc[T]) {
	pickLoc(dst, src, func(a, b T) bool { return a > b })
}

func pickLoc[T Real](dst, src []Loc[T], beats func(a, b T) bool) {
	dst = dst[:len(src)]
	for i, s := range src {
		d := dst[i]
		dNaN, sNaN := d.Value != d.Value, s.Value != s.Value
		tie := d.Value == s.Value || dNaN && sNaN
		if tie && s.Index < d.Index || !dNaN && (sNaN || beats(s.Value, d.Value)) {
			dst[i] = s
		}
	}
}

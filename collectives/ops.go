package collectives

import (
	"unsafe"

	"gridrun/collectives/internal/kernel"
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

// The operations below are loops of package kernel: as fast as memory where the
// processor has vectors, with the same results everywhere. dst is at least as long
// as src, and either the same memory or none of it.

// Sum adds.
func Sum[T Number](dst, src []T) { kernel.Sum(dst[:len(src)], src) }

// Prod multiplies.
func Prod[T Number](dst, src []T) { kernel.Prod(dst[:len(src)], src) }

// Min takes the least; a NaN on any rank gives NaN.
func Min[T Real](dst, src []T) { kernel.Min(dst[:len(src)], src) }

// Max takes the greatest; a NaN on any rank gives NaN.
func Max[T Real](dst, src []T) { kernel.Max(dst[:len(src)], src) }

// BitAnd, BitOr and BitXor work on the bits of integers.
func BitAnd[T Integer](dst, src []T) { kernel.And(kernel.Raw(dst[:len(src)]), kernel.Raw(src)) }

func BitOr[T Integer](dst, src []T) { kernel.Or(kernel.Raw(dst[:len(src)]), kernel.Raw(src)) }

func BitXor[T Integer](dst, src []T) { kernel.Xor(kernel.Raw(dst[:len(src)]), kernel.Raw(src)) }

// And is true where all ranks are. A bool is a byte, 0 or 1.
func And(dst, src []bool) { kernel.And(kernel.Raw(dst[:len(src)]), kernel.Raw(src)) }

// Or is true where any rank is.
func Or(dst, src []bool) { kernel.Or(kernel.Raw(dst[:len(src)]), kernel.Raw(src)) }

// Loc is a value and where it stands, for [MinLoc] and [MaxLoc].
type Loc[T Real] struct {
	Value T
	Index int64
}

// MinLoc takes the least value and its index, the lowest on a tie. As in [Min],
// NaN beats every number.
func MinLoc[T Real](dst, src []Loc[T]) { kernel.MinLoc(pairs(dst[:len(src)]), pairs(src)) }

// MaxLoc takes the greatest value and its index, the lowest on a tie. As in
// [Max], NaN beats every number.
func MaxLoc[T Real](dst, src []Loc[T]) { kernel.MaxLoc(pairs(dst[:len(src)]), pairs(src)) }

func pairs[T Real](x []Loc[T]) []kernel.Loc[T] {
	return unsafe.Slice((*kernel.Loc[T])(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

package collectives_test

import (
	"math"
	"testing"

	. "gridrun/collectives"
)

// kernel compares an operation with its definition at every length up to a few
// turns of the loop, and checks that it touches nothing else.
func kernel[T Real](t *testing.T, name string, op Op[T], twin func(a, b T) T, at func(i int) T) {
	t.Helper()
	for n := range 71 {
		dst, src, want := make([]T, n+3), make([]T, n), make([]T, n+3)
		for i := range dst {
			dst[i], want[i] = at(i), at(i)
		}
		for i := range src {
			src[i] = at(3*i + 1)
			want[i] = twin(want[i], src[i])
		}
		op(dst, src)
		for i := range want {
			if dst[i] != want[i] && (dst[i] == dst[i] || want[i] == want[i]) {
				t.Fatalf("%s of %d %T at %d: %v, want %v", name, n, want[i], i, dst[i], want[i])
			}
		}
	}
}

func kernels[T Real](t *testing.T, at func(i int) T) {
	kernel(t, "Sum", Sum[T], func(a, b T) T { return a + b }, at)
	kernel(t, "Prod", Prod[T], func(a, b T) T { return a * b }, at)
	kernel(t, "Min", Min[T], func(a, b T) T { return min(a, b) }, at)
	kernel(t, "Max", Max[T], func(a, b T) T { return max(a, b) }, at)
}

func TestKernels(t *testing.T) {
	kernels(t, func(i int) float64 { return []float64{1.5, -2, math.NaN(), math.Inf(1), 0}[i%5] })
	kernels(t, func(i int) float64 { return float64(i) * 0.3 })
	kernels(t, func(i int) float32 { return []float32{1.5, -2, float32(math.NaN()), 7, 0}[i%5] })
	kernels(t, func(i int) int64 { return int64(i)*7919 - 9 })
	kernels(t, func(i int) int32 { return int32(i * 123456789) })
	kernels(t, func(i int) uint8 { return uint8(i * 77) })
}

// TestShortKernels: sums of short integers, bits and bools at every length and
// alignment, and sums of complex numbers.
func TestShortKernels(t *testing.T) {
	integers(t, func(i int) int8 { return int8(i*77 - 5) })
	integers(t, func(i int) uint16 { return uint16(i * 7919) })
	integers(t, func(i int) int16 { return int16(i*31337 + 11) })
	integers(t, func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 })
	plain(t, "Sum", Sum[complex128], func(a, b complex128) complex128 { return a + b }, func(i int) complex128 { return complex(float64(i), 0.5*float64(i*i)) })
	plain(t, "Sum", Sum[complex64], func(a, b complex64) complex64 { return a + b }, func(i int) complex64 { return complex(float32(i), -float32(i)) })
	plain(t, "Sum", Sum[named], func(a, b named) named { return a + b }, func(i int) named { return named(i * 99) })
	odd := func(i int) bool { return i%3 == 1 || i%7 == 2 }
	plain(t, "And", And, func(a, b bool) bool { return a && b }, odd)
	plain(t, "Or", Or, func(a, b bool) bool { return a || b }, odd)
}

type named int16

func integers[T Integer](t *testing.T, at func(i int) T) {
	plain(t, "Sum", Sum[T], func(a, b T) T { return a + b }, at)
	plain(t, "BitAnd", BitAnd[T], func(a, b T) T { return a & b }, at)
	plain(t, "BitOr", BitOr[T], func(a, b T) T { return a | b }, at)
	plain(t, "BitXor", BitXor[T], func(a, b T) T { return a ^ b }, at)
}

func plain[T comparable](t *testing.T, name string, op Op[T], twin func(a, b T) T, at func(i int) T) {
	t.Helper()
	for n := range 135 {
		for skip := range 3 {
			dst, src := make([]T, n+skip+3), make([]T, n+2*skip)
			for i := range dst {
				dst[i] = at(i)
			}
			for i := range src {
				src[i] = at(3*i + 1)
			}
			op(dst[skip:], src[2*skip:])
			for i := range dst {
				want := at(i)
				if k := i - skip; k >= 0 && k < n {
					want = twin(want, at(3*(k+2*skip)+1))
				}
				if dst[i] != want {
					t.Fatalf("%s of %d %T from %d at %d: %v, want %v", name, n, want, skip, i, dst[i], want)
				}
			}
		}
	}
}

package collectives_test

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

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

// BenchmarkKernels folds 16 MiB into 16 MiB; copy is what memory does: the bytes
// counted are those of one buffer, a fold also reads the other.
func BenchmarkKernels(b *testing.B) {
	const bytes = 16 << 20
	dst, src := make([]byte, bytes), make([]byte, bytes)
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(bytes)
		for b.Loop() {
			copy(dst, src)
		}
	})
	kernelSpeed[float64](b, bytes)
	kernelSpeed[float32](b, bytes)
	kernelSpeed[int64](b, bytes)
	kernelSpeed[int32](b, bytes)
}

func kernelSpeed[T Real](b *testing.B, bytes int) {
	var zero T
	n := bytes / int(unsafe.Sizeof(zero))
	dst, src := make([]T, n), make([]T, n)
	for _, k := range []struct {
		name string
		op   Op[T]
	}{{"Sum", Sum[T]}, {"Prod", Prod[T]}, {"Min", Min[T]}, {"Max", Max[T]}} {
		b.Run(fmt.Sprintf("%s/%T", k.name, zero), func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				k.op(dst, src)
			}
		})
	}
}

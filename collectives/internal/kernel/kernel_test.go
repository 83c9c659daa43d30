package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A subject is a kernel over bytes: what is called, and the same as a loop over its
// definition for one element.
type subject struct {
	name   string
	size   int // bytes an element
	fold   func(dst, src []byte)
	loop   func(dst, src []byte)
	aligns int                         // places of an element among 64 bytes
	equal  func(got, want []byte) bool // though the bytes differ
}

func of[T any](name string, fold func(dst, src []T), one func(d, s T) T) subject {
	var zero T
	view := func(b []byte) []T { return view[T](b) }
	s := subject{name: fmt.Sprintf("%s of %T", name, zero), size: len(Raw([]T{zero})), loop: func(dst, src []byte) {
		d := view(dst)
		for i, s := range view(src) {
			d[i] = one(d[i], s)
		}
	}}
	s.fold = func(dst, src []byte) { fold(view(dst), view(src)) }
	s.aligns = max(1, 64/s.size)
	s.equal = func(got, want []byte) bool { return sameNaN(view(got)[0], view(want)[0]) }
	return s
}

// sameNaN tells whether both are NaN, or complex numbers with a NaN at the same
// place and the rest equal. Which NaN comes out of two Go leaves open, and its
// compiler makes it one in one loop and the other in the next.
func sameNaN(got, want any) bool {
	same := func(g, w float64) bool { return g != g && w != w || math.Float64bits(g) == math.Float64bits(w) }
	switch got := got.(type) {
	case float32:
		return got != got && want.(float32) != want.(float32)
	case float64:
		return got != got && want.(float64) != want.(float64)
	case double:
		return got != got && want.(double) != want.(double)
	case complex64:
		return sameNaN(complex128(got), complex128(want.(complex64)))
	case complex128:
		return same(real(got), real(want.(complex128))) && same(imag(got), imag(want.(complex128)))
	}
	return false
}

func number[T Number]() []subject {
	return []subject{
		of("Sum", Sum[T], func(d, s T) T { return d + s }),
		of("Prod", Prod[T], product[T]),
	}
}

// product is d s with every step rounded.
func product[T Number](d, s T) T {
	if d, ok := any(d).(complex128); ok {
		s := any(s).(complex128)
		re := float64(real(d)*real(s)) - float64(imag(d)*imag(s))
		im := float64(real(d)*imag(s)) + float64(imag(d)*real(s))
		return any(complex(re, im)).(T)
	}
	return d * s
}

func ordered[T Real]() []subject {
	return append(number[T](),
		of("Min", Min[T], func(d, s T) T { return min(d, s) }),
		of("Max", Max[T], func(d, s T) T { return max(d, s) }),
		loc("MinLoc", MinLoc[T], func(a, b T) bool { return a < b }),
		loc("MaxLoc", MaxLoc[T], func(a, b T) bool { return a > b }))
}

// loc compares values and indices, not what lies between them.
func loc[T Real](name string, fold func(dst, src []Loc[T]), beats func(a, b T) bool) subject {
	s := of(name, fold, func(d, s Loc[T]) Loc[T] {
		dNaN, sNaN := d.Value != d.Value, s.Value != s.Value
		switch {
		case dNaN && !sNaN:
			return d
		case sNaN && !dNaN:
			return s
		case sNaN || s.Value == d.Value:
			if s.Index < d.Index {
				return s
			}
			return d
		case beats(s.Value, d.Value):
			return s
		}
		return d
	})
	s.equal = func(got, want []byte) bool {
		g, w := view[Loc[T]](got), view[Loc[T]](want)
		return g[0].Index == w[0].Index && bytes.Equal(Raw([]T{g[0].Value}), Raw([]T{w[0].Value}))
	}
	return s
}

func integer[T Integer]() []subject {
	return append(ordered[T](),
		of("And", bits[T](And), func(d, s T) T { return d & s }),
		of("Or", bits[T](Or), func(d, s T) T { return d | s }),
		of("Xor", bits[T](Xor), func(d, s T) T { return d ^ s }))
}

func bits[T any](fold func(dst, src []byte)) func(dst, src []T) {
	return func(dst, src []T) { fold(Raw(dst), Raw(src)) }
}

type (
	short  int16
	double float64
)

func subjects() (all []subject) {
	for _, group := range [][]subject{
		integer[int8](), integer[int16](), integer[int32](), integer[int64](), integer[int](),
		integer[uint8](), integer[uint16](), integer[uint32](), integer[uint64](), integer[uint](),
		ordered[float32](), ordered[float64](), number[complex64](), number[complex128](),
		integer[short](), ordered[double](),
	} {
		all = append(all, group...)
	}
	return all
}

// special are bits that floating point numbers and integers of all widths treat
// differently from others: zeros, infinities, quiet and signalling NaNs, the least
// numbers and the greatest, 1.
var special = [][]byte{
	Raw([]float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1, -1, math.MaxFloat64, math.SmallestNonzeroFloat64}),
	Raw([]float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1, -1, math.MaxFloat32, math.SmallestNonzeroFloat32, 2}),
	Raw([]int64{0, 1, -1, math.MinInt64, math.MaxInt64}),
	Raw([]int32{0, 1, -1, math.MinInt32, math.MaxInt32, 2}),
	Raw([]uint64{0x7ff4000000000001, 0xfff8000000000002, 0x7f80000100000001, 0x8000000080000000}),
	Raw([]uint32{0x7fa00001, 0xffc00002}),
}

// fill makes b special values, or anything, 8 bytes at a time.
func fill(r *rand.Rand, b []byte) {
	for len(b) > 0 {
		v := r.Uint64()
		list := special[v%8%uint64(len(special))]
		from := list[v>>8%uint64(len(list)/8)*8:][:8]
		if v>>16&1 == 0 {
			v = r.Uint64() >> (v >> 58)
			from = Raw([]uint64{v})
		}
		b = b[copy(b, from):]
	}
}

// check folds n elements that stand at elements di and si of memory, and compares
// with the definition; all around must stay as it is.
func (s subject) check(t *testing.T, r *rand.Rand, n, di, si int) {
	t.Helper()
	room := (n + max(di, si) + 9) * s.size
	dst, src := aligned(room), aligned(room)
	fill(r, dst)
	fill(r, src)
	s.compare(t, dst, src, n, di, si)
}

func (s subject) compare(t *testing.T, dst, src []byte, n, di, si int) {
	t.Helper()
	want, before, kept := clone(dst), clone(dst), clone(src)
	s.loop(want[di*s.size:][:n*s.size], src[si*s.size:][:n*s.size])
	s.fold(dst[di*s.size:][:n*s.size], src[si*s.size:][:n*s.size])
	if !bytes.Equal(src, kept) {
		t.Fatalf("%s of %d elements changes its source", s.name, n)
	}
	if bytes.Equal(dst, want) {
		return
	}
	for at := 0; at+s.size <= len(dst); at += s.size {
		got, want := dst[at:][:s.size], want[at:][:s.size]
		inside := at >= di*s.size && at < (di+n)*s.size
		if bytes.Equal(got, want) || inside && s.equal(got, want) {
			continue
		}
		if !inside {
			t.Fatalf("%s of %d elements writes beside them, at %d", s.name, n, at-di*s.size)
		}
		t.Fatalf("%s: element %d of %d, from %d and %d: %x op %x gave %x, want %x", s.name, at/s.size-di, n, di, si,
			before[at:][:s.size], src[at+(si-di)*s.size:][:s.size], got, want)
	}
}

// bothWays runs a test with vectors and without.
func bothWays(t *testing.T, test func(t *testing.T)) {
	t.Run("vectors", func(t *testing.T) {
		if !setVectors(true) {
			t.Log("this processor has none: the loops in Go are tested twice")
		}
		test(t)
	})
	t.Run("loops", func(t *testing.T) {
		setVectors(false)
		defer setVectors(true)
		test(t)
	})
}

func TestLengths(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, s := range subjects() {
			r := rand.New(rand.NewPCG(1, 2))
			for n := range 301 {
				s.check(t, r, n, r.IntN(s.aligns), r.IntN(s.aligns))
			}
		}
	})
}

func TestAlignments(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, s := range subjects() {
			r := rand.New(rand.NewPCG(3, 4))
			for at := range s.aligns {
				s.check(t, r, 150/s.size, at, 0)
				s.check(t, r, 150/s.size, 0, at)
				s.check(t, r, 150/s.size, at, at)
			}
		}
	})
}

// TestBlocks: vectors are folded in blocks.
func TestBlocks(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, s := range ordered[float32]() {
			s.check(t, rand.New(rand.NewPCG(5, 6)), (130<<10)/s.size+3, 1, 2)
		}
	})
}

// TestItself: a buffer folded into itself.
func TestItself(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		for _, s := range subjects() {
			r := rand.New(rand.NewPCG(7, 8))
			for n := range 80 {
				x := aligned(n * s.size)
				fill(r, x)
				want := clone(x)
				s.fold(want, clone(x))
				s.fold(x, x)
				if !bytes.Equal(x, want) {
					t.Fatalf("%s of %d elements and themselves: %x, want %x", s.name, n, x, want)
				}
			}
		}
	})
}

// FuzzKernels: any bytes, anywhere.
func FuzzKernels(f *testing.F) {
	all := subjects()
	for i := range all {
		f.Add(uint16(i), uint8(i), uint8(2*i), []byte("0123456789abcdef0123456789ABCDEF"))
	}
	f.Fuzz(func(t *testing.T, which uint16, di, si uint8, data []byte) {
		s := all[int(which)%len(all)]
		if len(data) == 0 {
			return
		}
		d, e := int(di)%64, int(si)%64
		n := len(data) / s.size
		room := (n + 64 + 1) * s.size
		dst, src := aligned(room), aligned(room)
		for i := range dst {
			dst[i], src[i] = data[i%len(data)], data[(i*7+int(which))%len(data)]
		}
		s.compare(t, dst, src, n, d, e)
	})
}

// TestNoAllocation: a kernel keeps nothing, so its callers' arrays stay where they are.
func TestNoAllocation(t *testing.T) {
	n := testing.AllocsPerRun(10, func() {
		var a, b [50]int32
		var l, m [50]Loc[float64]
		Sum(a[:], b[:])
		Max(a[:7], b[:7])
		Xor(Raw(a[:]), Raw(b[:]))
		MinLoc(l[:], m[:])
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package box_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gridrun/internal/box"
)

// TestLayout: the elements of any box are those that its runs have, in order, and
// they come back to where they were and nowhere else.
func TestLayout(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := random.IntN(5)
		shape, start, count, stride := make([]int, n), make([]int, n), make([]int, n), make([]int, n)
		for i := range n {
			shape[i] = random.IntN(8)
			stride[i] = 1 + random.IntN(3)
			if random.IntN(2) == 0 {
				stride[i] = 1
			}
			if shape[i] > 0 {
				start[i] = random.IntN(shape[i])
				count[i] = random.IntN((shape[i]-1-start[i])/stride[i] + 2)
			}
			if random.IntN(3) == 0 && stride[i] == 1 {
				start[i], count[i] = 0, shape[i]
			}
		}
		if random.IntN(4) == 0 {
			stride = nil
		}
		if stride == nil {
			if err := box.Check(nil, shape, start, count); err != nil {
				continue
			}
		} else if err := box.CheckStrided(nil, shape, start, count, stride); err != nil {
			t.Fatal(err)
		}
		size, _ := box.Size(shape)
		a := make([]int, size)
		for i := range a {
			a[i] = i + 1
		}
		want := []int{}
		for off, n := range box.StridedRuns(shape, start, count, stride) {
			want = append(want, a[off:off+n]...)
		}
		l := box.LayoutOf(shape, start, count, stride)
		x := make([]int, l.Len())
		box.Gather(&l, x, a)
		if !slices.Equal(x, want) {
			t.Fatalf("%v of %v from %v by %v: %v, want %v", count, shape, start, stride, x, want)
		}
		if off, ok := l.Contiguous(); ok && len(want) > 0 && !slices.Equal(a[off:off+len(want)], want) {
			t.Fatalf("%v of %v from %v by %v is not at %d", count, shape, start, stride, off)
		}
		back := make([]int, size)
		box.Scatter(&l, back, x)
		for i, v := range back {
			if in := slices.Contains(want, i+1); in && v != i+1 || !in && v != 0 {
				t.Fatalf("%v of %v from %v by %v came back as %v", count, shape, start, stride, back)
			}
		}
	}
}

// TestContiguous: what is one run is known to be, whatever its dimensions.
func TestContiguous(t *testing.T) {
	for _, c := range []struct {
		shape, start, count, stride []int
		off                         int
		ok                          bool
	}{
		{nil, nil, nil, nil, 0, true},
		{[]int{4, 6}, []int{1, 0}, []int{2, 6}, nil, 6, true},
		{[]int{4, 6}, []int{1, 2}, []int{1, 3}, nil, 8, true},
		{[]int{4, 6}, []int{1, 2}, []int{1, 3}, []int{3, 1}, 8, true},
		{[]int{4, 6}, []int{1, 2}, []int{1, 2}, []int{1, 2}, 8, false},
		{[]int{4, 6}, []int{0, 5}, []int{4, 1}, nil, 5, false},
		{[]int{4, 1}, []int{0, 0}, []int{4, 1}, nil, 0, true},
		{[]int{2, 3, 4}, []int{0, 1, 0}, []int{2, 2, 4}, nil, 4, false},
		{[]int{2, 3, 4}, []int{0, 1, 0}, []int{0, 2, 4}, nil, 0, true},
	} {
		l := box.LayoutOf(c.shape, c.start, c.count, c.stride)
		if off, ok := l.Contiguous(); ok != c.ok || ok && off != c.off {
			t.Errorf("%+v: %d, %v", c, off, ok)
		}
	}
}

func BenchmarkGather(b *testing.B) {
	const n = 130
	shape, a := []int{n, n, n}, make([]float64, n*n*n)
	for _, c := range []struct {
		name  string
		count []int
	}{{"outer", []int{1, n, n}}, {"middle", []int{n, 1, n}}, {"inner", []int{n, n, 1}}, {"inner2", []int{n, n, 2}}} {
		l := box.LayoutOf(shape, []int{0, 0, 0}, c.count, nil)
		x := make([]float64, l.Len())
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(8 * l.Len()))
			for b.Loop() {
				box.Gather(&l, x, a)
			}
		})
	}
}

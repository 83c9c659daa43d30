package grid

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPlan(t *testing.T) {
	const kib = 1 << 10
	tests := []struct {
		name         string
		shape, chunk []int
		divisible    bool
		elem         int
		target, most int
		want         []int
	}{
		{"a level a block", []int{1, 26, 73, 144}, nil, false, 4, 256 * kib, 1 << 20, []int{1, 1, 73, 144}},
		{"small planes grouped", []int{64, 33, 36}, nil, false, 4, 256 * kib, 1 << 20, []int{32, 33, 36}},
		{"large plane cut evenly", []int{37, 721, 1440}, nil, false, 4, 256 * kib, 1 << 20, []int{1, 43, 1440}},
		{"a row longer than a block", []int{3, 100000}, nil, false, 8, 256 * kib, 1 << 20, []int{1, 25000}},
		{"chunks as they are", []int{10, 100, 100}, []int{1, 50, 70}, false, 4, 256 * kib, 1 << 20, []int{1, 50, 70}},
		{"a chunk beyond the array", []int{10, 20}, []int{64, 64}, false, 4, 256 * kib, 1 << 20, []int{10, 20}},
		{"a chunk beyond the budget", []int{1024, 1024}, []int{1024, 1024}, false, 4, 256 * kib, 64 * kib, []int{16, 1024}},
		{"a level of a record", []int{64, 26, 73, 144}, []int{1, 26, 73, 144}, true, 4, 256 * kib, 1 << 20, []int{1, 1, 73, 144}},
		{"a record a block", []int{64, 33, 36}, []int{1, 33, 36}, true, 4, 256 * kib, 1 << 20, []int{1, 33, 36}},
		{"tiny records share", []int{100000, 3}, []int{1, 3}, true, 8, 256 * kib, 1 << 20, []int{10000, 3}},
		{"scalar", nil, nil, false, 8, 256 * kib, 1 << 20, []int{}},
		{"no records yet", []int{0, 73, 144}, nil, false, 4, 256 * kib, 1 << 20, []int{1, 73, 144}},
		{"tiny budget", []int{5, 7, 1000}, nil, false, 4, 256 * kib, 512, []int{1, 1, 125}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := Plan(Layout{Shape: c.shape, Chunk: c.chunk, Elem: c.elem, Divisible: c.divisible}, c.target, c.most)
			if !slices.Equal(got, c.want) {
				t.Errorf("Plan = %v, want %v", got, c.want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		shape, block []int
		elem         int
	}{
		{[]int{3}, []int{1, 1}, 4},
		{[]int{3}, []int{0}, 4},
		{[]int{-1}, []int{1}, 4},
		{[]int{3}, []int{1}, 0},
		{[]int{1 << 40, 1 << 40}, []int{1, 1}, 4},
		{[]int{1 << 20, 1 << 20}, []int{1 << 20, 1 << 20}, 1},
	} {
		if g, err := New(c.shape, c.block, c.elem); err == nil {
			t.Errorf("New(%v, %v, %d) = %v, want an error", c.shape, c.block, c.elem, g)
		}
	}
}

// naive finds the block and the place in it of every selected element, one by one.
func naive(shape, block, start, count, stride []int) map[int64][][2]int {
	out := map[int64][][2]int{}
	n := len(shape)
	total := 1
	for _, c := range count {
		total *= c
	}
	for to := range total {
		rest := to
		idx := make([]int, n)
		for d := n - 1; d >= 0; d-- {
			idx[d] = start[d] + rest%count[d]*stride[d]
			rest /= count[d]
		}
		var b int64
		for d := range n {
			b = b*int64((shape[d]+block[d]-1)/block[d]) + int64(idx[d]/block[d])
		}
		from := 0
		for d := range n {
			k := idx[d] / block[d]
			from = from*min(block[d], shape[d]-k*block[d]) + idx[d]%block[d]
		}
		out[b] = append(out[b], [2]int{from, to})
	}
	return out
}

func compare(t *testing.T, shape, block, start, count, stride []int) {
	t.Helper()
	where := fmt.Sprintf("shape %v block %v start %v count %v stride %v", shape, block, start, count, stride)
	g, err := New(shape, block, 4)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	want := naive(shape, block, start, count, stride)
	s := g.Select(start, count, stride)
	if s.Pieces() != int64(len(want)) {
		t.Fatalf("%s: %d pieces, want %d", where, s.Pieces(), len(want))
	}
	last := int64(-1)
	for i := range s.Pieces() {
		b := s.Block(i)
		if b <= last || b >= g.Blocks() {
			t.Fatalf("%s: piece %d in block %d after %d of %d", where, i, b, last, g.Blocks())
		}
		last = b
		var got [][2]int
		s.Runs(i, func(r Run) bool {
			for k := range r.N {
				got = append(got, [2]int{r.From + k*r.Step, r.To + k})
			}
			return true
		})
		if !slices.Equal(got, want[b]) {
			t.Fatalf("%s: block %d: %v, want %v", where, b, got, want[b])
		}
		_, box := g.Box(b)
		size := 4
		for _, n := range box {
			size *= n
		}
		if g.Size(b) != size {
			t.Fatalf("%s: block %d of %d bytes, its box %v has %d", where, b, g.Size(b), box, size)
		}
	}
}

func TestSelectAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := r.IntN(6)
		shape, block := make([]int, n), make([]int, n)
		start, count, stride := make([]int, n), make([]int, n), make([]int, n)
		for d := range n {
			shape[d] = r.IntN(8)
			block[d] = 1 + r.IntN(9)
			stride[d] = 1 + r.IntN(4)
			if shape[d] > 0 {
				start[d] = r.IntN(shape[d])
				count[d] = r.IntN((shape[d]-1-start[d])/stride[d] + 2)
			}
		}
		compare(t, shape, block, start, count, stride)
	}
}

func TestBoxesTileTheArray(t *testing.T) {
	g, err := New([]int{5, 7, 3}, []int{2, 3, 3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]int]int64{}
	for b := range g.Blocks() {
		start, count := g.Box(b)
		for i := range count[0] {
			for j := range count[1] {
				for k := range count[2] {
					at := [3]int{start[0] + i, start[1] + j, start[2] + k}
					if other, twice := seen[at]; twice {
						t.Fatalf("%v in blocks %d and %d", at, other, b)
					}
					seen[at] = b
				}
			}
		}
	}
	if len(seen) != 5*7*3 {
		t.Errorf("blocks cover %d elements of %d", len(seen), 5*7*3)
	}
}

func FuzzSelect(f *testing.F) {
	f.Add([]byte{5, 2, 1, 3, 1, 7, 3, 0, 7, 1})
	f.Add([]byte{9, 4, 2, 3, 3})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		n := min(len(in)/5, 5)
		var shape, block, start, count, stride []int
		for d := range n {
			b := in[5*d:]
			size := int(b[0]) % 12
			shape = append(shape, size)
			block = append(block, 1+int(b[1])%12)
			stride = append(stride, 1+int(b[4])%5)
			s, c := 0, 0
			if size > 0 {
				s = int(b[2]) % size
				c = int(b[3]) % ((size-1-s)/stride[d] + 2)
			}
			start, count = append(start, s), append(count, c)
		}
		compare(t, shape, block, start, count, stride)
	})
}

// Whatever the shapes, Plan makes blocks that New takes and that keep to the bound.
func FuzzPlan(f *testing.F) {
	f.Add(26, 73, 144, 0, 4, 256<<10, 1<<20)
	f.Add(1, 1, 1<<30, 7, 8, 1, 1)
	f.Fuzz(func(t *testing.T, a, b, c, chunked, elem, target, most int) {
		norm := func(x, n int) int { return int(uint(x) % uint(n)) }
		shape := []int{norm(a, 1<<12), norm(b, 1<<12), norm(c, 1<<31)}
		elem, target, most = 1+norm(elem, 8), 1+norm(target, 1<<24), 1+norm(most, 1<<24)
		var chunk []int
		if chunked != 0 {
			chunk = []int{1 + norm(chunked, 50), 1 + norm(chunked, 1<<10), 1 + norm(chunked, 1<<20)}
		}
		block := Plan(Layout{Shape: shape, Chunk: chunk, Elem: elem, Divisible: chunked > 0}, target, most)
		g, err := New(shape, block, elem)
		if err != nil {
			t.Fatalf("shape %v block %v: %v", shape, block, err)
		}
		if g.Blocks() > 0 && g.Size(0) > max(most, elem) {
			t.Fatalf("shape %v chunk %v: block %v of %d bytes, the most is %d", shape, chunk, block, g.Size(0), most)
		}
	})
}

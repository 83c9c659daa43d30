package cart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"gridrun/rt"
)

func run(t *testing.T, n int, body rt.Body) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := rt.Run(ctx, n, body); err != nil {
		t.Errorf("%d ranks: %v", n, err)
	}
}

func TestDims(t *testing.T) {
	for _, c := range []struct {
		n, d int
		want []int
	}{
		{1, 2, []int{1, 1}}, {7, 1, []int{7}}, {93, 2, []int{31, 3}}, {16, 2, []int{4, 4}}, {12, 3, []int{3, 2, 2}},
		{1024, 3, []int{16, 8, 8}}, {13, 3, []int{13, 1, 1}}, {36, 2, []int{6, 6}}, {6, 0, []int{}},
	} {
		if got := Dims(c.n, c.d); !slices.Equal(got, c.want) {
			t.Errorf("%d over %d: %v, want %v", c.n, c.d, got, c.want)
		}
	}
}

func TestPart(t *testing.T) {
	for n := range 20 {
		for parts := 1; parts < 8; parts++ {
			end := 0
			for i := range parts {
				start, count := Part(n, parts, i)
				if start != end || count < n/parts || count > n/parts+1 {
					t.Fatalf("part %d of %d of %d: %d from %d, want from %d", i, parts, n, count, start, end)
				}
				end += count
			}
			if end != n {
				t.Fatalf("%d parts of %d have %d", parts, n, end)
			}
		}
	}
}

func TestGrid(t *testing.T) {
	run(t, 8, func(ctx context.Context, w *rt.World) error {
		g, err := New(ctx, w, []int{2, 3}, []bool{false, true})
		if err != nil {
			return err
		}
		if w.Rank() >= 6 {
			if g != nil {
				return errors.New("a rank too many has a grid")
			}
			return nil
		}
		defer g.Close()
		y, x := w.Rank()/3, w.Rank()%3
		if !slices.Equal(g.Coords(), []int{y, x}) || g.RankAt(y, x) != g.Rank() || g.RankAt(y, x+3) != g.Rank() || g.RankAt(y, x-6) != g.Rank() {
			return fmt.Errorf("rank %d stands at %v", g.Rank(), g.Coords())
		}
		if g.RankAt(2, 0) != -1 || g.RankAt(-1, 0) != -1 || g.RankAt(0) != -1 {
			return errors.New("somebody stands outside")
		}
		if src, dst := g.Shift(1, 1); src != y*3+(x+2)%3 || dst != y*3+(x+1)%3 {
			return fmt.Errorf("along the ring: %d, %d", src, dst)
		}
		src, dst := g.Shift(0, 1)
		if want := [][2]int{{-1, 3 + x}, {x, -1}}[y]; src != want[0] || dst != want[1] {
			return fmt.Errorf("across: %d, %d", src, dst)
		}
		row, err := g.Sub(ctx, []bool{false, true})
		if err != nil {
			return err
		}
		if row.Size() != 3 || row.Rank() != x || row.WorldRank(0) != 3*y || !row.Periodic()[0] || !slices.Equal(row.Dims(), []int{3}) {
			return fmt.Errorf("row: rank %d of %d", row.Rank(), row.Size())
		}
		return row.Close()
	})
}

func TestNewRefuses(t *testing.T) {
	run(t, 2, func(ctx context.Context, w *rt.World) error {
		for _, dims := range [][]int{{3}, {0}, {-1, -2}} {
			if _, err := New(ctx, w, dims, nil); err == nil {
				return fmt.Errorf("a grid of %v", dims)
			}
		}
		if _, err := New(ctx, w, []int{2}, []bool{true, false}); err == nil {
			return errors.New("periodic in a dimension that is not there")
		}
		g, err := New(ctx, w, []int{2}, nil)
		if err != nil {
			return err
		}
		return func() error {
			for what, err := range map[string]error{
				"shape": Halo(ctx, g, make([]int, 4), []int{2, 2}, 1),
				"small": Halo(ctx, g, make([]int, 5), []int{5}, 2),
				"array": Halo(ctx, g, make([]int, 5), []int{6}, 1),
				"parts": Exchange(ctx, g, make([][]int, 1), make([][]int, 2)),
			} {
				if err == nil {
					return errors.New(what)
				}
			}
			return Halo(ctx, g, make([]int, 5), []int{5}, 0)
		}()
	})
}

// TestHalo: every cell of the halo, corners too, is what the cell's owner has; where
// the grid ends it stays. Grids of all shapes, rings and not, odd sizes.
func TestHalo(t *testing.T) {
	for _, c := range []struct {
		dims     []int
		periodic []bool
		n        []int // points of the whole array
		width    int
	}{
		{[]int{1}, []bool{true}, []int{3}, 1},
		{[]int{2}, []bool{true}, []int{7}, 2},
		{[]int{5}, []bool{false}, []int{17}, 3},
		{[]int{2, 3}, []bool{true, false}, []int{5, 8}, 2},
		{[]int{2, 4}, []bool{true, true}, []int{6, 9}, 2},
		{[]int{2, 2, 2}, []bool{false, true, true}, []int{4, 5, 7}, 1},
	} {
		ranks := 1
		for _, d := range c.dims {
			ranks *= d
		}
		run(t, ranks, func(ctx context.Context, w *rt.World) error {
			g, err := New(ctx, w, c.dims, c.periodic)
			if err != nil {
				return err
			}
			defer g.Close()
			k := len(c.dims)
			start, shape := make([]int, k), make([]int, k)
			size := 1
			for d := range k {
				s, count := Part(c.n[d], c.dims[d], g.Coords()[d])
				start[d], shape[d] = s, count+2*c.width
				size *= shape[d]
			}
			const outside = -7
			// value is what the cell at local index i must be after the exchange, and
			// whether it is this rank's own.
			value := func(i int) (v int, own bool) {
				own = true
				at := make([]int, k)
				for d := k - 1; d >= 0; d-- {
					at[d], i = i%shape[d], i/shape[d]
				}
				for d := range k {
					own = own && at[d] >= c.width && at[d] < shape[d]-c.width
					x := start[d] + at[d] - c.width
					if c.periodic[d] {
						x = (x + c.n[d]) % c.n[d]
					}
					if x < 0 || x >= c.n[d] {
						return outside, false
					}
					v = v*c.n[d] + x
				}
				return v, own
			}
			a, b := make([]int, size), make([]float32, size)
			// What the grid keeps of one exchange must not show in the next.
			for round := range 3 {
				for i := range a {
					if v, own := value(i); own {
						a[i] = v + round
					} else {
						a[i] = outside
					}
					b[i] = float32(a[i])
				}
				if err := Halo(ctx, g, a, shape, c.width); err != nil {
					return err
				}
				for i, v := range a {
					want, _ := value(i)
					if want != outside {
						want += round
					}
					if v != want {
						return fmt.Errorf("%v: rank %d, cell %d of %v: %d, want %d", c.dims, g.Rank(), i, shape, v, want)
					}
				}
				if round != 1 {
					continue
				}
				if err := Halo(ctx, g, b, shape, c.width); err != nil {
					return err
				}
				for i, v := range b {
					if v != float32(a[i]) {
						return fmt.Errorf("%v: rank %d, float32 cell %d of %v: %v, want %v", c.dims, g.Rank(), i, shape, v, a[i])
					}
				}
			}
			return nil
		})
	}
}

// TestExchangeLost: a neighbour that is gone is named, nobody waits for ever.
func TestExchangeLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	broken := errors.New("broken")
	var mu sync.Mutex
	var errs []error
	err := rt.Run(ctx, 3, func(ctx context.Context, w *rt.World) error {
		g, err := New(ctx, w, []int{3}, nil)
		if err != nil {
			return err
		}
		if w.Rank() == 1 {
			return broken
		}
		err = Halo(ctx, g, make([]byte, 9), []int{9}, 3)
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
		return err
	})
	if !errors.Is(err, broken) {
		t.Errorf("the cause is %v", err)
	}
	for _, err := range errs {
		if err == nil {
			t.Error("a halo without its neighbour")
		}
	}
}

package windshear

import (
	"context"
	"fmt"
)

// fields is all the computation knows of its input: where the points are, and the four wind components on them. The job reads them through lram; tests hold them in memory.
type fields interface {
	Grid() Grid
	// Read fills w with the points of a window at a time step, row after row, NaN where a value is missing.
	Read(ctx context.Context, step int, win window, w winds) error
	// Prefetch says that the window will be read soon. It returns at once.
	Prefetch(ctx context.Context, step int, win window) error
}

// A window is a rectangle of grid points: rows are latitudes, columns longitudes.
type window struct{ row, rows, col, cols int }

func (w window) points() int { return w.rows * w.cols }

// columns is the narrowest run of columns that holds every region.
func columns(regions []region, width int, all bool) (first, count int) {
	if all {
		return 0, width
	}
	lo, hi := width, 0
	for _, r := range regions {
		for _, j := range r.cols {
			lo, hi = min(lo, j), max(hi, j+1)
		}
	}
	return lo, max(0, hi-lo)
}

// newWinds makes buffers for n points.
func newWinds(n int) winds {
	return winds{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)}
}

// first returns the part of the buffers that n points need.
func (w winds) first(n int) winds {
	return winds{w.uUpper[:n], w.uLower[:n], w.vUpper[:n], w.vLower[:n]}
}

// A computation is what every rank knows after the start: the input and how it is cut.
type computation struct {
	in      fields
	grid    Grid
	regions []region
	weights []float64 // cos(latitude) of each row
	plan    plan
	col     int // the columns read, all that any region needs
	cols    int
	keep    bool // keep the shear of every point, for shear.nc and the map
}

// newComputation cuts the work. It depends on the grid and the regions alone: every rank arrives at the same plan.
func newComputation(in fields, boxes []Box, asked, keep bool) (*computation, error) {
	grid := in.Grid()
	if err := grid.validate(); err != nil {
		return nil, err
	}
	regions, err := layRegions(grid, boxes, asked)
	if err != nil {
		return nil, err
	}
	c := &computation{in: in, grid: grid, regions: regions, weights: grid.weights(), keep: keep}
	c.plan = plan{bandsOf(len(grid.Lat), regions, keep), len(grid.Times)}
	c.col, c.cols = columns(regions, len(grid.Lon), keep)
	return c, nil
}

// stepBytes is what one time step adds to a gather.
func (c *computation) stepBytes() int {
	n := len(c.plan.bands) * len(c.regions) * sumsBytes
	if c.keep {
		n += 4 * len(c.grid.Lat) * len(c.grid.Lon)
	}
	return n
}

func (c *computation) window(b band) window { return window{b.first, b.rows, c.col, c.cols} }

// prefetch hints at the pieces [lo, hi) of the batch that starts at time step first. A hint that cannot be taken is no error: the read will tell.
func (c *computation) prefetch(ctx context.Context, first, lo, hi int) {
	for i := lo; i < hi; i++ {
		step, b := c.plan.piece(first, i)
		if c.in.Prefetch(ctx, step, c.window(b)) != nil {
			return
		}
	}
}

// work computes the pieces [lo, hi) of a batch: the sums of each piece and region, piece by piece, and, if they are kept, the shear of each point. done is told after each piece.
func (c *computation) work(ctx context.Context, first, lo, hi int, done func()) ([]Sums, []float32, error) {
	sums := make([]Sums, (hi-lo)*len(c.regions))
	var kept []float32
	most := 0
	for _, b := range c.plan.bands {
		most = max(most, c.window(b).points())
	}
	buffers, values := newWinds(most), make([]float64, most)
	for i := lo; i < hi; i++ {
		step, b := c.plan.piece(first, i)
		win := c.window(b)
		w, s := buffers.first(win.points()), values[:win.points()]
		if err := c.in.Read(ctx, step, win, w); err != nil {
			return nil, nil, fmt.Errorf("time step %d, rows %d to %d: %w", step, win.row, win.row+win.rows-1, err)
		}
		shear(s, w)
		sumRows(sums[(i-lo)*len(c.regions):(i-lo+1)*len(c.regions)], c.regions, c.weights, s, win)
		if c.keep {
			for _, x := range s {
				kept = append(kept, float32(x))
			}
		}
		done()
	}
	return sums, kept, nil
}

// points is how many points the pieces [lo, hi) of a batch hold.
func (c *computation) points(lo, hi int) (n int) {
	for i := lo; i < hi; i++ {
		_, b := c.plan.piece(0, i)
		n += b.rows * c.cols
	}
	return n
}

// Results are what rank 0 has in the end.
type Results struct {
	Grid    Grid
	Regions []region
	Steps   [][]Sums // of each time step and region
	mean    []mean   // of each point over time; nil unless kept
}

type mean struct {
	sum float64
	n   int
}

// fold adds a batch: the sums of all its pieces in order, and the shear of its points if it is kept.
func (r *Results) fold(bands int, sums []Sums, kept []float32) {
	per := bands * len(r.Regions)
	for ; len(sums) > 0; sums = sums[per:] {
		step := make([]Sums, len(r.Regions))
		for i, s := range sums[:per] {
			step[i%len(step)].fold(s)
		}
		r.Steps = append(r.Steps, step)
	}
	if kept != nil && r.mean == nil {
		r.mean = make([]mean, len(r.Grid.Lat)*len(r.Grid.Lon))
	}
	for i, x := range kept {
		if x == x { // not NaN
			m := &r.mean[i%len(r.mean)]
			m.sum += float64(x)
			m.n++
		}
	}
}

// total is a region's fold over all time steps.
func (r *Results) total(region int) (s Sums) {
	for _, step := range r.Steps {
		s.fold(step[region])
	}
	return s
}

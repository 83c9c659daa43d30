package windshear

import "context"

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

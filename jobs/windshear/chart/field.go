package chart

import "math"

// A field is the grid with rising coordinates, as the map needs it: row 0 is the southernmost, column 0 the westernmost.
type field struct {
	lat, lon []float64
	values   []float64 // row after row, NaN where missing
	around   bool      // the columns go around the globe: after the last comes the first
}

// newField sorts the axes of a grid upward and moves the seam of a global grid to 180 degrees.
func newField(lat, lon, values []float64) field {
	rows, cols := rising(lat), rising(lon)
	f := field{lat: make([]float64, len(rows)), values: make([]float64, 0, len(values))}
	for i, row := range rows {
		f.lat[i] = lat[row]
	}
	f.lon = make([]float64, len(cols))
	for j, col := range cols {
		f.lon[j] = lon[col]
	}
	n := len(cols)
	if n > 2 {
		step := (f.lon[n-1] - f.lon[0]) / float64(n-1)
		switch gap := 360 - (f.lon[n-1] - f.lon[0]); {
		case math.Abs(gap) < 0.01*step: // the first meridian stands at both ends
			n, f.around = n-1, true
		case gap > 0 && gap < 1.5*step:
			f.around = true
		}
		f.lon, cols = f.lon[:n], cols[:n]
	}
	if f.around {
		start := 0
		for j, v := range f.lon {
			f.lon[j] = within180(v)
			if f.lon[j] < f.lon[start] {
				start = j
			}
		}
		f.lon = append(append([]float64{}, f.lon[start:]...), f.lon[:start]...)
		cols = append(append([]int{}, cols[start:]...), cols[:start]...)
	}
	for _, row := range rows {
		for _, col := range cols {
			f.values = append(f.values, values[row*len(lon)+col])
		}
	}
	return f
}

// rising lists the indices of a monotonic axis so that its values rise.
func rising(axis []float64) []int {
	index := make([]int, len(axis))
	for i := range index {
		index[i] = i
		if axis[0] > axis[len(axis)-1] {
			index[i] = len(axis) - 1 - i
		}
	}
	return index
}

// within180 writes a longitude as -180 to below 180.
func within180(lon float64) float64 { return lon - 360*math.Floor((lon+180)/360) }

// at is the value of a grid point; rows end at the edges, columns go around or end. Outside is NaN.
func (f field) at(row, col int) float64 {
	n := len(f.lon)
	if f.around {
		col = (col + n) % n
	}
	if row < 0 || row >= len(f.lat) || col < 0 || col >= n {
		return math.NaN()
	}
	return f.values[row*n+col]
}

// A place is a position between two points of an axis: the index of the lower one, and how far towards the next.
type place struct {
	index int
	part  float64
}

// locate finds x on a rising axis; positions outside stick to the ends.
func locate(axis []float64, x float64) place {
	n := len(axis)
	if x <= axis[0] || n == 1 {
		return place{0, 0}
	}
	if x >= axis[n-1] {
		return place{n - 1, 0}
	}
	lo, hi := 0, n-1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; axis[mid] <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return place{lo, (x - axis[lo]) / (axis[lo+1] - axis[lo])}
}

// locateLon is locate for longitudes, across the seam of a global grid.
func (f field) locateLon(x float64) place {
	n := len(f.lon)
	if !f.around {
		return locate(f.lon, x)
	}
	x = f.lon[0] + math.Mod(math.Mod(x-f.lon[0], 360)+360, 360)
	if last := f.lon[n-1]; x > last {
		return place{n - 1, (x - last) / (f.lon[0] + 360 - last)}
	}
	return locate(f.lon, x)
}

// sample interpolates; it is NaN where the nearest grid point is missing.
func (f field) sample(y, x place) float64 {
	var wy, wx [4]float64
	wy, wx = spline(y.part), spline(x.part)
	sum, whole := 0.0, true
	for i := -1; i <= 2 && whole; i++ {
		for j := -1; j <= 2; j++ {
			if w := wy[i+1] * wx[j+1]; w != 0 {
				v := f.at(min(len(f.lat)-1, max(0, y.index+i)), f.clampCol(x.index+j))
				sum += w * v
				whole = whole && v == v
			}
		}
	}
	if whole {
		return sum
	}
	return f.beside(y, x)
}

func (f field) clampCol(col int) int {
	if f.around {
		return col
	}
	return min(len(f.lon)-1, max(0, col))
}

// beside interpolates linearly between the valid ones of the four points around.
func (f field) beside(y, x place) float64 {
	var nearest, sum, weight, most float64
	nearest = math.NaN()
	for i := range 2 {
		for j := range 2 {
			wy, wx := 1-y.part, 1-x.part
			if i == 1 {
				wy = y.part
			}
			if j == 1 {
				wx = x.part
			}
			w := wy * wx
			if w == 0 {
				continue
			}
			v := f.at(y.index+i, f.clampCol(x.index+j))
			if w > most {
				most, nearest = w, v
			}
			if v == v {
				sum, weight = sum+w*v, weight+w
			}
		}
	}
	if nearest != nearest {
		return nearest
	}
	return sum / weight
}

// spline gives the Catmull-Rom weights of four neighbours at part t between the middle two.
func spline(t float64) [4]float64 {
	return [4]float64{
		((2-t)*t - 1) * t / 2,
		((3*t-5)*t*t + 2) / 2,
		((4-3*t)*t + 1) * t / 2,
		(t - 1) * t * t / 2,
	}
}

// contour finds the line where a raster of w x h samples, spacing pixels apart, crosses a level, by marching squares: a list of segments in pixels.
func contour(raster []float64, w, h int, spacing, level float64) []segment {
	var out []segment
	for y := 0; y+1 < h; y++ {
		for x := 0; x+1 < w; x++ {
			corner := [4]float64{raster[y*w+x], raster[y*w+x+1], raster[(y+1)*w+x+1], raster[(y+1)*w+x]}
			var cut [4]point
			var cuts []int
			for e := range corner {
				a, b := corner[e], corner[(e+1)%4]
				if a != a || b != b {
					cuts = nil
					break
				}
				if (a < level) == (b < level) {
					continue
				}
				from, to := square[e], square[(e+1)%4]
				t := (level - a) / (b - a)
				cut[e] = point{(float64(x) + from.x + t*(to.x-from.x)) * spacing, (float64(y) + from.y + t*(to.y-from.y)) * spacing}
				cuts = append(cuts, e)
			}
			switch {
			case len(cuts) == 2:
				out = append(out, segment{cut[cuts[0]], cut[cuts[1]]})
			case len(cuts) == 4 && ((corner[0]+corner[1]+corner[2]+corner[3])/4 < level) == (corner[0] < level):
				// A saddle: the middle decides which corners belong together.
				out = append(out, segment{cut[0], cut[1]}, segment{cut[2], cut[3]})
			case len(cuts) == 4:
				out = append(out, segment{cut[3], cut[0]}, segment{cut[1], cut[2]})
			}
		}
	}
	return out
}

// square has the corners of a cell in the order in which contour goes around it.
var square = [4]point{{0, 0}, {1, 0}, {1, 1}, {0, 1}}

package windshear

import (
	"fmt"
	"math"
)

// A Grid says where the points of the fields lie: times x latitudes x longitudes, latitudes in either order, longitudes from 0 to 360 or from -180 to 180.
type Grid struct {
	Times    []float64
	TimeUnit string // as in the file: "hours since 2011-10-08", or empty
	Calendar string
	Lat, Lon []float64 // degrees
}

// validate rejects coordinates that cannot be latitudes and longitudes of a grid.
func (g Grid) validate() error {
	if len(g.Times) == 0 || len(g.Lat) == 0 || len(g.Lon) == 0 {
		return usageErrorf("the grid is empty: %d time steps, %d latitudes, %d longitudes", len(g.Times), len(g.Lat), len(g.Lon))
	}
	for _, v := range g.Lat {
		if !(v >= -90-onEdge && v <= 90+onEdge) {
			return usageErrorf("latitude %g in the file is outside -90 to 90 degrees", v)
		}
	}
	for _, v := range g.Lon {
		if !(v >= -360-onEdge && v <= 720+onEdge) {
			return usageErrorf("longitude %g in the file is not in degrees east", v)
		}
	}
	for _, axis := range []struct {
		name   string
		values []float64
	}{{"latitudes", g.Lat}, {"longitudes", g.Lon}} {
		v := axis.values
		for i := 1; i < len(v); i++ {
			if (v[i] > v[i-1]) != (v[1] > v[0]) || v[i] == v[i-1] {
				return usageErrorf("the %s in the file neither rise nor fall throughout (%g follows %g)", axis.name, v[i], v[i-1])
			}
		}
	}
	return nil
}

// weights are the cosines of the latitudes, the area that a point of each row stands for.
func (g Grid) weights() []float64 {
	w := make([]float64, len(g.Lat))
	for i, lat := range g.Lat {
		w[i] = math.Max(0, math.Cos(lat*math.Pi/180))
	}
	return w
}

// extent describes the grid for messages, in the file's own numbers.
func (g Grid) extent() string {
	west, east, south, north := g.Lon[0], g.Lon[len(g.Lon)-1], g.Lat[0], g.Lat[len(g.Lat)-1]
	return fmt.Sprintf("longitudes %g to %g and latitudes %g to %g", min(west, east), max(west, east), min(south, north), max(south, north))
}

// A region is a box laid on a grid: the rows and columns whose points it holds.
type region struct {
	Box
	row  []bool // for each latitude, whether it is in the box
	cols []int  // the longitudes in the box, in the grid's order
}

func (r region) rows() (n int) {
	for _, in := range r.row {
		if in {
			n++
		}
	}
	return n
}

func layRegion(g Grid, b Box) region {
	r := region{Box: b, row: make([]bool, len(g.Lat))}
	for i, lat := range g.Lat {
		r.row[i] = b.HasLat(lat)
	}
	lons := g.Lon
	// Some files repeat the first meridian at the end (0 and 360); its points count once.
	if n := len(lons); n > 1 && math.Abs(math.Abs(lons[n-1]-lons[0])-360) < onEdge {
		lons = lons[:n-1]
	}
	for j, lon := range lons {
		if b.HasLon(lon) {
			r.cols = append(r.cols, j)
		}
	}
	return r
}

// layRegions lays the boxes on the grid. A box that the user asked for must hold a point; the default boxes may miss a regional grid and are then reported as empty.
func layRegions(g Grid, boxes []Box, asked bool) ([]region, error) {
	regions := make([]region, len(boxes))
	for i, b := range boxes {
		r := layRegion(g, b)
		if asked && (r.rows() == 0 || len(r.cols) == 0) {
			return nil, usageErrorf("box %s holds no grid point; the grid covers %s with %s", boxTitle(b), g.extent(), spacing(g))
		}
		regions[i] = r
	}
	return regions, nil
}

func boxTitle(b Box) string {
	if b.Name == b.Edges() {
		return b.Name
	}
	return fmt.Sprintf("%s (%s)", b.Name, b.Edges())
}

func spacing(g Grid) string {
	step := func(v []float64) float64 {
		if len(v) < 2 {
			return 0
		}
		return math.Abs(v[len(v)-1]-v[0]) / float64(len(v)-1)
	}
	return fmt.Sprintf("a point every %.4g degrees of longitude and %.4g of latitude", step(g.Lon), step(g.Lat))
}

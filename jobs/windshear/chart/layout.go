package chart

import (
	"image"
	"math"
)

// box is a rectangle in pixels.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) width() float64  { return b.x1 - b.x0 }
func (b box) height() float64 { return b.y1 - b.y0 }

// pixels are those that the box touches.
func (b box) pixels() image.Rectangle {
	return image.Rect(int(math.Floor(b.x0)), int(math.Floor(b.y0)), int(math.Ceil(b.x1)), int(math.Ceil(b.y1)))
}

// wider is the box with a margin around.
func (b box) wider(by float64) box { return box{b.x0 - by, b.y0 - by, b.x1 + by, b.y1 + by} }

// A layout says where on the picture things stand. Sizes are in pixels.
type layout struct {
	width, height            int
	frame                    box // the map
	west, east, south, north float64
}

const (
	marginLeft, marginRight = 92, 48
	marginTop               = 112 // title and subtitle
	marginBottom            = 150 // degrees and colour bar
	mostWidth, mostHeight   = 1460, 860
	leastWidth              = 760 // title and colour bar need it
)

// newLayout shows the whole grid.
func newLayout(f field) layout {
	l := layout{west: f.lon[0], east: f.lon[len(f.lon)-1], south: f.lat[0], north: f.lat[len(f.lat)-1]}
	if f.around {
		l.west, l.east = -180, 180
	}
	// A single row or column is shown as a strip.
	if l.east == l.west {
		l.west, l.east = l.west-1, l.east+1
	}
	if l.north == l.south {
		l.south, l.north = l.south-1, l.north+1
	}
	scale := 1.0 // of a degree of longitude against one of latitude
	if !f.around {
		scale = math.Max(0.2, math.Cos((l.south+l.north)/2*math.Pi/180))
	}
	across, up := (l.east-l.west)*scale, l.north-l.south
	perDegree := math.Min(mostWidth/across, mostHeight/up)
	width, height := math.Max(40, math.Round(across*perDegree)), math.Max(40, math.Round(up*perDegree))
	outer := math.Max(width, leastWidth)
	l.width, l.height = int(outer)+marginLeft+marginRight, int(height)+marginTop+marginBottom
	x0 := marginLeft + math.Round((outer-width)/2)
	l.frame = box{x0, marginTop, x0 + width, marginTop + height}
	return l
}

func (l layout) x(lon float64) float64 {
	return l.frame.x0 + (lon-l.west)/(l.east-l.west)*l.frame.width()
}
func (l layout) y(lat float64) float64 {
	return l.frame.y1 - (lat-l.south)/(l.north-l.south)*l.frame.height()
}
func (l layout) lon(x float64) float64 {
	return l.west + (x-l.frame.x0)/l.frame.width()*(l.east-l.west)
}
func (l layout) lat(y float64) float64 {
	return l.south + (l.frame.y1-y)/l.frame.height()*(l.north-l.south)
}

// degreeStep is the distance of graticule lines: a divisor of the circle that people are used to, about n over a span.
func degreeStep(span float64, n int) float64 {
	for _, step := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60} {
		if span/step <= float64(n) {
			return step
		}
	}
	return 90
}

// ticks are the multiples of step from lo to hi.
func ticks(lo, hi, step float64) []float64 {
	var out []float64
	for k := math.Ceil(lo/step - 1e-6); k*step <= hi+1e-6*step; k++ {
		out = append(out, k*step+0) // + 0 makes -0 a 0
	}
	return out
}

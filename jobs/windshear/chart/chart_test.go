package chart

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"
)

func axis(first, step float64, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = first + float64(i)*step
	}
	return v
}

// TestRampIsEven: every colour can be shown, and lightness rises by the same amount at each step.
func TestRampIsEven(t *testing.T) {
	before := -1.0
	for i := range 256 {
		x := float64(i) / 255
		r, g, b := oklch(rampLCh(x))
		if min(r, g, b) < 0 || max(r, g, b) > 1 {
			t.Fatalf("the colour at %.3f cannot be shown: %.3f %.3f %.3f", x, r, g, b)
		}
		if luminance := 0.2126*r + 0.7152*g + 0.0722*b; luminance <= before {
			t.Fatalf("at %.3f the ramp gets darker", x)
		} else {
			before = luminance
		}
	}
	if ramp(-3) != ramp(0) || ramp(7) != ramp(1) {
		t.Error("values outside of the scale do not get its ends")
	}
}

func TestScaleEndsAtARoundNumber(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		top    float64
		over   bool
	}{
		{[]float64{0, 1, 2, 3.9}, 4, false},
		{append(axis(0, 0.1, 1000), 5000), 100, true},
		{[]float64{math.NaN(), 25}, 25, false},
		{[]float64{math.NaN()}, 1, false},
		{[]float64{0, 0}, 1, false},
		{nil, 1, false},
	} {
		if s := newScale(tc.values); math.Abs(s.top-tc.top) > 1e-9 || s.over != tc.over {
			t.Errorf("%d values: %+v, want %g %t", len(tc.values), s, tc.top, tc.over)
		}
	}
}

// TestFieldIsTheSameOnEveryGrid: the order of the axes and the place of the seam must not move anything.
func TestFieldIsTheSameOnEveryGrid(t *testing.T) {
	value := func(lat, lon float64) float64 { return lat + 100*math.Cos(lon*math.Pi/180) }
	lats := [][]float64{axis(-90, 10, 19), axis(90, -10, 19)}
	lons := [][]float64{axis(0, 10, 36), axis(-180, 10, 36), axis(350, -10, 36), axis(0, 10, 37)}
	for _, lat := range lats {
		for _, lon := range lons {
			var values []float64
			for _, y := range lat {
				for _, x := range lon {
					values = append(values, value(y, x))
				}
			}
			f := newField(lat, lon, values)
			if !f.around || len(f.lon) != 36 || f.lon[0] != -180 || f.lat[0] != -90 {
				t.Fatalf("longitudes %v: around %t, %v", lon, f.around, f.lon)
			}
			for _, at := range [][2]float64{{0, 0}, {-90, -180}, {90, 180}, {40, 350}, {-20, -170}} {
				got := f.sample(locate(f.lat, at[0]), f.locateLon(at[1]))
				if math.Abs(got-value(at[0], at[1])) > 1e-9 {
					t.Errorf("at %v: %g, want %g", at, got, value(at[0], at[1]))
				}
			}
			if got, want := f.sample(locate(f.lat, 5), f.locateLon(-175)), value(5, -175); math.Abs(got-want) > 0.5 {
				t.Errorf("between the first and the last meridian: %g, want about %g", got, want)
			}
		}
	}
}

func TestMissingValuesStayWhereTheyAre(t *testing.T) {
	values := make([]float64, 25)
	values[12] = math.NaN()
	f := newField(axis(0, 1, 5), axis(0, 1, 5), values)
	for _, tc := range []struct {
		y, x    float64
		missing bool
	}{{2, 2, true}, {2.4, 2.4, true}, {2.6, 2.6, false}, {2, 3, false}, {0, 0, false}, {4, 4, false}} {
		if v := f.sample(locate(f.lat, tc.y), locate(f.lon, tc.x)); (v != v) != tc.missing {
			t.Errorf("at %g, %g: %g", tc.y, tc.x, v)
		}
	}
}

// TestContourOfACone: the line around a cone is a circle.
func TestContourOfACone(t *testing.T) {
	const n = 41
	raster := make([]float64, n*n)
	for i := range raster {
		raster[i] = math.Hypot(float64(i%n-20), float64(i/n-20))
	}
	lines := contour(raster, n, n, 2, 10)
	around := 0.0
	for _, l := range lines {
		around += math.Hypot(l.a.x-l.b.x, l.a.y-l.b.y)
		if r := math.Hypot(l.a.x-40, l.a.y-40); math.Abs(r-20) > 0.1 {
			t.Errorf("a piece of the line is %g from the middle, want 20", r)
		}
	}
	if math.Abs(around-40*math.Pi) > 0.5 {
		t.Errorf("the line is %g long, want %g", around, 40*math.Pi)
	}
	raster[20*n+30] = math.NaN()
	if got := contour(raster, n, n, 2, 10); len(got) >= len(lines) || len(got) == 0 {
		t.Errorf("%d pieces beside a missing value, %d without", len(got), len(lines))
	}
}

func TestContourOfASaddle(t *testing.T) {
	for _, raster := range [][]float64{{1, 0, 0, 1}, {0, 1, 1, 0}, {3, 0, 0, 3}, {0, 3, 3, 0}} {
		for _, l := range contour(raster, 2, 2, 1, 0.9) {
			if l.a == l.b {
				t.Errorf("saddle %v: an empty piece", raster)
			}
		}
		if got := contour(raster, 2, 2, 1, 0.9); len(got) != 2 {
			t.Errorf("saddle %v: %d pieces", raster, len(got))
		}
	}
}

func TestFit(t *testing.T) {
	p, err := newPen(10, 10)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("wind ", 100)
	if got := p.fit(p.label, long, 300); !strings.HasSuffix(got, "…") || p.width(p.label, got) > 300 || p.width(p.label, got) < 250 {
		t.Errorf("fitted to %g: %q", p.width(p.label, got), got)
	}
	if got := p.fit(p.label, "wind", 300); got != "wind" {
		t.Errorf("a short text became %q", got)
	}
}

func TestGraticule(t *testing.T) {
	if got := degreeStep(360, 14); got != 30 {
		t.Errorf("step over the globe: %g", got)
	}
	if got := ticks(-50, 50, 20); len(got) != 5 || got[0] != -40 || math.Signbit(got[2]) {
		t.Errorf("ticks %v", got)
	}
	for v, want := range map[float64]string{-180: "180°", 180: "180°", 0: "0°", 30: "30°E", -7.5: "7.5°W", 0.30000000000000004: "0.3°E"} {
		if got := degrees(v, "E", "W"); got != want {
			t.Errorf("%g: %s, want %s", v, got, want)
		}
	}
}

// TestDraw draws grids of all kinds and sizes and looks at a few pixels.
func TestDraw(t *testing.T) {
	boxes := []Box{
		{"globe", -180, 180, -90, 90}, {"Atlantic", -100, 0, 0, 45}, {"date line", 170, -170, -10, 10}, {"a name much longer than its box", 359, 1, 80, 90},
		{"a point", 20, 20, 10, 10}, {"outside", 40, 50, 88, 89},
	}
	for _, tc := range []struct {
		name     string
		lat, lon []float64
		aspect   float64 // width to height of the map
	}{
		{"globe", axis(90, -10, 19), axis(0, 10, 36), 2},
		{"region", axis(20, 1.25, 33), axis(-140, 2.5, 36), 87.5 * math.Cos(40*math.Pi/180) / 40},
		{"one row", []float64{0}, axis(0, 1, 50), 24.5},
		{"one column", axis(0, 1, 30), []float64{10}, 0},
		{"one point", []float64{0}, []float64{0}, 1},
		{"two", []float64{0, 1}, []float64{0, 1}, 1},
		{"near a pole", axis(80, 1, 11), axis(0, 1, 30), 0},
	} {
		values := make([]float64, len(tc.lat)*len(tc.lon))
		for i := range values {
			values[i] = float64(i % 17)
		}
		if len(values) > 4 {
			values[3] = math.NaN()
		}
		m := Map{Lat: tc.lat, Lon: tc.lon, Values: values, Title: tc.name, Subtitle: strings.Repeat("a long line ", 20), Unit: "m/s", Contour: 8, Boxes: boxes}
		var out bytes.Buffer
		if err := m.WritePNG(&out); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		img, err := png.Decode(&out)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		l := newLayout(newField(tc.lat, tc.lon, values))
		if got := l.frame.width() / l.frame.height(); tc.aspect != 0 && math.Abs(got/tc.aspect-1) > 0.05 {
			t.Errorf("%s: the map is %.3f times as wide as high, want %.3f", tc.name, got, tc.aspect)
		}
		if img.Bounds() != image.Rect(0, 0, l.width, l.height) || l.width > 1700 || l.height > 1200 {
			t.Errorf("%s: picture of %v", tc.name, img.Bounds())
		}
		if got := color.NRGBAModel.Convert(img.At(2, 2)); got != paper {
			t.Errorf("%s: corner %v", tc.name, got)
		}
	}
	if _, err := (Map{Lat: []float64{1}, Lon: []float64{1}}).Draw(); err == nil {
		t.Error("a map without values was drawn")
	}
}

// TestCoasts: the embedded lines are whole, and each piece of coast is short and on the map or just beyond its edge.
func TestCoasts(t *testing.T) {
	for _, f := range []field{
		newField(axis(-90, 10, 19), axis(0, 10, 36), make([]float64, 19*36)),
		newField(axis(20, 1, 41), axis(220, 1, 90), make([]float64, 41*90)), // North America, counted eastward
	} {
		l := newLayout(f)
		shore := coasts(l)
		if len(shore) < 300 {
			t.Errorf("%g to %g: only %d pieces of coast", l.west, l.east, len(shore))
		}
		for _, s := range shore {
			if lon := l.lon(s.b.x) - l.lon(s.a.x); math.Abs(lon) > 20 || math.Abs(l.lat(s.b.y)-l.lat(s.a.y)) > 10 {
				t.Errorf("a piece of coast from %g, %g spans %g degrees", l.lon(s.a.x), l.lat(s.a.y), lon)
			}
		}
	}
}

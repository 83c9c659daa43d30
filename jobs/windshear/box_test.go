package windshear

import (
	"math"
	"strings"
	"testing"
)

func TestParseBox(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Box
	}{
		{"-85,-20,10,20", Box{"85W-20W, 10N-20N", -85, -20, 10, 20}},
		{"85W,20W,10N,20N", Box{"85W-20W, 10N-20N", -85, -20, 10, 20}},
		{"Gulf of Mexico=98w, 80w, 18n, 31n", Box{"Gulf of Mexico", -98, -80, 18, 31}},
		{"275,340,10,20", Box{"85W-20W, 10N-20N", 275, 340, 10, 20}},
		{"350,10,-5.5,5.5", Box{"10W-10E, 5.5S-5.5N", 350, 10, -5.5, 5.5}},
		{"100W,0,0,45N", Box{"100W-0, 0-45N", -100, 0, 0, 45}},
		{"85°W,20°W,10°N,20°N", Box{"85W-20W, 10N-20N", -85, -20, 10, 20}},
		{"-180,180,-90,90", Box{"globe", -180, 180, -90, 90}},
		{"0,360,0,90N", Box{"all longitudes, 0-90N", 0, 360, 0, 90}},
		{"x=0,0,0,0", Box{"x", 0, 0, 0, 0}},
	} {
		got, err := parseBox(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                "four edges",
		"1,2,3":           "four edges",
		"1,2,3,4,5":       "four edges",
		"a,2,3,4":         "west edge",
		"1,2,20,10":       "south edge lies north",
		"0,10,-91,10":     "south edge -91 is outside -90 to 90",
		"0,361,-9,10":     "east edge 361 is outside",
		"-85W,20W,10,20":  "both a sign and a hemisphere",
		"85W,20W,10E,20N": "south edge",
		"0,1,NaN,4":       "south edge",
		"0,1,2,Inf":       "north edge",
		"0,1e999,2,3":     "east edge",
	} {
		if _, err := parseBox(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseBox(f *testing.F) {
	for _, s := range []string{"-85,-20,10,20", "A=85W,20W,10N,20N", "0,360,-90,90", "=,,,", "1W,1E,1S,1N"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseBox(text)
		if err != nil {
			return
		}
		if b.Name == "" || b.South > b.North || math.Abs(b.South) > 90 || math.Abs(b.North) > 90 || !b.HasLon(b.West) || !b.HasLon(b.East) || !b.HasLat(b.South) {
			t.Errorf("%q gave %+v", text, b)
		}
	})
}

// TestRegionsOnGrids: the same box must hold the same places however the file writes its longitudes and latitudes.
func TestRegionsOnGrids(t *testing.T) {
	from := func(first, step float64, n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = first + float64(i)*step
		}
		return v
	}
	for name, lon := range map[string][]float64{"0..357.5": from(0, 2.5, 144), "-180..177.5": from(-180, 2.5, 144), "0..360": from(0, 2.5, 145), "falling": from(357.5, -2.5, 144)} {
		for _, lat := range [][]float64{from(90, -2.5, 73), from(-90, 2.5, 73)} {
			g := Grid{Times: []float64{0}, Lat: lat, Lon: lon}
			if err := g.validate(); err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct {
				box        Box
				rows, cols int
			}{
				{Box{"globe", -180, 180, -90, 90}, 73, 144},
				{Box{"globe as 0 to 360", 0, 360, -90, 90}, 73, 144},
				{Box{"Atlantic", -100, 0, 0, 45}, 19, 41},
				{Box{"Atlantic as 0 to 360", 260, 360, 0, 45}, 19, 41},
				{Box{"across Greenwich", 350, 10, -5, 5}, 5, 9},
				{Box{"across the date line", 170, -170, -5, 5}, 5, 9},
				{Box{"all but a wedge", 10, -10, 0, 0}, 1, 137},
				{Box{"a point", 20, 20, 10, 10}, 1, 1},
				{Box{"between points", 20.1, 22.4, 10.1, 12.4}, 0, 0},
			} {
				r := layRegion(g, tc.box)
				if r.rows() != tc.rows || len(r.cols) != tc.cols {
					t.Errorf("%s on longitudes %s: %d rows and %d columns, want %d and %d", tc.box.Name, name, r.rows(), len(r.cols), tc.rows, tc.cols)
				}
			}
		}
	}
}

func TestBoxOutsideTheGrid(t *testing.T) {
	g := Grid{Times: []float64{0}, Lat: []float64{20, 40, 60}, Lon: []float64{-140, -100, -60}}
	_, err := layRegions(g, []Box{{"Europe", 0, 30, 40, 60}}, true)
	if err == nil || !strings.Contains(err.Error(), "Europe (0-30E, 40N-60N)") || !strings.Contains(err.Error(), "longitudes -140 to -60 and latitudes 20 to 60") {
		t.Errorf("error %v", err)
	}
	regions, err := layRegions(g, []Box{{"Europe", 0, 30, 40, 60}}, false)
	if err != nil || len(regions) != 1 {
		t.Errorf("a default box outside a regional grid: %v", err)
	}
}

func TestGridsThatAreNone(t *testing.T) {
	one := []float64{0}
	for name, g := range map[string]Grid{
		"empty":         {Times: one, Lat: nil, Lon: one},
		"no times":      {Lat: one, Lon: one},
		"latitude 91":   {Times: one, Lat: []float64{91}, Lon: one},
		"metres":        {Times: one, Lat: one, Lon: []float64{0, 100000}},
		"zigzag":        {Times: one, Lat: []float64{0, 10, 5}, Lon: one},
		"repeated":      {Times: one, Lat: []float64{0, 0}, Lon: one},
		"not a number":  {Times: one, Lat: []float64{math.NaN()}, Lon: one},
		"longitude nan": {Times: one, Lat: one, Lon: []float64{math.NaN()}},
	} {
		if err := g.validate(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

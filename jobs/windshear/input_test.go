package windshear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gridrun/lram/format/array"
)

// memArray is an array in memory with coordinates.
type memArray struct {
	dims   []string
	shape  []int
	coords map[string][]float64
	units  map[string]string
	data   []float64
}

func (a *memArray) Shape() []int                                 { return a.shape }
func (a *memArray) Dims() []string                               { return a.dims }
func (a *memArray) Attrs() map[string]any                        { return map[string]any{"calendar": "noleap"} }
func (a *memArray) Prefetch(context.Context, []int, []int) error { return nil }
func (a *memArray) Close() error                                 { return nil }

func (a *memArray) Coord(_ context.Context, dim string) ([]float64, string, error) {
	if v, ok := a.coords[dim]; ok {
		return v, a.units[dim], nil
	}
	return nil, "", fmt.Errorf("dimension %s: %w", dim, array.ErrNoCoord)
}

func (a *memArray) Read(_ context.Context, start, count []int, buf []float64) error {
	for i := range buf {
		at, left := 0, i
		index := make([]int, len(count))
		for d := len(count) - 1; d >= 0; d-- {
			index[d], left = start[d]+left%count[d], left/count[d]
		}
		for d, x := range index {
			if x >= a.shape[d] {
				return errors.New("outside")
			}
			at = at*a.shape[d] + x
		}
		buf[i] = a.data[at]
	}
	return nil
}

// newMem makes an array of the given dimensions ("time=2 lev=3 lat=2 lon=4"), whose elements are their own indices.
func newMem(dims string, units map[string]string, coords map[string][]float64) *memArray {
	a := &memArray{units: units, coords: map[string][]float64{}}
	total := 1
	for _, d := range strings.Fields(dims) {
		name, length, _ := strings.Cut(d, "=")
		n := int(length[0] - '0')
		a.dims, a.shape = append(a.dims, name), append(a.shape, n)
		total *= n
		a.coords[name] = make([]float64, n)
		for i := range n {
			a.coords[name][i] = float64(i)
		}
		if v, ok := coords[name]; ok {
			if v == nil {
				delete(a.coords, name)
			} else {
				a.coords[name] = v
			}
		}
	}
	for i := range total {
		a.data = append(a.data, float64(i))
	}
	return a
}

func openMem(arrays map[string]*memArray) opener {
	return func(_ context.Context, ref string) (ndarray, error) {
		if a, ok := arrays[ref]; ok {
			return a, nil
		}
		return nil, usageErrorf("%s: no such array", ref)
	}
}

func TestInputFindsItsAxes(t *testing.T) {
	hPa := map[string]string{"lev": "hPa"}
	levels := map[string][]float64{"lev": {850, 500, 200}}
	for _, tc := range []struct {
		name, dims    string
		units         map[string]string
		coords        map[string][]float64
		args          string
		upper, lower  float64 // the first element of each level
		wantErr       string
		times         int
		wantTimeValue float64
	}{
		{name: "usual", dims: "time=2 lev=3 lat=2 lon=4", units: hPa, coords: levels, upper: 16 + 24, lower: 0 + 24, times: 2, wantTimeValue: 1},
		{name: "level first", dims: "lev=3 time=2 lat=2 lon=4", units: hPa, coords: levels, upper: 32 + 8, lower: 0 + 8, times: 2, wantTimeValue: 1},
		{name: "names from units", dims: "a=2 b=3 c=2 d=4", units: map[string]string{"a": "hours since 2000-01-01", "b": "millibar", "c": "degrees_north", "d": "degrees_east"},
			coords: map[string][]float64{"b": {850, 500, 200}}, upper: 16 + 24, lower: 24, times: 2, wantTimeValue: 1},
		{name: "ensemble of one", dims: "time=2 member=1 lev=3 lat=2 lon=4", units: hPa, coords: levels, upper: 16 + 24, lower: 24, times: 2, wantTimeValue: 1},
		{name: "no time", dims: "lev=3 lat=2 lon=4", units: hPa, coords: levels, upper: 16, lower: 0, times: 1},
		{name: "time without coordinate", dims: "time=2 lev=3 lat=2 lon=4", units: hPa, coords: map[string][]float64{"lev": {850, 500, 200}, "time": nil}, upper: 40, lower: 24, times: 2, wantTimeValue: 1},
		{name: "Pa", dims: "time=2 lev=3 lat=2 lon=4", units: map[string]string{"lev": "Pa"}, coords: map[string][]float64{"lev": {20000, 50000, 85000}}, upper: 24, lower: 40, times: 2, wantTimeValue: 1},
		{name: "other levels", dims: "time=2 lev=3 lat=2 lon=4", units: hPa, coords: levels, args: "--upper 500 --lower 850", upper: 8 + 24, lower: 24, times: 2, wantTimeValue: 1},
		{name: "no such level", dims: "time=2 lev=3 lat=2 lon=4", units: hPa, coords: levels, args: "--upper 250", wantErr: "no level at 250 hPa in the file; it has 850, 500, 200 hPa"},
		{name: "heights", dims: "time=2 lev=3 lat=2 lon=4", units: map[string]string{"lev": "m"}, coords: levels, wantErr: "not pressures"},
		{name: "no level", dims: "time=2 lat=2 lon=4", wantErr: "--u-upper"},
		{name: "ensemble of three", dims: "member=3 lev=3 lat=2 lon=4", units: hPa, coords: levels, wantErr: "member is none of"},
		{name: "transposed", dims: "time=2 lev=3 lon=4 lat=2", units: hPa, coords: levels, wantErr: "must be the last two"},
		{name: "no place", dims: "time=2 lev=3 station=4", units: hPa, coords: levels, wantErr: "station is none of"},
		{name: "no latitude", dims: "time=2 lev=3 lon=4", units: hPa, coords: levels, wantErr: "no latitude and longitude"},
		{name: "no coordinates", dims: "lev=3 lat=2 lon=4", units: hPa, coords: map[string][]float64{"lev": {850, 500, 200}, "lat": nil}, wantErr: "no coordinate values for lat and lon"},
		{name: "levels unknown", dims: "lev=3 lat=2 lon=4", coords: map[string][]float64{"lev": nil}, wantErr: "its level dimension has no coordinate values"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := parseArgs(append(strings.Fields(tc.args), "--u=u", "--v=v"))
			if err != nil {
				t.Fatal(err)
			}
			a := newMem(tc.dims, tc.units, tc.coords)
			in, err := openInput(context.Background(), o, openMem(map[string]*memArray{"u": a, "v": a}))
			if tc.wantErr != "" {
				var coded *UsageError
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || !errors.As(err, &coded) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			last := len(in.Grid().Times) - 1
			if last+1 != tc.times || in.Grid().Times[last] != tc.wantTimeValue {
				t.Errorf("times %v", in.Grid().Times)
			}
			w := newWinds(2)
			if err := in.Read(context.Background(), last, window{1, 1, 2, 2}, w); err != nil {
				t.Fatal(err)
			}
			// Row 1, columns 2 and 3 of 4.
			if w.uUpper[0] != tc.upper+6 || w.vUpper[1] != tc.upper+7 || w.uLower[0] != tc.lower+6 || w.vLower[1] != tc.lower+7 {
				t.Errorf("read %+v, want from %g and %g on", w, tc.upper+6, tc.lower+6)
			}
		})
	}
}

func TestComponentsOnDifferentGrids(t *testing.T) {
	base := newMem("time=2 lat=2 lon=4", nil, nil)
	for name, other := range map[string]*memArray{
		"more latitudes":     newMem("time=2 lat=3 lon=4", nil, nil),
		"other longitudes":   newMem("time=2 lat=2 lon=4", nil, map[string][]float64{"lon": {0, 1, 2, 4}}),
		"fewer times":        newMem("time=1 lat=2 lon=4", nil, nil),
		"latitudes reversed": newMem("time=2 lat=2 lon=4", nil, map[string][]float64{"lat": {1, 0}}),
	} {
		o, err := parseArgs([]string{"--u-upper=a", "--u-lower=b", "--v-upper=a", "--v-lower=a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openInput(context.Background(), o, openMem(map[string]*memArray{"a": base, "b": other})); err == nil || !strings.Contains(err.Error(), "share one grid") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCalendarAndNames(t *testing.T) {
	a := newMem("time=2 lat=2 lon=4", map[string]string{"time": "days since 2000-02-28"}, nil)
	o, err := parseArgs([]string{"--u-upper=a.nc#u", "--u-lower=a.nc#u", "--v-upper=b.nc", "--v-lower=/x#/b.nc"})
	if err != nil {
		t.Fatal(err)
	}
	open := openMem(map[string]*memArray{"a.nc#u": a, "b.nc": a, "/x#/b.nc": a, "a.nc#time": a})
	in, err := openInput(context.Background(), o, open)
	if err != nil {
		t.Fatal(err)
	}
	in.findCalendar(context.Background(), open)
	if in.grid.Calendar != "noleap" || in.files != "a.nc, b.nc, /x#/b.nc" {
		t.Errorf("calendar %q, files %q", in.grid.Calendar, in.files)
	}
}

// TestNCFile reads shear.nc back with a reader that knows nothing of the writer.
func TestNCFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shear.nc")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := Grid{TimeUnit: "hours since 2000-01-01", Calendar: "standard", Lat: []float64{10, 5, 0}, Lon: []float64{-5, 0, 5, 10}}
	nc, err := createNC(f, g, "title", "source", "200 minus 850 hPa")
	if err != nil {
		t.Fatal(err)
	}
	var want []float64
	for step := range 3 {
		record := make([]float32, 12)
		for i := range record {
			record[i] = float32(step*100 + i)
		}
		record[7] = float32(math.NaN())
		if err := nc.append(float64(6*step), record); err != nil {
			t.Fatal(err)
		}
		for _, v := range record {
			if v != v {
				v = missingShear
			}
			want = append(want, float64(v))
		}
	}
	if err := nc.finish(); err != nil {
		t.Fatal(err)
	}
	p := readPlain(t, path)
	if !slices.Equal(p.data["shear"], want) || !slices.Equal(p.data["time"], []float64{0, 6, 12}) || !slices.Equal(p.data["lat"], g.Lat) || !slices.Equal(p.data["lon"], g.Lon) {
		t.Errorf("read back %v", p.data)
	}
	if !slices.Equal(p.dims["shear"], []string{"time", "lat", "lon"}) {
		t.Errorf("dimensions %v", p.dims)
	}
}

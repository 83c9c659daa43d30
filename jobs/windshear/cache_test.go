package windshear

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gridrun/lram/format/netcdf"
)

// stormFiles are the arguments for the storm files as they lie in the repository.
var stormFiles = []string{
	"--u-upper=testdata/U500storm.cdf#u", "--v-upper=testdata/V500storm.cdf#v", "--u-lower=testdata/Ustorm.cdf#u", "--v-lower=testdata/Vstorm.cdf#v",
}

func readSummary(t *testing.T, dir string) (s Summary) {
	t.Helper()
	if err := json.Unmarshal([]byte(content(t, dir, "summary.json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThroughTheCache runs the job as users do: the embedded winds and the storm files through package lram.
func TestThroughTheCache(t *testing.T) {
	root := t.TempDir()
	boxes := []Box{{"all", -180, 180, -90, 90}, {"plains", -110, -90, 30, 50}}
	for _, tc := range []struct {
		name  string
		ranks []int
		args  []string
		check func(t *testing.T, s Summary)
	}{
		{"gfs", []int{1, 2, 5, 16, 93}, nil, checkReference},
		{"storm", []int{1, 16}, append([]string{"--box=all=-180,180,-90,90", "--box=plains=250,270,30,50"}, stormFiles...), func(t *testing.T, s Summary) { checkStorm(t, s, boxes) }},
		{"storm with little memory", []int{5}, append([]string{"--memory=1M", "--box=all=-180,180,-90,90", "--box=plains=250,270,30,50"}, stormFiles...), func(t *testing.T, s Summary) { checkStorm(t, s, boxes) }},
	} {
		var first string
		for _, ranks := range tc.ranks {
			dir := filepath.Join(root, tc.name)
			if err := runJob(t, ranks, openCache, append([]string{"--out", dir}, tc.args...)...); err != nil {
				t.Fatalf("%s with %d ranks: %v", tc.name, ranks, err)
			}
			got := content(t, dir, "summary.json")
			if first == "" {
				first = got
				tc.check(t, readSummary(t, dir))
			}
			if got != first {
				t.Errorf("%s with %d ranks:\n%s\nwith one:\n%s", tc.name, ranks, got, first)
			}
		}
	}
}

// packed writes the upper and the lower winds of a synthetic field as shorts in tenths of m/s, levels in mb, latitudes falling and longitudes from 0 to 360; -999 is missing.
func packed(t *testing.T, levelUnit string, levels []float64) string {
	t.Helper()
	lat, lon := []float64{20, 10, 0, -10}, []float64{0, 60, 120, 180, 240, 300}
	var u, v []int16
	for range 2 { // times
		for level := range levels {
			for y := range lat {
				for x := range lon {
					k := int16(level * (x + 1)) // the shear between the first two levels is 5(x+1)
					u, v = append(u, 20+30*k), append(v, -50+40*k)
					if y == 3 && x == 5 && level == 1 {
						u[len(u)-1] = -999
					}
				}
			}
		}
	}
	attrs := []netcdf.Attr{{Name: "scale_factor", Value: 0.1}, {Name: "add_offset", Value: 3.0}, {Name: "missing_value", Value: int16(-999)}}
	dims := []string{"time", "level", "lat", "lon"}
	units := func(u string) []netcdf.Attr { return []netcdf.Attr{{Name: "units", Value: u}} }
	path := filepath.Join(t.TempDir(), "packed.nc")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = netcdf.Write(f, &netcdf.Content{
		Dims: []netcdf.Dim{{Name: "time", Len: 2, Record: true}, {Name: "level", Len: len(levels)}, {Name: "lat", Len: 4}, {Name: "lon", Len: 6}},
		Vars: []netcdf.Var{
			{Name: "time", Dims: []string{"time"}, Data: []float64{0, 6}, Attrs: units("hours since 2005-08-28")},
			{Name: "level", Dims: []string{"level"}, Data: levels, Attrs: units(levelUnit)},
			{Name: "lat", Dims: []string{"lat"}, Data: lat, Attrs: units("degrees_north")},
			{Name: "lon", Dims: []string{"lon"}, Data: lon, Attrs: units("degrees_east")},
			{Name: "uwnd", Dims: dims, Data: u, Attrs: attrs}, {Name: "vwnd", Dims: dims, Data: v, Attrs: attrs},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPackedShorts(t *testing.T) {
	path, dir := packed(t, "mb", []float64{850, 200}), filepath.Join(t.TempDir(), "out")
	err := runJob(t, 3, openCache, "--u", path+"#uwnd", "--v", path+"#vwnd", "--out", dir, "--box=all=-180,180,-90,90", "--box=seam=70W,70E,5S,5N")
	if err != nil {
		t.Fatal(err)
	}
	s := readSummary(t, dir)
	all, seam := s.Regions[0], s.Regions[1]
	if s.Times != 2 || all.Points != 46 || all.Missing != 2 || !near(all.Min, 5, 1e-9) || !near(all.Max, 30, 1e-9) || !near(all.Mean, (8*(5+10+15+20+25)+6*30)/46.0, 1e-9) {
		t.Errorf("all: %+v, min %v mean %v max %v", all, *all.Min, *all.Mean, *all.Max)
	}
	// Longitudes 0, 60 and 300 of the equator: 5, 10 and 30 m/s.
	if seam.Points != 6 || !near(seam.Mean, 15, 1e-9) || !near(seam.Below8, 1/3.0, 1e-12) {
		t.Errorf("box across the seam: %+v", seam)
	}
	if got := content(t, dir, "series.csv"); !strings.Contains(got, "1,2005-08-28T06:00:00Z,seam,3,0,") {
		t.Errorf("series:\n%s", got)
	}
	p := readPlain(t, filepath.Join(dir, "shear.nc"))
	if got := p.data["shear"]; len(got) != 48 || math.Abs(got[0]-5) > 1e-5 || got[23] != float64(missingShear) || !slices.Equal(p.data["lat"], []float64{20, 10, 0, -10}) {
		t.Errorf("shear.nc: %v", got)
	}
}

// TestBadInput: one line says what is wrong, with the exit code of a user's mistake where it is one, and nothing is left behind.
func TestBadInput(t *testing.T) {
	good := packed(t, "hPa", []float64{850, 200})
	metres := packed(t, "m", []float64{1500, 12000})
	whole := content(t, good)
	cut := filepath.Join(t.TempDir(), "cut.nc")
	if err := os.WriteFile(cut, []byte(whole[:len(whole)-200]), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path, u, v string
		more             []string
		want             string
		usage            bool
	}{
		{"no file", "/nowhere/winds.nc", "uwnd", "vwnd", nil, "no such file", true},
		{"no variable", good, "u", "vwnd", nil, "uwnd", true},
		{"level", good, "uwnd", "vwnd", []string{"--upper=300"}, "it has 850, 200 hPa", true},
		{"not a pressure", metres, "uwnd", "vwnd", nil, "not pressures", true},
		{"box between points", good, "uwnd", "vwnd", []string{"--box=10,20,1,9"}, "holds no grid point", true},
		{"a coordinate", good, "uwnd", "lat", nil, "no latitude and longitude", true},
		{"truncated", cut, "uwnd", "vwnd", nil, "", false},
		{"not NetCDF", "testdata/README.md", "uwnd", "vwnd", nil, "not a format", false},
	} {
		for _, ranks := range []int{1, 93} {
			root := t.TempDir()
			args := append([]string{"--u", tc.path + "#" + tc.u, "--v", tc.path + "#" + tc.v, "--out", filepath.Join(root, "out")}, tc.more...)
			err := runJob(t, ranks, openCache, args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s with %d ranks: %v, want %q", tc.name, ranks, err, tc.want)
				continue
			}
			t.Logf("%s with %d ranks: %v", tc.name, ranks, err)
			if got := isUsage(err); got != tc.usage {
				t.Errorf("%s with %d ranks: %v: a user's mistake is %t, want %t", tc.name, ranks, err, got, tc.usage)
			}
			if got := listing(t, root); got != "" {
				t.Errorf("%s with %d ranks: %s is left", tc.name, ranks, got)
			}
		}
	}
}

package format_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"gridrun/internal/needs"
	"gridrun/lram/format"
	"gridrun/lram/format/array"
	"gridrun/lram/format/netcdf"
	"gridrun/lram/store"
)

// The real input that ships with the wind shear job: one forecast, and a storm with missing values.
const (
	gfs   = "../../jobs/windshear/data/gfs_uv_20111008.nc"
	storm = "../../jobs/windshear/testdata/Ustorm.cdf"
)

func open(t *testing.T, st store.Store, ref string) *format.Dataset {
	t.Helper()
	d, err := format.Open(t.Context(), st, ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// stormFill is the _FillValue of the storm files, which ncdump shows as an underscore.
const stormFill = -9999

// ncdump gives the values of a variable as the reference implementation reads them.
func ncdump(t *testing.T, file, name string) []float32 {
	t.Helper()
	out, err := exec.Command(needs.Command(t, "ncdump", "netcdf-bin"), "-p", "9,17", "-v", name, file).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, data, ok := strings.Cut(string(out), "\n "+name+" =")
	if !ok {
		t.Fatalf("ncdump shows no %s", name)
	}
	data, _, _ = strings.Cut(data, ";")
	var v []float32
	for _, s := range strings.FieldsFunc(data, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if s == "_" {
			v = append(v, stormFill)
			continue
		}
		x, err := strconv.ParseFloat(s, 32)
		if err != nil {
			t.Fatal(err)
		}
		v = append(v, float32(x))
	}
	return v
}

// TestRealWinds compares every element of the real input, and a box of it, with ncdump.
func TestRealWinds(t *testing.T) {
	for _, name := range []string{"u", "v"} {
		d := open(t, store.Set(nil), gfs+"#"+name)
		if got := fmt.Sprintf("%v %v %s %v", d.Dims, d.Shape, d.DType, d.Chunk); got != "[time plev lat lon] [1 26 73 144] float32 [1 26 73 144]" {
			t.Fatal(got)
		}
		want := ncdump(t, gfs, name)
		start, count := []int{0, 0, 0, 0}, []int{1, 26, 73, 144}
		compare(t, d, start, count, want)
		// 200 hPa over a piece of the Atlantic.
		start, count = []int{0, 7, 20, 104}, []int{1, 1, 17, 40}
		var box []float32
		for y := range 17 {
			from := (7*73+20+y)*144 + 104
			box = append(box, want[from:from+40]...)
		}
		compare(t, d, start, count, box)
	}
	d := open(t, store.Set{"builtin": os.DirFS(filepath.Dir(gfs))}, "builtin:gfs_uv_20111008.nc#u")
	plev, unit, err := d.Coord(t.Context(), "plev")
	if err != nil || unit != "Pa" || len(plev) != 26 || plev[7] != 20000 || plev[20] != 85000 {
		t.Errorf("plev %v %q %v", plev, unit, err)
	}
	lat, unit, err := d.Coord(t.Context(), "lat")
	if err != nil || unit != "degrees_north" || len(lat) != 73 || lat[0] != 90 || lat[72] != -90 {
		t.Errorf("lat %v %q %v", lat, unit, err)
	}
	if _, _, err := d.Coord(t.Context(), "height"); !errors.Is(err, array.ErrNoCoord) {
		t.Errorf("height: error %v", err)
	}
	if d.Attrs["units"] != "m s**-1" || d.File.Attrs["Conventions"] != "CF-1.6" || d.Packed {
		t.Errorf("attributes %v %v", d.Attrs, d.File.Attrs)
	}
}

// TestMissingStorm reads a file with missing values: they are in Missing, and NaN when unpacked, exactly where ncdump shows none.
func TestMissingStorm(t *testing.T) {
	d := open(t, store.Set(nil), storm)
	if got := fmt.Sprintf("%s %v %v %v", d.Name, d.Dims, d.Shape, d.Missing); got != "u [timestep lat lon] [64 33 36] [-9999]" {
		t.Fatal(got)
	}
	want := ncdump(t, storm, "u")
	compare(t, d, []int{0, 0, 0}, d.Shape, want)
	values, err := d.Float64s(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	for i, w := range want {
		if math.IsNaN(values[i]) != (w == stormFill) {
			t.Fatalf("element %d is %v, ncdump says %v", i, values[i], w)
		}
		if w == stormFill {
			missing++
		}
	}
	if missing == 0 {
		t.Error("the storm has no missing values to test with")
	}
}

func compare(t *testing.T, d *format.Dataset, start, count []int, want []float32) {
	t.Helper()
	raw := make([]byte, 4*len(want))
	if err := d.ReadBox(t.Context(), start, count, raw); err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if got := array.Element(array.Float32, raw[4*i:]); got != w {
			t.Fatalf("%s %v+%v: element %d is %v, ncdump says %v", d.Name, start, count, i, got, w)
		}
	}
}

// TestOpenFormats opens one array through each format and both kinds of store.
func TestOpenFormats(t *testing.T) {
	var nc bytes.Buffer
	err := netcdf.Write(&nc, &netcdf.Content{
		Dims: []netcdf.Dim{{Name: "x", Len: 3}},
		Vars: []netcdf.Var{{Name: "x", Dims: []string{"x"}, Data: []float64{1, 2, 3}}, {Name: "u", Dims: []string{"x"}, Data: []int16{4, 5, 6}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{
		"u.nc":     {Data: nc.Bytes()},
		"odd.JSON": {Data: nc.Bytes()}, // the content decides
		"u.json":   {Data: []byte(`{"path": "u.bin", "dtype": "int16", "shape": [3], "dims": ["x"], "coordinates": {"x": {"values": [1, 2, 3]}}}`)},
		"u.bin":    {Data: binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte{4, 0}, 5), 6)},
	}
	dir := t.TempDir()
	for name, f := range files {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range []string{"mem:", dir + "/"} {
		for _, ref := range []string{"u.nc", "u.nc#u", "odd.JSON", "u.json", "u.json#u"} {
			d := open(t, store.Set{"mem": files}, where+ref)
			v, err := d.Float64s(t.Context())
			if err != nil || fmt.Sprint(v) != "[4 5 6]" {
				t.Errorf("%s: %v %v", ref, v, err)
			}
			x, _, err := d.Coord(t.Context(), "x")
			if err != nil || fmt.Sprint(x) != "[1 2 3]" {
				t.Errorf("%s: x %v %v", ref, x, err)
			}
			if err := d.File.Check(); err != nil || d.File.BytesRead() == 0 || !strings.HasSuffix(d.Key(), "#u") {
				t.Errorf("%s: %v, %d bytes, key %s", ref, err, d.File.BytesRead(), d.Key())
			}
			if again := open(t, store.Set{"mem": files}, where+ref); again.Key() != d.Key() {
				t.Errorf("%s: keys %s and %s", ref, d.Key(), again.Key())
			}
		}
	}
}

// tracked counts files that are open.
type tracked struct {
	store.Set
	open int
}

func (s *tracked) Open(ctx context.Context, name string) (store.File, error) {
	f, err := s.Set.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	s.open++
	return &trackedFile{f, s}, nil
}

type trackedFile struct {
	store.File
	s *tracked
}

func (f *trackedFile) Close() error { f.s.open--; return f.File.Close() }

// TestOpenErrors: one clear message each, and no file stays open.
func TestOpenErrors(t *testing.T) {
	whole, err := os.ReadFile(gfs)
	if err != nil {
		t.Fatal(err)
	}
	st := &tracked{Set: store.Set{"mem": fstest.MapFS{
		"cut.nc":    {Data: whole[:len(whole)-1]},
		"two.nc":    {Data: whole},
		"h5.nc":     {Data: []byte("\x89HDF\r\n\x1a\n and more")},
		"text.txt":  {Data: []byte("hello, world")},
		"empty.nc":  {},
		"bad.json":  {Data: []byte(`{"path": "x.bin", "dtipe": "int8", "shape": [1]}`)},
		"gone.json": {Data: []byte(`{"path": "x.bin", "dtype": "int8", "shape": [1]}`)},
		"cut.json":  {Data: []byte(`{"path": "text.txt", "dtype": "int8", "shape": [13]}`)},
	}}}
	for _, tc := range []struct{ ref, want string }{
		{"", "reference is empty"},
		{"#u", "reference is empty"},
		{"mem:two.nc#", "no variable after #"},
		{"mem:two.nc", "mem:two.nc: which variable? name one as mem:two.nc#u (there are: time(time),"},
		{"mem:two.nc#w", `mem:two.nc: no variable is called "w" (there are: time(time), lon(lon), lat(lat), plev(plev), u(time, plev, lat, lon), v(time, plev, lat, lon))`},
		{"mem:cut.nc#u", "mem:cut.nc: NetCDF classic: truncated: variable v has 1 records of 1093248 bytes"},
		{"mem:h5.nc", "NetCDF-4/HDF5 is not read yet; convert it: nccopy -k cdf5 mem:h5.nc out.nc"},
		{"mem:text.txt", `not a format that is read here (NetCDF classic, or a .json description of raw data); it starts with "hello, w"`},
		{"mem:empty.nc", "the file is empty"},
		{"mem:bad.json", `did you mean "dtype"?`},
		{"mem:gone.json", "open mem:x.bin: there is no such file"},
		{"mem:cut.json", "the data file text.txt has 12 bytes"},
		{"mem:none.nc", "there is no such file"},
	} {
		d, err := format.Open(t.Context(), st, tc.ref)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q in it", tc.ref, err, tc.want)
		}
		if st.open != 0 {
			t.Errorf("%s: %d files stay open", tc.ref, st.open)
			st.open = 0
		}
	}
	d, err := format.Open(t.Context(), st, "mem:two.nc#u")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil || st.open != 0 {
		t.Errorf("Close: %v, %d files stay open", err, st.open)
	}
}

func TestParseRef(t *testing.T) {
	for _, tc := range []struct{ s, file, v string }{
		{"a.nc", "a.nc", ""}, {"a.nc#u", "a.nc", "u"}, {"builtin:a.nc#u", "builtin:a.nc", "u"}, {"/d#1/a.nc", "/d#1/a.nc", ""},
		{"/d#1/a.nc#u", "/d#1/a.nc", "u"}, {"a#b#c", "a#b", "c"},
	} {
		r, err := format.ParseRef(tc.s)
		if err != nil || r.File != tc.file || r.Var != tc.v {
			t.Errorf("ParseRef(%q) = %+v %v", tc.s, r, err)
		}
	}
}

// FuzzParseRef: what is parsed is written the same again.
func FuzzParseRef(f *testing.F) {
	f.Add("a.nc#u")
	f.Add("/d#1/a.nc")
	f.Add("#")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := format.ParseRef(s)
		if err == nil && r.String() != s {
			t.Fatalf("%q is parsed as %+v, written as %q", s, r, r)
		}
	})
}

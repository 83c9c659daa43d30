package netcdf_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gridrun/lram/format/array"
	"gridrun/lram/format/formattest"
	"gridrun/lram/format/netcdf"
	"gridrun/lram/store"
)

// write makes a file of c in the test's directory.
func write(t *testing.T, c *netcdf.Content) string {
	t.Helper()
	var buf bytes.Buffer
	if err := netcdf.Write(&buf, c); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "f.nc")
	if err := os.WriteFile(name, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// open opens a file until the end of the test.
func open(t *testing.T, name string) *array.File {
	t.Helper()
	f, err := store.Set(nil).Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	file, err := netcdf.Open(t.Context(), name, f)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func variable(t *testing.T, f *array.File, name string) *array.Array {
	t.Helper()
	a, err := f.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSuite runs the common suite over the places a variable can have in a file.
func TestSuite(t *testing.T) {
	for _, kind := range []string{"fixed", "lone record", "interleaved", "cdf5 interleaved"} {
		t.Run(kind, func(t *testing.T) {
			formattest.Run(t, array.DTypes, func(t *testing.T, p *formattest.Plain) *array.Array {
				record := kind != "fixed"
				if record && len(p.Shape) == 0 || !record && len(p.Shape) > 0 && p.Shape[0] == 0 {
					return nil // no dimension to be the record's; no fixed dimension of length 0
				}
				c := &netcdf.Content{}
				for i, n := range p.Shape {
					c.Dims = append(c.Dims, netcdf.Dim{Name: p.Dims[i], Len: n, Record: record && i == 0})
				}
				v := netcdf.Var{Name: "v", Dims: p.Dims, Data: p.Data}
				switch kind {
				case "interleaved":
					// Three bytes of another variable in front, two behind: paddings of 1 and 2.
					c.Dims = append(c.Dims, netcdf.Dim{Name: "three", Len: 3})
					n := p.Shape[0]
					before := netcdf.Var{Name: "before", Dims: []string{"t", "three"}, Data: make([]int8, 3*n)}
					behind := netcdf.Var{Name: "behind", Dims: []string{"t"}, Data: make([]int16, n)}
					c.Vars = []netcdf.Var{before, v, behind}
				case "cdf5 interleaved":
					n := p.Shape[0]
					c.Vars = []netcdf.Var{{Name: "time", Dims: []string{"t"}, Data: make([]uint64, n)}, v}
				default:
					c.Vars = []netcdf.Var{v}
				}
				return variable(t, open(t, write(t, c)), "v")
			})
		})
	}
}

func TestVersionIsTheOldestThatHolds(t *testing.T) {
	for _, tc := range []struct {
		data any
		want byte
	}{{[]float32{1}, 1}, {[]int8{1}, 1}, {"x", 1}, {[]uint8{1}, 5}, {[]int64{1}, 5}} {
		name := write(t, &netcdf.Content{
			Dims: []netcdf.Dim{{Name: "x", Len: 1}},
			Vars: []netcdf.Var{{Name: "v", Dims: []string{"x"}, Data: tc.data}},
		})
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("CDF%c", tc.want); string(b[:4]) != want {
			t.Errorf("%T is written as %q, want %q", tc.data, b[:4], want)
		}
	}
	attr := write(t, &netcdf.Content{Attrs: []netcdf.Attr{{Name: "n", Value: uint16(3)}}})
	if b, _ := os.ReadFile(attr); !bytes.HasPrefix(b, []byte("CDF\x05")) {
		t.Errorf("an unsigned attribute is written as %q, want CDF-5", b[:4])
	}
}

func TestAttributesAndMissing(t *testing.T) {
	f := open(t, write(t, &netcdf.Content{
		Dims:  []netcdf.Dim{{Name: "x", Len: 2}},
		Attrs: []netcdf.Attr{{Name: "title", Value: "wind"}, {Name: "empty", Value: ""}, {Name: "levels", Value: []int32{1, 2, 3}}},
		Vars: []netcdf.Var{
			{Name: "packed", Dims: []string{"x"}, Data: []int16{-1, 5}, Attrs: []netcdf.Attr{
				{Name: "scale_factor", Value: 0.5}, {Name: "add_offset", Value: float32(10)},
				{Name: "_FillValue", Value: int16(-1)}, {Name: "missing_value", Value: []float64{7, 0.5, 9}},
			}},
			{Name: "plain", Dims: []string{"x"}, Data: []float32{1, 2}},
			{Name: "bytes", Dims: []string{"x"}, Data: []int8{1, 2}},
			{Name: "double", Dims: []string{"x"}, Data: []float64{1, 2}, Attrs: []netcdf.Attr{{Name: "_FillValue", Value: -9999.0}}},
		},
	}))
	if got := fmt.Sprint(f.Attrs); got != "map[empty: levels:[1 2 3] title:wind]" {
		t.Errorf("attributes %s", got)
	}
	p := variable(t, f, "packed")
	if !p.Packed || p.Scale != 0.5 || p.Offset != 10 {
		t.Errorf("packing %v %v %v", p.Packed, p.Scale, p.Offset)
	}
	for _, tc := range []struct {
		name string
		want string
	}{
		{"packed", "[int16=-1 int16=7 int16=9]"}, // 0.5 is no int16
		{"plain", "[float32=9.96921e+36]"},
		{"bytes", "[]"},
		{"double", "[float64=-9999]"},
	} {
		var got []string
		for _, m := range variable(t, f, tc.name).Missing {
			got = append(got, fmt.Sprintf("%T=%v", m, m))
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%s: missing %v, want %s", tc.name, got, tc.want)
		}
	}
	v, err := p.Float64s(t.Context())
	if err != nil || fmt.Sprint(v) != "[NaN 12.5]" {
		t.Errorf("unpacked %v %v", v, err)
	}
}

package netcdf_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/internal/needs"
	"gridrun/lram/format/netcdf"
)

// tool runs a program of Unidata's netcdf-bin, the reference for what a file means.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(needs.Command(t, name, "netcdf-bin"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestNcdumpReadsWhatWeWrite(t *testing.T) {
	name := write(t, &netcdf.Content{
		Dims:  []netcdf.Dim{{Name: "time", Len: 2, Record: true}, {Name: "x", Len: 3}, {Name: "len", Len: 5}},
		Attrs: []netcdf.Attr{{Name: "title", Value: "shear"}, {Name: "nums", Value: []int32{1, 2}}},
		Vars: []netcdf.Var{
			{Name: "time", Dims: []string{"time"}, Data: []float64{0, 6}, Attrs: []netcdf.Attr{{Name: "units", Value: "hours"}}},
			{Name: "s", Dims: []string{"time", "x"}, Data: []int16{1, 2, 3, 4, 5, 6}, Attrs: []netcdf.Attr{{Name: "scale_factor", Value: float32(0.5)}}},
			{Name: "b", Dims: []string{"x"}, Data: []int8{-1, 0, 1}},
			{Name: "name", Dims: []string{"len"}, Data: "winds"},
			{Name: "pi", Data: float32(3.25)},
		},
	})
	want := `netcdf f {
dimensions:
	time = UNLIMITED ; // (2 currently)
	x = 3 ;
	len = 5 ;
variables:
	double time(time) ;
		time:units = "hours" ;
	short s(time, x) ;
		s:scale_factor = 0.5f ;
	byte b(x) ;
	char name(len) ;
	float pi ;

// global attributes:
		:title = "shear" ;
		:nums = 1, 2 ;
data:

 time = 0, 6 ;

 s =
  1, 2, 3,
  4, 5, 6 ;

 b = -1, 0, 1 ;

 name = "winds" ;

 pi = 3.25 ;
}
`
	if got := tool(t, "ncdump", name); got != want {
		t.Errorf("ncdump says\n%s\nwant\n%s", got, want)
	}
	if kind := strings.TrimSpace(tool(t, "ncdump", "-k", name)); kind != "classic" {
		t.Errorf("kind %q", kind)
	}
}

// TestNcdumpLoneRecords has no padding between records; ncdump would show shifted values if it did.
func TestNcdumpLoneRecords(t *testing.T) {
	for _, data := range []any{[]int8{1, 2, 3, 4, 5}, []int16{1, 2, 3, 4, 5}, []uint8{1, 2, 3, 4, 5}, []uint64{1, 2, 3, 4, 5}} {
		name := write(t, &netcdf.Content{
			Dims: []netcdf.Dim{{Name: "r", Len: 5, Record: true}},
			Vars: []netcdf.Var{{Name: "v", Dims: []string{"r"}, Data: data}},
		})
		if got := tool(t, "ncdump", "-v", "v", name); !strings.Contains(got, " v = 1, 2, 3, 4, 5 ;") {
			t.Errorf("%T: ncdump says\n%s", data, got)
		}
	}
}

// TestReadsWhatNcgenWrites goes the other way: files of each version by the reference implementation.
func TestReadsWhatNcgenWrites(t *testing.T) {
	const classic = `netcdf g {
dimensions: t = UNLIMITED ; y = 2 ; x = 3 ;
variables:
	int fixed(y, x) ;
	byte b(t, x) ; b:missing_value = -1b ;
	short s(t) ; s:scale_factor = 0.1 ;
	float f(t, y, x) ; f:_FillValue = -9999.f ;
	double scalar ;
	char c(x) ;
data:
	fixed = 1, 2, 3, 4, 5, 6 ;
	b = 1, 2, 3, 4, 5, 6 ;
	s = 10, 20 ;
	f = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, _ ;
	scalar = 2.5 ;
	c = "abc" ;
}`
	const wide = `netcdf g {
dimensions: t = UNLIMITED ; x = 3 ;
variables:
	uint64 u(t, x) ; u:n = 18446744073709551615ULL ;
	ubyte b(t) ;
	int64 i(x) ;
data:
	u = 1ULL, 2ULL, 18446744073709551615ULL ;
	b = 255 ;
	i = -1LL, 0LL, 7LL ;
}`
	for _, tc := range []struct {
		kind, cdl string
		want      map[string]string
	}{
		{"classic", classic, nil},
		{"64-bit offset", classic, nil},
		{"cdf5", classic, nil},
		{"cdf5", wide, map[string]string{"u": "[1 2 1.8446744073709552e+19]", "b": "[255]", "i": "[-1 0 7]"}},
	} {
		if tc.want == nil {
			tc.want = map[string]string{
				"fixed": "[1 2 3 4 5 6]", "b": "[1 2 3 4 5 6]", "s": "[1 2]", "f": "[1 2 3 4 5 6 7 8 9 10 11 NaN]", "scalar": "[2.5]",
			}
		}
		cdl := filepath.Join(t.TempDir(), "g.cdl")
		if err := os.WriteFile(cdl, []byte(tc.cdl), 0o600); err != nil {
			t.Fatal(err)
		}
		nc := filepath.Join(t.TempDir(), "g.nc")
		tool(t, "ncgen", "-k", tc.kind, "-o", nc, cdl)
		f := open(t, nc)
		for name, want := range tc.want {
			got, err := variable(t, f, name).Float64s(t.Context())
			if err != nil || fmt.Sprint(got) != want {
				t.Errorf("%s: %s = %v %v, want %s", tc.kind, name, got, err, want)
			}
		}
	}
}

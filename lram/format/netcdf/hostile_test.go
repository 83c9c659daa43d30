package netcdf

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"gridrun/lram/format/array"
	"gridrun/lram/store"
)

// openBytes opens a file that is only in memory.
func openBytes(t testing.TB, p []byte) (*array.File, error) {
	t.Helper()
	f, err := store.Set{"mem": fstest.MapFS{"f.nc": {Data: p}}}.Open(context.Background(), "mem:f.nc")
	if err != nil {
		t.Fatal(err)
	}
	return Open(context.Background(), "mem:f.nc", f)
}

func sample(t testing.TB, data any) []byte {
	t.Helper()
	var buf bytes.Buffer
	err := Write(&buf, &Content{
		Dims: []Dim{{Name: "t", Len: 3, Record: true}, {Name: "x", Len: 2}},
		Vars: []Var{
			{Name: "v", Dims: []string{"t", "x"}, Data: data, Attrs: []Attr{{Name: "units", Value: "m"}}},
			{Name: "w", Dims: []string{"t"}, Data: []int16{1, 2, 3}},
			{Name: "x", Dims: []string{"x"}, Data: []float64{1, 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestTruncatedAnywhere cuts a file at each byte: every cut is one error that names the file, none a panic or a wrong array.
func TestTruncatedAnywhere(t *testing.T) {
	whole := sample(t, []float32{1, 2, 3, 4, 5, 6})
	for _, wide := range [][]byte{whole, sample(t, []uint64{1, 2, 3, 4, 5, 6})} {
		padding := 2 // behind the last record's two bytes of w
		for n := range len(wide) - padding {
			_, err := openBytes(t, wide[:n])
			if err == nil {
				t.Fatalf("%d of %d bytes opened", n, len(wide))
			}
			if !strings.Contains(err.Error(), "mem:f.nc: NetCDF classic: ") {
				t.Fatalf("%d bytes: %v does not name the file", n, err)
			}
		}
		for n := len(wide) - padding; n <= len(wide); n++ {
			if _, err := openBytes(t, wide[:n]); err != nil {
				t.Errorf("without the last padding (%d of %d bytes): %v", n, len(wide), err)
			}
		}
	}
	_, err := openBytes(t, whole[:len(whole)-12])
	want := "truncated: variable v has 3 records of 8 bytes from byte"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "holds 2 of them") {
		t.Errorf("error %v, want %q in it", err, want)
	}
}

// TestStreaming opens files whose writer left the number of records open: whole records count.
func TestStreaming(t *testing.T) {
	for _, p := range [][]byte{sample(t, []float32{1, 2, 3, 4, 5, 6}), sample(t, []uint64{1, 2, 3, 4, 5, 6})} {
		if p[3] == 5 {
			binary.BigEndian.PutUint64(p[4:], math.MaxUint64)
		} else {
			binary.BigEndian.PutUint32(p[4:], math.MaxUint32)
		}
		for cut, want := range map[int]int{0: 3, 5: 2} {
			f, err := openBytes(t, p[:len(p)-cut])
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Arrays[0].Shape[0]; got != want {
				t.Errorf("CDF-%d without %d bytes: %d records, want %d", p[3], cut, got, want)
			}
		}
	}
}

func TestHostileHeaders(t *testing.T) {
	good := sample(t, []float32{1, 2, 3, 4, 5, 6})
	at := func(needle string) int { return bytes.Index(good, []byte(needle)) }
	for _, tc := range []struct {
		name  string
		where int
		value uint32
		want  string
	}{
		{"version", 0, 'C'<<24 | 'D'<<16 | 'F'<<8 | 3, "not one of NetCDF classic"},
		{"records", 4, 1 << 31, "the number of records is negative"},
		{"more records", 4, math.MaxInt32, "has 2147483647 records of"},
		{"tag", 8, 0x0b, "where the list of dimensions should be"},
		{"dimensions", 12, math.MaxInt32, "2147483647 dimensions at byte"},
		{"negative dimensions", 12, 1 << 31, "is negative"},
		{"name length", 16, 1 << 30, "bytes in the name of a dimension"},
		{"no name", 16, 0, "a dimension without a name"},
		{"two record dimensions", 36, 0, "two record dimensions, t and x"},
		{"long dimension", 36, math.MaxInt32, "truncated: variable v"},
		{"attribute type", at("units") + 8, 7, "type 7 does not exist in this version"},
		{"attribute count", at("units") + 12, 1 << 30, "values of attribute units"},
		{"dimension number", at("\x00\x00\x00\x01v") + 12, 2, "variable v: dimension number 2, but the file has 2"},
		{"record not first", at("\x00\x00\x00\x01v") + 16, 0, "the record dimension t is not the first"},
		{"many dimensions", at("\x00\x00\x00\x01v") + 8, 1 << 29, "536870912 dimensions at byte"},
	} {
		p := bytes.Clone(good)
		binary.BigEndian.PutUint32(p[tc.where:], tc.value)
		if _, err := openBytes(t, p); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q in it", tc.name, err, tc.want)
		}
	}
}

// TestPlaceChoosesVersion lays out files that no memory holds: only the header's numbers count.
func TestPlaceChoosesVersion(t *testing.T) {
	for _, tc := range []struct {
		name string
		lens []int64 // a float32 variable of each length
		want byte
	}{
		{"small", []int64{1}, 1},
		{"variable of 2 GiB less a little", []int64{1<<29 - 1}, 1},
		{"offsets above 2 GiB", []int64{1<<29 - 1, 1, 1}, 2},
		{"variable of 2 GiB", []int64{1 << 29}, 2},
		{"variable of 4 GiB", []int64{1 << 30}, 5},
	} {
		p := &plan{c: &Content{}, header: &header{}}
		for i, n := range tc.lens {
			p.header.dims = append(p.header.dims, dim{string(rune('a' + i)), n})
			p.header.vars = append(p.header.vars, variable{name: string(rune('p' + i)), dims: []int{i}, dtype: array.Float32})
			p.c.Vars = append(p.c.Vars, Var{})
		}
		var err error
		if p.layout, err = p.header.arrange(0); err != nil {
			t.Fatal(err)
		}
		if err := p.place(); err != nil || p.header.version != tc.want {
			t.Errorf("%s: CDF-%d %v, want CDF-%d", tc.name, p.header.version, err, tc.want)
		}
		last := p.header.vars[len(p.header.vars)-1]
		h, err := readHeader(t.Context(), bytes.NewReader(p.encodeHeader()), int64(len(p.encodeHeader())))
		if err != nil || h.vars[len(h.vars)-1].begin != last.begin {
			t.Errorf("%s: read back %+v %v", tc.name, h, err)
		}
	}
	p := &plan{c: &Content{}, header: &header{dims: []dim{{"a", math.MaxInt64}, {"b", 3}}, vars: []variable{{name: "v", dims: []int{0, 1}, dtype: array.Int8}}}}
	if _, err := p.header.arrange(0); err == nil || !strings.Contains(err.Error(), "larger than 2^63 bytes") {
		t.Errorf("a variable of 3*2^63 bytes: error %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	x := []Dim{{Name: "x", Len: 2}}
	for _, tc := range []struct {
		c    Content
		want string
	}{
		{Content{Dims: []Dim{{Name: "", Len: 1}}}, "is not a name"},
		{Content{Dims: []Dim{{Name: "a/b", Len: 1}}}, "is not a name"},
		{Content{Dims: []Dim{{Name: "x", Len: 1}, {Name: "x", Len: 1}}}, "two of the name dimension x"},
		{Content{Dims: []Dim{{Name: "x"}}}, "has length 0"},
		{Content{Dims: []Dim{{Name: "x", Len: -1}}}, "negative length"},
		{Content{Dims: []Dim{{Name: "x", Record: true}, {Name: "y", Record: true}}}, "both for records"},
		{Content{Dims: x, Vars: []Var{{Name: "v", Dims: []string{"y"}, Data: []int8{1}}}}, "there is no dimension y"},
		{Content{Dims: x, Vars: []Var{{Name: "v", Dims: []string{"x"}, Data: []int8{1}}}}, "1 elements of data, its dimensions make 2"},
		{Content{Dims: x, Vars: []Var{{Name: "v", Dims: []string{"x"}, Data: []int{1, 2}}}}, "values of Go type []int"},
		{Content{Attrs: []Attr{{Name: "a", Value: true}}}, "attribute a: values of Go type bool"},
		{Content{Dims: []Dim{{Name: "x", Len: 2}, {Name: "t", Record: true}}, Vars: []Var{{Name: "v", Dims: []string{"x", "t"}, Data: []int8{}}}}, "must be the first"},
		{Content{Dims: []Dim{{Name: "t", Len: 1 << 62, Record: true}, {Name: "x", Len: 4}}, Vars: []Var{{Name: "v", Dims: []string{"t", "x"}, Data: []int8{}}}}, "more than memory can be"},
	} {
		if err := Write(&bytes.Buffer{}, &tc.c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want %q in it", err, tc.want)
		}
	}
}

// failAfter takes n bytes and then fails.
type failAfter struct{ n int }

func (w *failAfter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, errFull
	}
	w.n -= len(p)
	return len(p), nil
}

var errFull = bytes.ErrTooLarge

func TestWriteReportsAFullDisk(t *testing.T) {
	c := &Content{Dims: []Dim{{Name: "t", Len: 2, Record: true}, {Name: "x", Len: 1 << 19}},
		Vars: []Var{{Name: "v", Dims: []string{"t", "x"}, Data: make([]float32, 1<<20)}, {Name: "f", Dims: []string{"x"}, Data: make([]int8, 1<<19)}}}
	for n := 0; n < 4<<20; n += 1 << 19 {
		if err := Write(&failAfter{n}, c); err == nil || !strings.Contains(err.Error(), errFull.Error()) {
			t.Fatalf("disk full after %d bytes: error %v", n, err)
		}
	}
}

// FuzzOpen: no input panics, allocates without bound or opens with arrays that cannot be read.
func FuzzOpen(f *testing.F) {
	f.Add(sample(f, []float32{1, 2, 3, 4, 5, 6}))
	f.Add(sample(f, []uint64{1, 2, 3, 4, 5, 6}))
	f.Add([]byte("CDF\x01"))
	f.Add([]byte("CDF\x02\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		file, err := openBytes(t, p)
		if err != nil {
			return
		}
		for _, a := range file.Arrays {
			n, ok := a.Bytes(a.Shape)
			if !ok || n > len(p) {
				t.Fatalf("%s: %v of %s in a file of %d bytes", a.Name, a.Shape, a.DType, len(p))
			}
			if err := a.ReadBox(t.Context(), make([]int, len(a.Shape)), a.Shape, make([]byte, n)); err != nil {
				t.Fatalf("%s was opened and cannot be read: %v", a.Name, err)
			}
		}
	})
}

// Offset and size of a variable may each fit 64 bits and their sum not.
func TestFarVariable(t *testing.T) {
	h := &header{version: 5, dims: []dim{{"t", 0}, {"x", 1 << 62}}, vars: []variable{{name: "v", dims: []int{0, 1}, dtype: array.Int8, begin: math.MaxInt64 - 7}}, numrecs: 1}
	l, err := h.arrange(1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.check(l, 1000); err == nil || !strings.Contains(err.Error(), "holds 0 of them") {
		t.Errorf("a variable far behind the end of the file: %v", err)
	}
}

package raw_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"gridrun/lram/format/array"
	"gridrun/lram/format/formattest"
	"gridrun/lram/format/raw"
	"gridrun/lram/store"
)

// open opens the description d/a.json of a store that also holds d/a.bin.
func open(t testing.TB, description string, data []byte) (*array.File, error) {
	t.Helper()
	set := store.Set{"mem": fstest.MapFS{"d/a.json": {Data: []byte(description)}, "d/a.bin": {Data: data}}}
	f, err := set.Open(context.Background(), "mem:d/a.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw.Open(context.Background(), set, "mem:d/a.json", f)
}

var numbers = array.DTypes[1:] // all but text

func TestSuite(t *testing.T) {
	for _, order := range []string{"little", "big"} {
		for _, gap := range []int{0, 1, 40000} {
			t.Run(fmt.Sprintf("%s gap %d", order, gap), func(t *testing.T) {
				dtypes := numbers
				if gap > 1000 {
					dtypes = []array.DType{array.Int8, array.Float64} // large gaps make large files
				}
				formattest.Run(t, dtypes, func(t *testing.T, p *formattest.Plain) *array.Array {
					if gap > 0 && len(p.Shape) == 0 {
						return nil
					}
					return withGaps(t, p, order, gap)
				})
			})
		}
	}
}

// withGaps writes p behind 3 bytes of something else, with gap bytes between the records.
func withGaps(t *testing.T, p *formattest.Plain, order string, gap int) *array.Array {
	t.Helper()
	var enc binary.AppendByteOrder = binary.LittleEndian
	if order == "big" {
		enc = binary.BigEndian
	}
	body := p.Encode(enc)
	d := map[string]any{"path": "a.bin", "dtype": p.DType, "byte_order": order, "shape": p.Shape, "dims": p.Dims, "offset": 3}
	data := []byte{7, 7, 7}
	if len(p.Shape) > 0 && p.Shape[0] > 0 {
		record := len(body) / p.Shape[0]
		if gap > 0 {
			d["record_stride"] = record + gap
		}
		for i := range p.Shape[0] {
			data = append(data, body[i*record:(i+1)*record]...)
			if i < p.Shape[0]-1 {
				data = append(data, make([]byte, gap)...)
			}
		}
	} else {
		data = append(data, body...)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	f, err := open(t, string(text), data)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Array("a")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEverything(t *testing.T) {
	f, err := open(t, `{"path": "a.bin", "name": "u", "dtype": "int16", "byte_order": "big", "shape": [2, 3], "dims": ["t", "x"],
		"coordinates": {"x": {"values": [10, 20.5, 30], "unit": "km"}}, "offset": 1, "record_stride": 8,
		"missing": [-1, 7], "scale": 0.5, "add_offset": 100, "unit": "m/s", "attributes": {"long_name": "wind", "n": 3, "list": [1, 2]}}`,
		[]byte{9, 0, 1, 0, 2, 0, 7, 9, 9, 0, 4, 0, 5, 255, 255})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Main()
	if err != nil || a.Name != "u" || !a.Packed || fmt.Sprint(a.Chunk) != "[1 3]" {
		t.Fatalf("%+v %v", a, err)
	}
	got, err := a.Float64s(t.Context())
	if err != nil || fmt.Sprint(got) != "[100.5 101 NaN 102 102.5 NaN]" {
		t.Errorf("values %v %v", got, err)
	}
	x, unit, err := f.Coord(t.Context(), "x")
	if err != nil || unit != "km" || fmt.Sprint(x) != "[10 20.5 30]" {
		t.Errorf("x: %v %q %v", x, unit, err)
	}
	if _, _, err := f.Coord(t.Context(), "t"); err == nil || !strings.Contains(err.Error(), `mem:d/a.json: dimension "t"`) {
		t.Errorf("t: error %v", err)
	}
	if got := fmt.Sprint(a.Attrs); got != "map[list:[1 2] long_name:wind n:3 units:m/s]" {
		t.Errorf("attributes %s", got)
	}
	if len(f.Stores) != 2 || !strings.Contains(f.Key(), "mem:d/a.json@") || !strings.Contains(f.Key(), "mem:d/a.bin@") {
		t.Errorf("key %q", f.Key())
	}
}

func TestMissing(t *testing.T) {
	for _, tc := range []struct{ dtype, missing, want string }{
		{"float32", "-9999", "[-9999]"},
		{"float64", `"NaN"`, "[NaN]"},
		{"float32", `["NaN", "Infinity", "-Infinity", 1e20]`, "[NaN +Inf -Inf 1e+20]"},
		{"int64", "9223372036854775807", "[9223372036854775807]"},
		{"uint64", "18446744073709551615", "[18446744073709551615]"},
		{"int8", "1e2", "[100]"},
		{"int8", "null", "[]"},
	} {
		f, err := open(t, fmt.Sprintf(`{"path": "a.bin", "dtype": %q, "shape": [0], "missing": %s}`, tc.dtype, tc.missing), nil)
		if err != nil {
			t.Errorf("%s: %v", tc.missing, err)
			continue
		}
		if got := fmt.Sprint(f.Arrays[0].Missing); got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.dtype, tc.missing, got, tc.want)
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	for _, tc := range []struct{ fields, want string }{
		{`"shap": [8]`, `the field "shap" is not known; did you mean "shape"?`},
		{`"byteorder": "big"`, `the field "byteorder" is not known; did you mean "byte_order"?`},
		{`"Offset": 1`, `the field "Offset" is not known; did you mean "offset"?`},
		{`"compression": "zstd"`, `the field "compression" is not known (there are: add_offset, attributes,`},
		{`"offset": "1"`, `field "offset": it should be a whole number of bytes, not "1"`},
		{`"offset": -1`, `field "offset": -1 is negative`},
		{`"offset": 1`, `the data file a.bin has 32 bytes; offset 1 and shape [4 2] of float32 need 32 more`},
		{`"offset": 9223372036854775807`, `the data file a.bin has 32 bytes`},
		{`"shape": [4, -2]`, `field "shape": [4 -2] is negative somewhere`},
		{`"shape": [4294967296, 4294967296]`, `larger than memory can be`},
		{`"shape": null`, `the field "shape" is missing`},
		{`"shape": 8`, `field "shape": it should be a list of whole numbers, not 8`},
		{`"path": ""`, `the field "path" is missing`},
		{`"path": "no.bin"`, `open mem:d/no.bin: there is no such file`},
		{`"path": "../../x"`, `lies outside of mem:`},
		{`"dtype": "float16"`, `field "dtype": dtype "float16" is not known (there are: char, int8,`},
		{`"dtype": "char"`, `bytes are uint8`},
		{`"byte_order": "middle"`, `it should be "little" or "big", not "middle"`},
		{`"dims": ["x"]`, `field "dims": 1 names for a shape of 2 dimensions`},
		{`"dims": ["x", "x"]`, `names must differ`},
		{`"coordinates": {"z": {"values": [1]}}`, `field "coordinates": no dimension is called "z" (there are: dim0, dim1)`},
		{`"coordinates": {"dim1": {"values": [1]}}`, `field "coordinates": 1 values for dim1, which has 2 elements`},
		{`"coordinates": {"dim1": {"value": [1]}}`, `dim1: the field "value" is not known; did you mean "values"?`},
		{`"coordinates": [1]`, `it should be an object like`},
		{`"record_stride": 7`, `field "record_stride": 7 bytes, but a record has 8`},
		{`"record_stride": -8`, `field "record_stride": -8 bytes, but a record has 8`},
		{`"record_stride": 9`, `need 35 more than the offset`},
		{`"record_stride": 9223372036854775807`, `are more than 2^63 bytes`},
		{`"record_stride": 8, "shape": []`, `a scalar has no records`},
		{`"missing": {}`, `field "missing": it should be a number`},
		{`"missing": "none"`, `field "missing": it should be a number`},
		{`"missing": 300, "dtype": "int8"`, `field "missing": 300 is not a value of type int8`},
		{`"missing": 0.5, "dtype": "uint8"`, `0.5 is not a value of type uint8`},
		{`"attributes": {"a": {}}`, `"a" is {}`},
		{`"scale": "1"`, `field "scale": it should be a number`},
	} {
		text := `{"path": "a.bin", "dtype": "float32", "shape": [4, 2], ` + tc.fields + `}` // of two equal names the later counts
		_, err := open(t, text, make([]byte, 32))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "mem:d/a.json: ") {
			t.Errorf("%s: error %v, want %q in it", tc.fields, err, tc.want)
		}
	}
	for _, text := range []string{"", "[]", "null", `{"path": "a.bin"} x`, "3"} {
		if _, err := open(t, text, nil); err == nil {
			t.Errorf("%q was opened", text)
		}
	}
}

// FuzzOpen: no description panics or opens with an array that the data does not hold.
func FuzzOpen(f *testing.F) {
	f.Add(`{"path": "a.bin", "dtype": "float32", "shape": [4, 2], "record_stride": 9, "offset": 1, "missing": ["NaN", 3]}`)
	f.Add(`{"path": "a.bin", "dtype": "int64", "shape": [], "scale": 2, "coordinates": {}}`)
	f.Add(`{"path": "a.bin", "dtype": "int8", "shape": [0, 9223372036854775807], "dims": ["a", "b"], "attributes": {"x": [1]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		data := make([]byte, 64)
		file, err := open(t, text, data)
		if err != nil {
			return
		}
		a := file.Arrays[0]
		n, ok := a.Bytes(a.Shape)
		if !ok || n > math.MaxInt32 {
			t.Fatalf("%v of %s from %d bytes", a.Shape, a.DType, len(data))
		}
		if err := a.ReadBox(t.Context(), make([]int, len(a.Shape)), a.Shape, make([]byte, n)); err != nil {
			t.Fatalf("opened and cannot be read: %v", err)
		}
	})
}

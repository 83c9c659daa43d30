package proto

import (
	"errors"
	"reflect"
	"testing"
)

func TestDescription(t *testing.T) {
	values := map[string]any{"units": "Pa", "n": int16(-3), "s": float32(0.5), "range": []int16{-1, 2}, "empty": []float64{}, "big": uint64(1 << 63), "flag": true, "nothing": nil}
	d := Description{File: "f.nc", Name: "u", DType: "int16", Shape: []int{2, 3}, Dims: []string{"a", "b"}, Block: []int{1, 3}, Packed: true, Scale: 0.1, Offset: 3, Missing: MakeAttr("", []int16{-9})}
	for name, v := range values {
		d.Attrs = append(d.Attrs, MakeAttr(name, v))
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeDescription(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range got.Attrs {
		if v, err := a.Value(); err != nil || !reflect.DeepEqual(v, values[a.Name]) {
			t.Errorf("%s: %#v, %v, want %#v", a.Name, v, err, values[a.Name])
		}
	}
	if len(got.Attrs) != len(values) {
		t.Errorf("%d attributes, want %d", len(got.Attrs), len(values))
	}
	got.Attrs, d.Attrs = nil, nil
	if !reflect.DeepEqual(*got, d) {
		t.Errorf("%+v, want %+v", *got, d)
	}
}

func TestBadAttr(t *testing.T) {
	for _, a := range []Attr{{Type: "int7"}, {Type: "int16", Data: []byte{1}}, {Type: "int16"}, {Type: "[]float64", Data: make([]byte, 9)}} {
		if v, err := a.Value(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v is %v, %v", a, v, err)
		}
	}
}

func FuzzDescription(f *testing.F) {
	b, _ := (&Description{Shape: []int{1}, Dims: []string{"x"}, Block: []int{1}, Attrs: []Attr{MakeAttr("a", []int8{1})}}).Encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDescription(b)
		if err != nil {
			return
		}
		for _, a := range append(d.Attrs, d.Missing) {
			if _, err := a.Value(); err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%v", err)
			}
		}
	})
}

package raw

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gridrun/internal/box"
	"gridrun/lram/format/array"
	"gridrun/lram/store"
)

// maxDescription is the most bytes a description may have; it bounds what is read of a file that only ends in .json.
const maxDescription = 64 << 20

// Open reads the description f, called name, and opens the data beside it in st. The returned File owns both; if Open fails, the caller still owns f.
func Open(ctx context.Context, st store.Store, name string, f store.File) (*array.File, error) {
	file, err := open(ctx, st, name, f)
	if err != nil {
		return nil, fmt.Errorf("%s: description of a raw array: %w", name, err)
	}
	return file, nil
}

func open(ctx context.Context, st store.Store, name string, f store.File) (*array.File, error) {
	if f.Size() > maxDescription {
		return nil, fmt.Errorf("%d bytes long, at most %d are read", f.Size(), maxDescription)
	}
	text := make([]byte, f.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, err
	}
	d, err := parse(text)
	if err != nil {
		return nil, err
	}
	if d.Name == "" {
		_, local, _ := store.Scheme(name)
		base := path.Base(filepath.ToSlash(local))
		d.Name = strings.TrimSuffix(base, path.Ext(base))
	}
	a, err := d.array()
	if err != nil {
		return nil, err
	}
	dataName, err := store.Sibling(name, d.Path)
	if err != nil {
		return nil, err
	}
	data, err := st.Open(ctx, dataName)
	if err != nil {
		return nil, err
	}
	s, err := d.strided(a, data)
	if err != nil {
		data.Close()
		return nil, err
	}
	a.Reader = s
	return &array.File{Name: name, Format: "raw", Arrays: []*array.Array{a}, Attrs: d.Attrs, Axes: d.Axes, Stores: []store.File{f, data}}, nil
}

// array checks the description in itself.
func (d *description) array() (*array.Array, error) {
	dtype, err := array.ParseDType(d.DType)
	if err != nil {
		return nil, fmt.Errorf("field %q: %w", "dtype", err)
	}
	if dtype == array.Char {
		return nil, fmt.Errorf("field %q: raw arrays hold numbers; bytes are uint8", "dtype")
	}
	a := &array.Array{Name: d.Name, Dims: d.Dims, Shape: d.Shape, DType: dtype, Attrs: make(map[string]any), Scale: 1}
	if _, ok := a.Bytes(a.Shape); !ok {
		return nil, fmt.Errorf("field %q: %v is negative somewhere or larger than memory can be", "shape", d.Shape)
	}
	switch d.ByteOrder {
	case "little":
		a.Order = binary.LittleEndian
	case "big":
		a.Order = binary.BigEndian
	default:
		return nil, fmt.Errorf("field %q: it should be \"little\" or \"big\", not %q", "byte_order", d.ByteOrder)
	}
	if err := d.nameDims(a); err != nil {
		return nil, err
	}
	if a.Missing, err = d.missingValues(dtype); err != nil {
		return nil, err
	}
	if d.Scale != nil {
		a.Packed, a.Scale = true, *d.Scale
	}
	if d.AddOffset != nil {
		a.Packed, a.Offset = true, *d.AddOffset
	}
	for k, v := range d.Attrs {
		a.Attrs[k] = v
	}
	if d.Unit != "" {
		a.Attrs["units"] = d.Unit
	}
	return a, nil
}

// nameDims settles the names of the dimensions and holds the coordinates against them.
func (d *description) nameDims(a *array.Array) error {
	if d.Dims == nil {
		for i := range a.Shape {
			a.Dims = append(a.Dims, fmt.Sprintf("dim%d", i))
		}
	}
	if len(a.Dims) != len(a.Shape) {
		return fmt.Errorf("field %q: %d names for a shape of %d dimensions", "dims", len(a.Dims), len(a.Shape))
	}
	for i, name := range a.Dims {
		if name == "" || slices.Contains(a.Dims[:i], name) {
			return fmt.Errorf("field %q: names must differ and not be empty: %q", "dims", a.Dims)
		}
	}
	for name, axis := range d.Axes {
		i := slices.Index(a.Dims, name)
		if i < 0 {
			return fmt.Errorf("field %q: no dimension is called %q (there are: %s)", "coordinates", name, strings.Join(a.Dims, ", "))
		}
		if len(axis.Values) != a.Shape[i] {
			return fmt.Errorf("field %q: %d values for %s, which has %d elements", "coordinates", len(axis.Values), name, a.Shape[i])
		}
	}
	return nil
}

// strided places the array in its data and checks that the data file holds all of it.
func (d *description) strided(a *array.Array, data store.File) (*array.Strided, error) {
	s := &array.Strided{At: data, Base: d.Offset, Shape: a.Shape, Elem: a.DType.Size(), Order: a.Order}
	if d.Offset < 0 {
		return nil, fmt.Errorf("field %q: %d is negative", "offset", d.Offset)
	}
	need, _ := a.Bytes(a.Shape) // fits: array checked it
	bytes := int64(need)
	if d.RecordStride != 0 {
		if len(a.Shape) == 0 {
			return nil, fmt.Errorf("field %q: a scalar has no records", "record_stride")
		}
		inner, ok := box.Size(a.Shape[1:])
		if !ok || inner > math.MaxInt/s.Elem {
			return nil, fmt.Errorf("field %q: a record is larger than memory can be", "shape")
		}
		record := int64(inner) * int64(s.Elem)
		if d.RecordStride < record {
			return nil, fmt.Errorf("field %q: %d bytes, but a record has %d", "record_stride", d.RecordStride, record)
		}
		if bytes > 0 && d.RecordStride > record {
			gaps := int64(a.Shape[0] - 1)
			if gaps > 0 && d.RecordStride > (math.MaxInt64-record)/gaps {
				return nil, fmt.Errorf("field %q: %d records %d bytes apart are more than 2^63 bytes", "record_stride", a.Shape[0], d.RecordStride)
			}
			bytes = gaps*d.RecordStride + record
			s.RecordStride = d.RecordStride
			a.Chunk = append([]int{1}, a.Shape[1:]...)
		}
	}
	if d.Offset > data.Size() || bytes > data.Size()-d.Offset {
		return nil, fmt.Errorf("the data file %s has %d bytes; offset %d and shape %v of %s need %d more than the offset",
			d.Path, data.Size(), d.Offset, a.Shape, a.DType, bytes)
	}
	return s, nil
}

package netcdf

import (
	"encoding/binary"
	"fmt"

	"gridrun/lram/format/array"
)

// values are the elements of an attribute or a variable on their way into a file.
type values interface {
	len() int
	// encode appends the big-endian bytes of the elements from (inclusive) to (exclusive).
	encode(p []byte, from, to int) []byte
}

type numeric[T any] []T

func (v numeric[T]) len() int { return len(v) }

func (v numeric[T]) encode(p []byte, from, to int) []byte {
	// Append fails only for types without a fixed size, and all of valuesOf have one.
	p, _ = binary.Append(p, binary.BigEndian, []T(v[from:to]))
	return p
}

type text string

func (v text) len() int                             { return len(v) }
func (v text) encode(p []byte, from, to int) []byte { return append(p, v[from:to]...) }

// valuesOf accepts text, a number or a slice of numbers.
func valuesOf(v any) (array.DType, values, error) {
	switch x := v.(type) {
	case string:
		return array.Char, text(x), nil
	case int8:
		return array.Int8, numeric[int8]{x}, nil
	case uint8:
		return array.Uint8, numeric[uint8]{x}, nil
	case int16:
		return array.Int16, numeric[int16]{x}, nil
	case uint16:
		return array.Uint16, numeric[uint16]{x}, nil
	case int32:
		return array.Int32, numeric[int32]{x}, nil
	case uint32:
		return array.Uint32, numeric[uint32]{x}, nil
	case int64:
		return array.Int64, numeric[int64]{x}, nil
	case uint64:
		return array.Uint64, numeric[uint64]{x}, nil
	case float32:
		return array.Float32, numeric[float32]{x}, nil
	case float64:
		return array.Float64, numeric[float64]{x}, nil
	case []int8:
		return array.Int8, numeric[int8](x), nil
	case []uint8:
		return array.Uint8, numeric[uint8](x), nil
	case []int16:
		return array.Int16, numeric[int16](x), nil
	case []uint16:
		return array.Uint16, numeric[uint16](x), nil
	case []int32:
		return array.Int32, numeric[int32](x), nil
	case []uint32:
		return array.Uint32, numeric[uint32](x), nil
	case []int64:
		return array.Int64, numeric[int64](x), nil
	case []uint64:
		return array.Uint64, numeric[uint64](x), nil
	case []float32:
		return array.Float32, numeric[float32](x), nil
	case []float64:
		return array.Float64, numeric[float64](x), nil
	}
	return "", nil, fmt.Errorf("values of Go type %T; a file holds a string, a number of fixed size, or a slice of these numbers", v)
}

// fillOf is one element of the padding behind a variable's data: its _FillValue, else the default of its type, in file order.
func fillOf(dtype array.DType, attrs []Attr) []byte {
	fill := defaultFill[dtype]
	switch dtype {
	case array.Int8:
		fill = int8(-127)
	case array.Uint8:
		fill = uint8(255)
	case array.Char:
		fill = "\x00"
	}
	for _, a := range attrs {
		if t, v, err := valuesOf(a.Value); a.Name == "_FillValue" && err == nil && t == dtype && v.len() == 1 {
			fill = a.Value
		}
	}
	_, v, _ := valuesOf(fill) // one of the types above
	return v.encode(nil, 0, 1)
}

package netcdf

import (
	"encoding/binary"
	"strings"

	"gridrun/lram/format/array"
)

// attrValue turns an attribute's bytes into text, one number, or a slice of numbers. Writers in C may count the final NUL of a text; it is dropped.
func attrValue(dtype array.DType, p []byte) any {
	switch dtype {
	case array.Char:
		return strings.TrimRight(string(p), "\x00")
	case array.Int8:
		return numbers[int8](p, 1)
	case array.Uint8:
		return numbers[uint8](p, 1)
	case array.Int16:
		return numbers[int16](p, 2)
	case array.Uint16:
		return numbers[uint16](p, 2)
	case array.Int32:
		return numbers[int32](p, 4)
	case array.Uint32:
		return numbers[uint32](p, 4)
	case array.Int64:
		return numbers[int64](p, 8)
	case array.Uint64:
		return numbers[uint64](p, 8)
	case array.Float32:
		return numbers[float32](p, 4)
	default:
		return numbers[float64](p, 8)
	}
}

// numbers decodes big-endian values of size bytes; exactly one comes back as itself.
func numbers[T any](p []byte, size int) any {
	v := make([]T, len(p)/size)
	// Decode fails only if p is too short, and it is not.
	binary.Decode(p, binary.BigEndian, v)
	if len(v) == 1 {
		return v[0]
	}
	return v
}

// missing collects the stored values that mean "no value": _FillValue or the type's default, and missing_value (one or several). A value that the type
// cannot hold matches no element and is left out.
func missing(dtype array.DType, attrs map[string]any) []any {
	var out []any
	add := func(v any) {
		if m, ok := dtype.Convert(v); ok {
			out = append(out, m)
		}
	}
	if fill, ok := attrs["_FillValue"]; ok {
		add(fill)
	} else if fill, ok := defaultFill[dtype]; ok {
		add(fill)
	}
	forEach(attrs["missing_value"], add)
	return out
}

// forEach calls f for a single number or for each of a slice.
func forEach(v any, f func(any)) {
	switch s := v.(type) {
	case []int8:
		each(s, f)
	case []uint8:
		each(s, f)
	case []int16:
		each(s, f)
	case []uint16:
		each(s, f)
	case []int32:
		each(s, f)
	case []uint32:
		each(s, f)
	case []int64:
		each(s, f)
	case []uint64:
		each(s, f)
	case []float32:
		each(s, f)
	case []float64:
		each(s, f)
	default:
		f(v)
	}
}

func each[T any](s []T, f func(any)) {
	for _, v := range s {
		f(v)
	}
}

// packing reads scale_factor and add_offset; either alone will do.
func packing(attrs map[string]any) (packed bool, scale, offset float64) {
	scale, hasScale := number(attrs["scale_factor"], 1)
	offset, hasOffset := number(attrs["add_offset"], 0)
	return hasScale || hasOffset, scale, offset
}

func number(v any, otherwise float64) (float64, bool) {
	if f, ok := array.Float64.Convert(v); ok {
		return f.(float64), true
	}
	return otherwise, false
}

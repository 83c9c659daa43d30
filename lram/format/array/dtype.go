package array

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// DType is the stored type of an element.
type DType string

const (
	Char    DType = "char" // a byte of text; not a number
	Int8    DType = "int8"
	Uint8   DType = "uint8"
	Int16   DType = "int16"
	Uint16  DType = "uint16"
	Int32   DType = "int32"
	Uint32  DType = "uint32"
	Int64   DType = "int64"
	Uint64  DType = "uint64"
	Float32 DType = "float32"
	Float64 DType = "float64"
)

// DTypes are all types, in the order of the constants.
var DTypes = []DType{Char, Int8, Uint8, Int16, Uint16, Int32, Uint32, Int64, Uint64, Float32, Float64}

// ParseDType accepts the names of the constants.
func ParseDType(s string) (DType, error) {
	if d := DType(s); slices.Contains(DTypes, d) {
		return d, nil
	}
	names := make([]string, len(DTypes))
	for i, d := range DTypes {
		names[i] = string(d)
	}
	return "", fmt.Errorf("dtype %q is not known (there are: %s)", s, strings.Join(names, ", "))
}

// Size is the bytes of one element, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case Char, Int8, Uint8:
		return 1
	case Int16, Uint16:
		return 2
	case Int32, Uint32, Float32:
		return 4
	case Int64, Uint64, Float64:
		return 8
	}
	return 0
}

// Convert gives v, any Go number, as the Go type of d. ok is false if d cannot hold it (300 as int8, 0.5 as int16): no element equals such
// a value. A float64 becomes the nearest float32. Text is never a number.
func (d DType) Convert(v any) (as any, ok bool) {
	var f float64
	var i int64
	var u uint64
	kind := 'i'
	switch x := v.(type) {
	case int8:
		i = int64(x)
	case int16:
		i = int64(x)
	case int32:
		i = int64(x)
	case int64:
		i = x
	case int:
		i = int64(x)
	case uint8:
		i = int64(x)
	case uint16:
		i = int64(x)
	case uint32:
		i = int64(x)
	case uint64:
		if x > math.MaxInt64 {
			u, kind = x, 'u'
		} else {
			i = int64(x)
		}
	case float32:
		f, kind = float64(x), 'f'
	case float64:
		f, kind = x, 'f'
	default:
		return nil, false
	}
	if kind == 'f' && d != Float32 && d != Float64 {
		switch {
		case f != math.Trunc(f) || f < -1<<63 || f >= 1<<64:
			return nil, false
		case f >= 1<<63:
			u, kind = uint64(f), 'u'
		default:
			i, kind = int64(f), 'i'
		}
	}
	if kind == 'i' {
		f, u = float64(i), uint64(i)
	} else if kind == 'u' {
		f = float64(u)
	}
	signed := func(lo, hi int64) bool { return kind == 'i' && i >= lo && i <= hi }
	unsigned := func(hi uint64) bool { return (kind == 'u' || i >= 0) && u <= hi }
	switch d {
	case Int8:
		return int8(i), signed(math.MinInt8, math.MaxInt8)
	case Int16:
		return int16(i), signed(math.MinInt16, math.MaxInt16)
	case Int32:
		return int32(i), signed(math.MinInt32, math.MaxInt32)
	case Int64:
		return i, kind == 'i'
	case Uint8:
		return uint8(u), unsigned(math.MaxUint8)
	case Uint16:
		return uint16(u), unsigned(math.MaxUint16)
	case Uint32:
		return uint32(u), unsigned(math.MaxUint32)
	case Uint64:
		return u, unsigned(math.MaxUint64)
	case Float32:
		return float32(f), true
	case Float64:
		return f, true
	}
	return nil, false
}

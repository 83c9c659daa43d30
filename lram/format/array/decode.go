package array

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// littleEndian says whether this machine stores the low byte first.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// swap turns elements of size bytes from the given order into this machine's, in place.
func swap(p []byte, size int, order binary.ByteOrder) {
	if size == 1 || (order == binary.LittleEndian) == littleEndian {
		return
	}
	ne := binary.NativeEndian
	switch size {
	case 2:
		for ; len(p) >= 2; p = p[2:] {
			ne.PutUint16(p, bits.ReverseBytes16(ne.Uint16(p)))
		}
	case 4:
		for ; len(p) >= 4; p = p[4:] {
			ne.PutUint32(p, bits.ReverseBytes32(ne.Uint32(p)))
		}
	case 8:
		for ; len(p) >= 8; p = p[8:] {
			ne.PutUint64(p, bits.ReverseBytes64(ne.Uint64(p)))
		}
	}
}

// Float64s reads the whole array as unpacked numbers, missing values as NaN. It is meant for small arrays such as coordinates.
func (a *Array) Float64s(ctx context.Context) ([]float64, error) {
	if a.DType == Char {
		return nil, fmt.Errorf("read %s: it holds text, not numbers", a.Name)
	}
	n, ok := a.Bytes(a.Shape)
	if !ok {
		return nil, fmt.Errorf("read %s: too large", a.Name)
	}
	raw := make([]byte, n)
	if err := a.ReadBox(ctx, make([]int, len(a.Shape)), a.Shape, raw); err != nil {
		return nil, err
	}
	size := a.DType.Size()
	out := make([]float64, n/size)
	for i := range out {
		out[i] = a.number(raw[i*size:])
	}
	return out, nil
}

// number unpacks one element in native byte order.
func (a *Array) number(p []byte) float64 {
	v := Element(a.DType, p)
	f, _ := Float64.Convert(v)
	x := f.(float64)
	for _, m := range a.Missing {
		if v == m {
			return math.NaN()
		}
	}
	return x*a.Scale + a.Offset
}

// Element is the first element of p, in native byte order, as the Go type of d; text as uint8.
func Element(d DType, p []byte) any {
	ne := binary.NativeEndian
	switch d {
	case Int8:
		return int8(p[0])
	case Int16:
		return int16(ne.Uint16(p))
	case Uint16:
		return ne.Uint16(p)
	case Int32:
		return int32(ne.Uint32(p))
	case Uint32:
		return ne.Uint32(p)
	case Int64:
		return int64(ne.Uint64(p))
	case Uint64:
		return ne.Uint64(p)
	case Float32:
		return math.Float32frombits(ne.Uint32(p))
	case Float64:
		return math.Float64frombits(ne.Uint64(p))
	}
	return p[0]
}

// Package formattest is the suite that every format passes: arrays of all types and ranks are written by the format's test, opened by the format, and
// compared box by box with a plain array in memory, which computes every element's place on its own.
//
//	formattest.Run(t, array.DTypes, func(t *testing.T, p *formattest.Plain) *array.Array { ... write p to a file, open it ... })
package formattest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gridrun/lram/format/array"
)

// Plain is the array as it should come back.
type Plain struct {
	Shape []int
	Dims  []string // one name for each dimension: t, k, y, x, ...
	DType array.DType
	Data  any    // a slice of the stored type (text: a string), row-major
	bytes []byte // Data in native byte order
}

// shapes are odd on purpose; the first dimension serves as the record dimension where a format has one.
var shapes = [][]int{
	{}, {1}, {2}, {17}, {1, 1}, {3, 5}, {1, 8}, {8, 1}, {5, 3, 2}, {1, 13, 3}, {2, 3, 1, 5}, {3, 2, 2, 3, 5}, {2, 1, 3, 1, 2},
	{0}, {0, 4}, {9, 64, 7},
}

// Run checks a format over all shapes for each of dtypes. make writes p in the format and opens it again; if the format
// cannot hold such an array (a record dimension needs a dimension), it returns nil.
func Run(t *testing.T, dtypes []array.DType, open func(t *testing.T, p *Plain) *array.Array) {
	t.Helper()
	for i, dtype := range dtypes {
		for k, shape := range shapes {
			t.Run(fmt.Sprintf("%s%v", dtype, shape), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				p := New(rng, dtype, shape)
				a := open(t, p)
				if a == nil {
					return
				}
				p.describe(t, a)
				p.boxes(t, a, rng)
				p.refusals(t, a)
			})
		}
	}
}

// New makes an array of random elements, among them the least and the greatest of the type.
func New(rng *rand.Rand, dtype array.DType, shape []int) *Plain {
	p := &Plain{Shape: shape, Dims: strings.Split("t,k,z,y,x", ",")[:len(shape)], DType: dtype}
	n := 1
	for _, d := range shape {
		n *= d
	}
	p.bytes = make([]byte, n*dtype.Size())
	for i := range p.bytes {
		p.bytes[i] = byte(rng.Uint32())
	}
	switch dtype {
	case array.Char:
		p.Data = string(p.bytes)
		return p
	case array.Float32:
		p.Data = fill(n, func() float32 { return rng.Float32()*2e3 - 1e3 })
	case array.Float64:
		p.Data = fill(n, func() float64 { return rng.Float64()*2e3 - 1e3 })
	case array.Int8:
		p.Data = decode[int8](p.bytes, n)
	case array.Uint8:
		p.Data = decode[uint8](p.bytes, n)
	case array.Int16:
		p.Data = decode[int16](p.bytes, n)
	case array.Uint16:
		p.Data = decode[uint16](p.bytes, n)
	case array.Int32:
		p.Data = decode[int32](p.bytes, n)
	case array.Uint32:
		p.Data = decode[uint32](p.bytes, n)
	case array.Int64:
		p.Data = decode[int64](p.bytes, n)
	case array.Uint64:
		p.Data = decode[uint64](p.bytes, n)
	}
	p.bytes, _ = binary.Append(nil, binary.NativeEndian, p.Data)
	return p
}

func fill[T any](n int, next func() T) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = next()
	}
	return v
}

func decode[T any](p []byte, n int) []T {
	v := make([]T, n)
	binary.Decode(p, binary.NativeEndian, v)
	return v
}

// Encode gives the elements in the byte order of a file.
func (p *Plain) Encode(order binary.AppendByteOrder) []byte {
	if s, ok := p.Data.(string); ok {
		return []byte(s)
	}
	var out []byte
	size := p.DType.Size()
	for b := p.bytes; len(b) > 0; b = b[size:] {
		switch size {
		case 1:
			out = append(out, b[0])
		case 2:
			out = order.AppendUint16(out, binary.NativeEndian.Uint16(b))
		case 4:
			out = order.AppendUint32(out, binary.NativeEndian.Uint32(b))
		case 8:
			out = order.AppendUint64(out, binary.NativeEndian.Uint64(b))
		}
	}
	return out
}

// Box computes a box element by element, from each element's indices.
func (p *Plain) Box(start, count []int) []byte {
	n := 1
	for _, c := range count {
		n *= c
	}
	size := p.DType.Size()
	var out []byte
	for k := range n {
		rest, off, step := k, 0, 1
		for i := len(count) - 1; i >= 0; i-- {
			off += (start[i] + rest%count[i]) * step
			rest /= count[i]
			step *= p.Shape[i]
		}
		out = append(out, p.bytes[off*size:(off+1)*size]...)
	}
	return out
}

func (p *Plain) describe(t *testing.T, a *array.Array) {
	t.Helper()
	if fmt.Sprint(a.Shape) != fmt.Sprint(p.Shape) || fmt.Sprint(a.Dims) != fmt.Sprint(p.Dims) || a.DType != p.DType {
		t.Fatalf("opened as %s %v %v, want %s %v %v", a.DType, a.Dims, a.Shape, p.DType, p.Dims, p.Shape)
	}
	if a.Chunk != nil && len(a.Chunk) != len(a.Shape) {
		t.Errorf("chunk %v for shape %v", a.Chunk, a.Shape)
	}
}

// boxes reads the whole array, empty boxes at both ends, each corner's element and random boxes.
func (p *Plain) boxes(t *testing.T, a *array.Array, rng *rand.Rand) {
	t.Helper()
	rank := len(p.Shape)
	zeros := make([]int, rank)
	p.compare(t, a, zeros, p.Shape)
	if rank > 0 {
		p.compare(t, a, zeros, zeros)
		p.compare(t, a, p.Shape, zeros)
	}
	corners := 1 << rank
	for corner := range corners {
		start, count := make([]int, rank), make([]int, rank)
		for i := range rank {
			if corner>>i&1 == 1 {
				start[i] = max(0, p.Shape[i]-1)
			}
			count[i] = min(1, p.Shape[i])
		}
		p.compare(t, a, start, count)
	}
	for range 40 {
		start, count := make([]int, rank), make([]int, rank)
		for i, n := range p.Shape {
			start[i] = rng.IntN(n + 1)
			count[i] = rng.IntN(n - start[i] + 1)
		}
		p.compare(t, a, start, count)
	}
}

func (p *Plain) compare(t *testing.T, a *array.Array, start, count []int) {
	t.Helper()
	want := p.Box(start, count)
	const guard = 3 // bytes behind dst that must stay as they are
	buf := bytes.Repeat([]byte{0xa5}, len(want)+guard)
	if err := a.ReadBox(t.Context(), start, count, buf[:len(want):len(want)]); err != nil {
		t.Fatalf("ReadBox(%v, %v): %v", start, count, err)
	}
	if !bytes.Equal(buf[:len(want)], want) {
		t.Fatalf("ReadBox(%v, %v) of %v: wrong elements", start, count, p.Shape)
	}
	if !bytes.Equal(buf[len(want):], []byte{0xa5, 0xa5, 0xa5}) {
		t.Fatalf("ReadBox(%v, %v) wrote behind its buffer", start, count)
	}
}

// refusals: boxes outside, wrong buffers and cancelled contexts are errors.
func (p *Plain) refusals(t *testing.T, a *array.Array) {
	t.Helper()
	rank := len(p.Shape)
	for i := range rank {
		start, count := make([]int, rank), make([]int, rank)
		start[i], count[i] = p.Shape[i], 1
		err := a.ReadBox(t.Context(), start, count, nil)
		want := fmt.Sprintf("%s: start %d count 1 exceeds %d", p.Dims[i], p.Shape[i], p.Shape[i])
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a box outside of %s: error %v, want %q in it", p.Dims[i], err, want)
		}
	}
	if err := a.ReadBox(t.Context(), make([]int, rank+1), make([]int, rank+1), nil); err == nil {
		t.Error("a box of another rank was read")
	}
	if err := a.ReadBox(t.Context(), make([]int, rank), p.Shape, make([]byte, len(p.bytes)+1)); err == nil {
		t.Error("a buffer of the wrong size was filled")
	}
	if len(p.bytes) == 0 {
		return
	}
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := a.ReadBox(ctx, make([]int, rank), p.Shape, make([]byte, len(p.bytes))); !errors.Is(err, cause) {
		t.Errorf("a cancelled read: error %v, want its cause", err)
	}
}

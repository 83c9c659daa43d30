package array

import (
	"context"
	"encoding/binary"
	"fmt"

	"gridrun/internal/box"
)

// Array is one variable of a file. Its fields are set by the format and only read afterwards.
type Array struct {
	Name  string
	Dims  []string // names of the dimensions, slowest first; len(Dims) == len(Shape)
	Shape []int    // elements in each dimension; empty for a scalar
	DType DType

	// Attrs holds text as string, one number as a scalar of its stored type (float32, int16, ...), several as a slice of it.
	Attrs map[string]any

	// Order is the byte order in the file; ReadBox has undone it.
	Order binary.ByteOrder

	// Chunk is the shape of the pieces the file itself is made of, nil if the array is one contiguous piece. For an array whose records are interleaved with
	// others' it is one record, of any size. Blocks of a cache best hold whole chunks, or whole rows of one that is too large.
	Chunk []int

	// Missing are the stored values that stand for "no value", each of the Go type of DType. A NaN among them means every NaN.
	Missing []any

	// Scale and Offset unpack: value = stored*Scale + Offset. Packed says whether the file asks for it; otherwise they are 1 and 0.
	Packed        bool
	Scale, Offset float64

	Reader Reader
}

// Reader fetches the elements of a box that has been checked: inside the array, not empty, dst of exactly the right length.
type Reader interface {
	ReadBox(ctx context.Context, start, count []int, dst []byte) error
}

// Bytes is the size of a box of count elements; ok is false if it does not fit an int.
func (a *Array) Bytes(count []int) (n int, ok bool) {
	n, ok = box.Size(count)
	if !ok || n > int(^uint(0)>>1)/a.DType.Size() {
		return 0, false
	}
	return n * a.DType.Size(), true
}

// ReadBox fills dst, whose length must be that of the box in bytes, with the elements of the box from start: row-major, native byte order, stored type.
func (a *Array) ReadBox(ctx context.Context, start, count []int, dst []byte) error {
	if err := box.Check(a.Dims, a.Shape, start, count); err != nil {
		return fmt.Errorf("read %s: %w", a.Name, err)
	}
	n, ok := a.Bytes(count)
	if !ok || n != len(dst) {
		return fmt.Errorf("read %s: a box of %v elements of %s needs %d bytes, the buffer has %d", a.Name, count, a.DType, n, len(dst))
	}
	if n == 0 {
		return nil
	}
	if err := a.Reader.ReadBox(ctx, start, count, dst); err != nil {
		return fmt.Errorf("read %s: %w", a.Name, err)
	}
	return nil
}

package rt

import (
	"context"
	"errors"
	"fmt"

	"gridrun/internal/box"
)

// A Box is a part of an n-dimensional array in row-major order, whose last
// dimension is contiguous: in dimension i Count[i] elements from Start[i] on,
// Stride[i] apart. A nil Stride takes neighbours; a zero Count makes an empty box.
type Box struct {
	Shape  []int // of the whole array
	Start  []int
	Count  []int
	Stride []int
}

// Len returns the number of elements.
func (b Box) Len() int {
	n, _ := box.Size(b.Count)
	return n
}

// check says why b is no part of an array of n elements.
func (b Box) check(n int) error {
	size, ok := box.Size(b.Shape)
	switch {
	case !ok:
		return fmt.Errorf("no array has shape %v", b.Shape)
	case size != n:
		return fmt.Errorf("an array of shape %v has %d elements, not %d", b.Shape, size, n)
	case b.Stride == nil:
		return box.Check(nil, b.Shape, b.Start, b.Count)
	}
	return box.CheckStrided(nil, b.Shape, b.Start, b.Count, b.Stride)
}

// Pack returns the elements of a that b has, in order. They are a's own memory
// when they are contiguous there, else a copy.
func Pack[T any](a []T, b Box) ([]T, error) {
	if err := b.check(len(a)); err != nil {
		return nil, err
	}
	if off, ok := b.contiguous(); ok {
		return a[off : off+b.Len()], nil
	}
	x := make([]T, 0, b.Len())
	for off, n := range box.StridedRuns(b.Shape, b.Start, b.Count, b.Stride) {
		x = append(x, a[off:off+n]...)
	}
	return x, nil
}

// Unpack puts x where a has the elements of b; x may be what Pack returned.
func Unpack[T any](a []T, b Box, x []T) error {
	if err := b.check(len(a)); err != nil {
		return err
	}
	if len(x) != b.Len() {
		return fmt.Errorf("%d elements for a box of %d", len(x), b.Len())
	}
	for off, n := range box.StridedRuns(b.Shape, b.Start, b.Count, b.Stride) {
		copy(a[off:off+n], x)
		x = x[n:]
	}
	return nil
}

// contiguous says where the box's elements stand if they are one run.
func (b Box) contiguous() (off int, ok bool) {
	runs := 0
	for at := range box.StridedRuns(b.Shape, b.Start, b.Count, b.Stride) {
		if off = at; runs == 1 {
			return 0, false
		}
		runs++
	}
	return off, true
}

// SendBox sends a part of the array a, as Send does; the receiver may take it
// into a box of another shape, or into a slice. What is not contiguous is sent
// from a copy.
func SendBox[T any](ctx context.Context, g Group, dst int, tag Tag, a []T, b Box) error {
	x, err := Pack(a, b)
	if err != nil {
		return boxError("SendBox", g, dst, tag, err)
	}
	return Send(ctx, g, dst, tag, x)
}

// RecvBox receives into a part of the array a. A message that is shorter than the
// box is an error, a longer one ErrTruncated; both leave a as it was, unless the
// box is contiguous.
func RecvBox[T any](ctx context.Context, g Group, src int, tag Tag, a []T, b Box) (Status, error) {
	if err := b.check(len(a)); err != nil {
		return Status{}, boxError("RecvBox", g, src, tag, err)
	}
	off, direct := b.contiguous()
	x := a[off:]
	if direct {
		x = x[:b.Len()]
	} else {
		x = make([]T, b.Len())
	}
	st, err := Recv(ctx, g, src, tag, x)
	switch {
	case err != nil:
		return st, err
	case st.Count != len(x):
		return st, boxError("RecvBox", g, st.Source, st.Tag, fmt.Errorf("%w: %d elements for a box of %d", errShort, st.Count, len(x)))
	case direct:
		return st, nil
	}
	return st, Unpack(a, b, x)
}

var errShort = errors.New("the message is too short")

func boxError(op string, g Group, peer int, tag Tag, err error) error {
	return &Error{Op: op, Rank: g.Rank(), Peer: peer, Tag: tag, Err: err}
}

package rt

import (
	"context"
	"errors"
	"fmt"
	"sync"

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

// layout says where b stands in an array of n elements, or why it is no part of it.
func (b Box) layout(n int) (box.Layout, error) {
	size, ok := box.Size(b.Shape)
	var err error
	switch {
	case !ok:
		err = fmt.Errorf("no array has shape %v", b.Shape)
	case size != n:
		err = fmt.Errorf("an array of shape %v has %d elements, not %d", b.Shape, size, n)
	case b.Stride == nil:
		err = box.Check(nil, b.Shape, b.Start, b.Count)
	default:
		err = box.CheckStrided(nil, b.Shape, b.Start, b.Count, b.Stride)
	}
	if err != nil {
		return box.Layout{}, err
	}
	return box.LayoutOf(b.Shape, b.Start, b.Count, b.Stride), nil
}

// Pack returns the elements of a that b has, in order. They are a's own memory
// when they are contiguous there, else a copy.
func Pack[T any](a []T, b Box) ([]T, error) {
	l, err := b.layout(len(a))
	if err != nil {
		return nil, err
	}
	if off, ok := l.Contiguous(); ok {
		return a[off : off+l.Len()], nil
	}
	x := make([]T, l.Len())
	box.Gather(&l, x, a)
	return x, nil
}

// Unpack puts x where a has the elements of b; x may be what Pack returned.
func Unpack[T any](a []T, b Box, x []T) error {
	l, err := b.layout(len(a))
	if err != nil {
		return err
	}
	if len(x) != l.Len() {
		return fmt.Errorf("%d elements for a box of %d", len(x), l.Len())
	}
	box.Scatter(&l, a, x)
	return nil
}

// SendBox sends a part of the array a, as Send does; the receiver may take it
// into a box of another shape, or into a slice. What is not contiguous is sent
// from a copy.
func SendBox[T any](ctx context.Context, g Group, dst int, tag Tag, a []T, b Box) error {
	l, err := b.layout(len(a))
	if err != nil {
		return boxError("SendBox", g, dst, tag, err)
	}
	if off, ok := l.Contiguous(); ok {
		return Send(ctx, g, dst, tag, a[off:off+l.Len()])
	}
	x := take[T](l.Len())
	defer give(x)
	box.Gather(&l, *x, a)
	return Send(ctx, g, dst, tag, *x)
}

// RecvBox receives into a part of the array a. A message that is shorter than the
// box is an error, a longer one ErrTruncated; both leave a as it was, unless the
// box is contiguous.
func RecvBox[T any](ctx context.Context, g Group, src int, tag Tag, a []T, b Box) (Status, error) {
	l, err := b.layout(len(a))
	if err != nil {
		return Status{}, boxError("RecvBox", g, src, tag, err)
	}
	off, direct := l.Contiguous()
	if direct {
		st, err := Recv(ctx, g, src, tag, a[off:off+l.Len()])
		return st, whole(g, st, l.Len(), err)
	}
	x := take[T](l.Len())
	defer give(x)
	st, err := Recv(ctx, g, src, tag, *x)
	if err = whole(g, st, l.Len(), err); err == nil {
		box.Scatter(&l, a, *x)
	}
	return st, err
}

// whole is err, or says that less has arrived than the box of n elements needs.
func whole(g Group, st Status, n int, err error) error {
	if err == nil && st.Count != n {
		err = boxError("RecvBox", g, st.Source, st.Tag, fmt.Errorf("%w: %d elements for a box of %d", errShort, st.Count, n))
	}
	return err
}

var errShort = errors.New("the message is too short")

func boxError(op string, g Group, peer int, tag Tag, err error) error {
	return &Error{Op: op, Rank: g.Rank(), Peer: peer, Tag: tag, Err: err}
}

// buffers are of boxes that have been sent or received, *[]T of any T.
var buffers sync.Pool

// take returns a buffer of n elements, which may be another's of before.
func take[T any](n int) *[]T {
	if x, ok := buffers.Get().(*[]T); ok && cap(*x) >= n {
		*x = (*x)[:n]
		return x
	}
	x := make([]T, n)
	return &x
}

func give[T any](x *[]T) { buffers.Put(x) }

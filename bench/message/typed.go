package message

import (
	"context"
	"strings"
	"unsafe"

	"gridrun/collectives"
)

// Reductions are measured as sums of float64, or as their name says after a dash:
// allreduce-int32-max. bench/peers/message.c knows the same types and operations.

// as is the reduction t of another type with another operation.
func (t test) as(typeAndOp string) (test, bool) {
	typ, op, _ := strings.Cut(typeAndOp, "-")
	switch typ {
	case "int8":
		t.call = reduction[int8](t.name, op)
	case "int16":
		t.call = reduction[int16](t.name, op)
	case "int32":
		t.call = reduction[int32](t.name, op)
	case "int64":
		t.call = reduction[int64](t.name, op)
	case "float32":
		t.call = reduction[float32](t.name, op)
	case "float64":
		t.call = reduction[float64](t.name, op)
	default:
		return t, false
	}
	t.name += "-" + typeAndOp
	return t, t.call != nil
}

// reduction is a call of the collective of that name, nil if there is none.
func reduction[T collectives.Real](name, op string) func(ctx context.Context, m *rank) error {
	var f collectives.Op[T]
	switch op {
	case "sum":
		f = collectives.Sum[T]
	case "prod":
		f = collectives.Prod[T]
	case "min":
		f = collectives.Min[T]
	case "max":
		f = collectives.Max[T]
	default:
		return nil
	}
	switch name {
	case "allreduce":
		return func(ctx context.Context, m *rank) error {
			return collectives.AllReduce(ctx, m.w, view[T](m.inF), f, m.opts...)
		}
	case "reduce":
		return func(ctx context.Context, m *rank) error {
			return collectives.Reduce(ctx, m.w, m.root, view[T](m.inF), f, m.opts...)
		}
	case "reducescatter":
		return func(ctx context.Context, m *rank) error {
			return collectives.ReduceScatter(ctx, m.w, view[T](m.outF), view[T](m.inF[:m.bytes/8]), f, m.opts...)
		}
	case "scan":
		return func(ctx context.Context, m *rank) error {
			return collectives.Scan(ctx, m.w, view[T](m.inF), f, m.opts...)
		}
	}
	return nil
}

// view is the same memory as elements of T.
func view[T collectives.Real](x []float64) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*8/int(unsafe.Sizeof(zero)))
}

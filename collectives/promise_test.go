package collectives_test

import (
	"context"

	"gridrun/collectives"
	"gridrun/rt"
)

// Spelled out once, for the table below.
type (
	ctx    = context.Context
	group  = rt.Group
	option = collectives.Option
	op     = collectives.Op[int8]
)

// The names and types that programs outside rely on. This file compiles as long
// as each is still there, with the type that it had: what fails here would fail
// in somebody's program.
var (
	_ func(ctx, group, ...option) error                                                       = collectives.Barrier
	_ func(c ctx, g group, root int, x []int8, o ...option) error                             = collectives.Bcast[int8]
	_ func(c ctx, g group, root int, v string, o ...option) (string, error)                   = collectives.BcastValue[string]
	_ func(c ctx, g group, root int, x []int8, f op, o ...option) error                       = collectives.Reduce[int8]
	_ func(c ctx, g group, x []int8, f op, o ...option) error                                 = collectives.AllReduce[int8]
	_ func(c ctx, g group, v int8, f op, o ...option) (int8, error)                           = collectives.AllReduceValue[int8]
	_ func(c ctx, g group, x, part []int8, f op, o ...option) error                           = collectives.ReduceScatter[int8]
	_ func(c ctx, g group, root int, x, all []int8, o ...option) error                        = collectives.Gather[int8]
	_ func(c ctx, g group, x, all []int8, o ...option) error                                  = collectives.AllGather[int8]
	_ func(c ctx, g group, root int, all, x []int8, o ...option) error                        = collectives.Scatter[int8]
	_ func(c ctx, g group, out, in []int8, o ...option) error                                 = collectives.AllToAll[int8]
	_ func(c ctx, g group, root int, x, all []int8, n []int, o ...option) error               = collectives.GatherV[int8]
	_ func(c ctx, g group, x, all []int8, n []int, o ...option) error                         = collectives.AllGatherV[int8]
	_ func(c ctx, g group, root int, all []int8, n []int, x []int8, o ...option) error        = collectives.ScatterV[int8]
	_ func(c ctx, g group, out []int8, n []int, in []int8, m []int, o ...option) error        = collectives.AllToAllV[int8]
	_ func(c ctx, g group, root int, v map[string]int, o ...option) ([]map[string]int, error) = collectives.GatherValues[map[string]int]
	_ func(c ctx, g group, x []int8, f op, o ...option) error                                 = collectives.Scan[int8]
	_ func(c ctx, g group, x []int8, f op, o ...option) error                                 = collectives.ExScan[int8]
	_ func() option                                                                           = collectives.Ordered
	_ func(string) option                                                                     = collectives.Algorithm
	_ func(dst, src []int8)                                                                   = op(nil)
	_                                                                                         = []collectives.Op[bool]{collectives.And, collectives.Or}
	_                                                                                         = []collectives.Op[complex64]{collectives.Sum[complex64], collectives.Prod[complex64]}
	_                                                                                         = []collectives.Op[complex128]{collectives.Sum[complex128], collectives.Prod[complex128]}
	_                                                                                         = []collectives.Op[collectives.Loc[uint16]]{collectives.MinLoc[uint16], collectives.MaxLoc[uint16]}
	_                                                                                         = collectives.Loc[float32]{Value: float32(0), Index: int64(0)}
)

// The constraints hold all that they held, and types made from them.
func real[T collectives.Real]() []collectives.Op[T] {
	return []collectives.Op[T]{collectives.Sum[T], collectives.Prod[T], collectives.Min[T], collectives.Max[T]}
}

func integer[T collectives.Integer]() []collectives.Op[T] {
	return append(real[T](), collectives.BitAnd[T], collectives.BitOr[T], collectives.BitXor[T])
}

func number[T collectives.Number]() []collectives.Op[T] {
	return []collectives.Op[T]{collectives.Sum[T], collectives.Prod[T]}
}

type (
	metres  float64
	seconds uint32
)

var (
	_ = integer[int]
	_ = integer[int8]
	_ = integer[int16]
	_ = integer[int32]
	_ = integer[int64]
	_ = integer[uint]
	_ = integer[uint8]
	_ = integer[uint16]
	_ = integer[uint32]
	_ = integer[uint64]
	_ = integer[seconds]
	_ = real[float32]
	_ = real[float64]
	_ = real[metres]
	_ = number[complex64]
	_ = number[complex128]
)

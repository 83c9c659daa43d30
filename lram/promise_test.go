package lram_test

import (
	"context"

	"gridrun/lram"
	"gridrun/rt"
)

// The names and types that programs outside rely on. This file compiles as long
// as each is still there, with the type that it had: what fails here would fail
// in somebody's program.
var (
	_ func(context.Context, rt.Group, lram.Config) (*lram.Cache, error)                              = lram.New
	_ func(*lram.Cache, context.Context) error                                                       = (*lram.Cache).Close
	_ func(*lram.Cache, context.Context, string) (*lram.Dataset, error)                              = (*lram.Cache).Open
	_ func(*lram.Cache) lram.Stats                                                                   = (*lram.Cache).Stats
	_ func(*lram.Cache, context.Context) (lram.Stats, error)                                         = (*lram.Cache).Total
	_ func(*lram.Dataset) []int                                                                      = (*lram.Dataset).Shape
	_ func(*lram.Dataset) []string                                                                   = (*lram.Dataset).Dims
	_ func(*lram.Dataset) string                                                                     = (*lram.Dataset).DType
	_ func(*lram.Dataset) map[string]any                                                             = (*lram.Dataset).Attrs
	_ func(*lram.Dataset) error                                                                      = (*lram.Dataset).Close
	_ func(*lram.Dataset, context.Context, string) ([]float64, string, error)                        = (*lram.Dataset).Coord
	_ func(d *lram.Dataset, ctx context.Context, start, count []int) error                           = (*lram.Dataset).Prefetch
	_ func(c context.Context, d *lram.Dataset, start, count []int, buf []uint8) (int, error)         = lram.Read[uint8]
	_ func(c context.Context, d *lram.Dataset, start, count, stride []int, buf []int64) (int, error) = lram.ReadStrided[int64]

	_ = lram.Config{File: "", Memory: int64(0), BlockSize: int64(0)}
)

// Counters that reports are made of.
func counters(s lram.Stats) []int64 {
	return []int64{s.Requests, s.HitsLocal, s.HitsRemote, s.Waits, s.Misses, s.Evictions, s.Decodes,
		s.BytesAsked, s.BytesMoved, s.BytesRead, s.BytesPrefetchedUnused, s.StallNanos}
}

var _ = counters

// The constraint holds all that it held, and types made from them.
func read[T lram.Real](c context.Context, d *lram.Dataset, start, count []int, buf []T) (int, error) {
	return lram.Read(c, d, start, count, buf)
}

type kelvin float32

var (
	_ = read[int8]
	_ = read[int16]
	_ = read[int32]
	_ = read[int64]
	_ = read[uint8]
	_ = read[uint16]
	_ = read[uint32]
	_ = read[uint64]
	_ = read[float32]
	_ = read[float64]
	_ = read[kelvin]
)

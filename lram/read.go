package lram

import (
	"context"
	"errors"
	"fmt"

	"gridrun/internal/box"
	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/lram/internal/grid"
)

// Real are the types that arrays can be read into.
type Real interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// window is how many blocks a read asks for at once.
const window = 1024

// Read fills buf with the box of count elements from start, slowest dimension first, converted to T with scale_factor and
// add_offset applied; missing values become NaN for floats and are an error for integers. It returns the number of elements. Not collective.
func Read[T Real](ctx context.Context, d *Dataset, start, count []int, buf []T) (n int, err error) {
	return ReadStrided(ctx, d, start, count, ones(len(count)), buf)
}

// ReadStrided takes every stride-th element.
func ReadStrided[T Real](ctx context.Context, d *Dataset, start, count, stride []int, buf []T) (n int, err error) {
	if err := box.CheckStrided(d.desc.Dims, d.desc.Shape, start, count, stride); err != nil {
		return 0, d.errorf("read: %w", err)
	}
	n, ok := box.Size(count)
	if !ok || n > len(buf) {
		return 0, d.errorf("read: a box of %v elements into a buffer of %d", count, len(buf))
	}
	if d.closed.Load() {
		return 0, d.errorf("read: %w", ErrClosed)
	}
	convert, err := converter[T](d)
	if err != nil {
		return 0, d.errorf("read: %w", err)
	}
	c := &d.cache.counts
	c.requests.Add(1)
	c.asked.Add(int64(n) * int64(elemSize(d.desc.DType)))
	var seen trace.Reads // of this call, for who observes the job
	if rec := d.cache.record; rec != nil {
		begin := rec.Now()
		seen.Reads, seen.Asked = 1, uint64(n)*uint64(elemSize(d.desc.DType))
		defer func() { rec.Fetched(uint8(engine.OpLramRead), d.desc.Name, begin, seen) }()
	}
	s := d.grid.Select(start, count, stride)
	for first := int64(0); first < s.Pieces(); first += window {
		blocks := blocksOf(s, first, window)
		stalled, err := d.cache.client.Get(ctx, d.number, blocks, func(at int, data []byte, how uint8) (err error) {
			c.met(how, len(data))
			met(&seen, how, len(data))
			if len(data) != d.grid.Size(blocks[at]) {
				return fmt.Errorf("block %d has %d bytes, not %d", blocks[at], len(data), d.grid.Size(blocks[at]))
			}
			s.Runs(first+int64(at), func(r grid.Run) bool {
				var bad int
				if bad, err = convert(data, r.From, r.Step, buf[r.To:r.To+r.N]); err != nil {
					err = fmt.Errorf("element %v: %w", position(r.To+bad, start, count, stride), err)
				}
				return err == nil
			})
			return err
		})
		c.stalled(stalled)
		if err != nil {
			return 0, d.errorf("read: %w%s", err, hint(err))
		}
	}
	return n, nil
}

// blocksOf lists the blocks of up to n pieces.
func blocksOf(s *grid.Selection, first, n int64) []int64 {
	blocks := make([]int64, min(n, s.Pieces()-first))
	for i := range blocks {
		blocks[i] = s.Block(first + int64(i))
	}
	return blocks
}

// position is where in the array element k of the result comes from.
func position(k int, start, count, stride []int) []int {
	at := make([]int, len(count))
	for d := len(count) - 1; d >= 0; d-- {
		at[d] = start[d] + k%count[d]*stride[d]
		k /= count[d]
	}
	return at
}

// hint says what to do next.
func hint(err error) string {
	if errors.Is(err, ErrMissing) || errors.Is(err, ErrRange) {
		return "; read it into float64"
	}
	return ""
}

package client

import (
	"context"
	"fmt"
	"time"

	"gridrun/lram/internal/proto"
)

// Open opens an array; its number is for the other calls. room is the least memory of the cache's hosts, 0: this one's.
func (c *Client) Open(ctx context.Context, ref string, room int64) (uint32, *proto.Description, error) {
	f, err := ask[*proto.Opened](ctx, c, func(n uint32) proto.Frame { return &proto.Open{Request: n, Ref: ref, Room: room} })
	if err != nil {
		return 0, nil, err
	}
	d, err := proto.DecodeDescription(f.Description)
	return f.Array, d, err
}

// CloseArray ends what Open began. No Get of the array may be under way.
func (c *Client) CloseArray(number uint32) error { return c.send(&proto.Close{Array: number}) }

// Coord gives the coordinate of a dimension.
func (c *Client) Coord(ctx context.Context, number, dim uint32) (values []float64, unit string, err error) {
	for {
		f, err := ask[*proto.Values](ctx, c, func(n uint32) proto.Frame {
			return &proto.Coord{Request: n, Array: number, Dim: dim, From: int64(len(values))}
		})
		if err != nil {
			return nil, "", err
		}
		values = append(values, f.Values...)
		switch {
		case int64(len(values)) >= f.Total:
			return values, f.Unit, nil
		case len(f.Values) == 0:
			return nil, "", fmt.Errorf("%w: no values from %d on of a coordinate of %d", proto.ErrMalformed, len(values), f.Total)
		}
	}
}

// Count asks what the server has done for this cache since it was made.
func (c *Client) Count(ctx context.Context) (*proto.Counted, error) {
	return ask[*proto.Counted](ctx, c, func(n uint32) proto.Frame { return &proto.Count{Request: n} })
}

// Prefetch names blocks, at most proto.MaxBlocks, that will be wanted soon.
func (c *Client) Prefetch(number uint32, blocks []int64) error {
	return c.send(&proto.Prefetch{Array: number, Blocks: blocks})
}

// How a block was found; cache.How on the wire.
const (
	Hit = iota
	Waited
	Missed
	Remote
	Moved = 1 << 7 // besides the others
)

// releaseAfter is how many blocks are given back in one frame at most.
const releaseAfter = 32

// Get calls do for each of the blocks of an array, at most proto.MaxBlocks, in any order, when it is there. data is valid during
// the call. An error of do ends the Get with that error. stalled is the time spent waiting.
func (c *Client) Get(ctx context.Context, number uint32, blocks []int64, do func(at int, data []byte, how uint8) error) (stalled time.Duration, err error) {
	if len(blocks) == 0 {
		return 0, nil
	}
	select {
	case c.gets <- struct{}{}:
		defer func() { <-c.gets }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	c.using.RLock()
	defer c.using.RUnlock()
	n, k, err := c.begin(nil)
	if err != nil {
		return 0, err
	}
	left := len(blocks)
	var copied []uint32
	release := func() {
		if len(copied) > 0 {
			c.send(&proto.Release{Request: n, Positions: copied}) // an error shows in the next wait
			copied = copied[:0]
		}
	}
	defer func() {
		if left > 0 {
			c.send(&proto.Cancel{Request: n})
		}
		release()
		c.forget(n, k)
	}()
	if err := c.send(&proto.Get{Request: n, Array: number, Blocks: blocks}); err != nil {
		return 0, err
	}
	for left > 0 {
		release()
		frames, waited, err := c.wait(ctx, k)
		stalled += waited
		if err != nil {
			return stalled, err
		}
		for i, f := range frames {
			err := func() error {
				switch f := f.(type) {
				case *proto.Granted:
					copied = append(copied, f.Position)
					if f.Off < 0 || f.Size < 0 || f.Off > c.region.Size()-f.Size || int(f.Position) >= len(blocks) {
						return fmt.Errorf("%w: block %d at [%d, +%d) of %d", proto.ErrMalformed, f.Position, f.Off, f.Size, c.region.Size())
					}
					left--
					return do(int(f.Position), c.region.Bytes()[f.Off:f.Off+f.Size], f.How)
				case *proto.Failed:
					left = 0 // the server has given it up already
					return failure(f)
				}
				return fmt.Errorf("%w: the server answered a Get with %T", proto.ErrMalformed, f)
			}()
			if err != nil {
				for _, f := range frames[i+1:] {
					c.giveBack(f)
				}
				return stalled, err
			}
			if len(copied) >= releaseAfter {
				release()
			}
		}
	}
	return stalled, nil
}

// Fetch has the server of another host send one block, which fills dst, and says how it was found there. Only the end of the
// client ends it early: then no one writes to dst any more when Fetch returns.
func (c *Client) Fetch(number uint32, block int64, dst []byte) (how uint8, err error) {
	n, k, err := c.begin(dst)
	if err != nil {
		return 0, err
	}
	defer c.forget(n, k)
	if err := c.send(&proto.Get{Request: n, Array: number, Blocks: []int64{block}}); err != nil {
		c.link.Close()
		<-c.done
		return 0, err
	}
	frames, _, err := c.wait(context.Background(), k)
	if err != nil {
		<-c.done
		return 0, err
	}
	switch f := frames[0].(type) {
	case *proto.Block:
		return f.How, nil
	case *proto.Failed:
		return 0, failure(f)
	}
	return 0, fmt.Errorf("%w: the server answered a Get with %T", proto.ErrMalformed, frames[0])
}

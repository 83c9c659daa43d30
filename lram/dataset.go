package lram

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"gridrun/internal/box"
	"gridrun/lram/format"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/grid"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// Dataset is an open array. Any goroutine may use it.
type Dataset struct {
	cache   *Cache
	ref     string // as the program wrote it
	number  uint32
	desc    *proto.Description
	grid    *grid.Grid
	attrs   map[string]any
	missing any // []S of the stored type
	closed  atomic.Bool
}

// Open names a variable of a file (`winds.nc#u`), a file with one array, a dataset description (`winds.json`), or any of these
// behind a store's scheme (`builtin:winds.nc#u`). Not collective. Ranks that open the same array share its blocks.
func (c *Cache) Open(ctx context.Context, ref string) (*Dataset, error) {
	d, err := c.open(ctx, ref)
	var served *client.RemoteError
	switch {
	case errors.As(err, &served): // says which file, as the host sees it
		return nil, fmt.Errorf("lram: %w", err)
	case err != nil:
		return nil, fmt.Errorf("lram: %s: %w", ref, err)
	}
	return d, nil
}

func (c *Cache) open(ctx context.Context, ref string) (*Dataset, error) {
	absolute, err := fromHere(ref)
	if err != nil {
		return nil, err
	}
	number, desc, err := c.client.Open(ctx, absolute, c.room)
	if err != nil {
		return nil, err
	}
	d := &Dataset{cache: c, ref: ref, number: number, desc: desc, attrs: make(map[string]any, len(desc.Attrs))}
	if d.grid, err = grid.New(desc.Shape, desc.Block, elemSize(desc.DType)); err == nil {
		d.missing, err = desc.Missing.Value()
	}
	for _, a := range desc.Attrs {
		if err == nil {
			d.attrs[a.Name], err = a.Value()
		}
	}
	if err != nil {
		c.client.CloseArray(number)
		return nil, fmt.Errorf("description of the array: %w", err)
	}
	return d, nil
}

// fromHere makes a local file's name absolute: the server's directory is another.
func fromHere(ref string) (string, error) {
	r, err := format.ParseRef(ref)
	if err != nil {
		return "", err
	}
	if _, _, elsewhere := store.Scheme(r.File); elsewhere {
		return ref, nil
	}
	if r.File, err = filepath.Abs(r.File); err != nil {
		return "", err
	}
	return r.String(), nil
}

// Close ends this rank's use of the array. No Read of it may be under way.
func (d *Dataset) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	if err := d.cache.client.CloseArray(d.number); err != nil && !d.cache.closed.Load() {
		return fmt.Errorf("lram: close %s: %w", d.ref, err)
	}
	return nil
}

// Shape is the elements in each dimension, slowest first.
func (d *Dataset) Shape() []int { return slices.Clone(d.desc.Shape) }

// Dims are the names of the dimensions.
func (d *Dataset) Dims() []string { return slices.Clone(d.desc.Dims) }

// DType is the stored type: "float32", "int16", ...
func (d *Dataset) DType() string { return d.desc.DType }

// Attrs are the array's attributes: text as string, a number in its stored type, several as a slice.
func (d *Dataset) Attrs() map[string]any { return maps.Clone(d.attrs) }

// Coord returns the values of the coordinate variable of a dimension, and its unit ("" if the file says none).
func (d *Dataset) Coord(ctx context.Context, dim string) (values []float64, unit string, err error) {
	i := slices.Index(d.desc.Dims, dim)
	if i < 0 {
		return nil, "", d.errorf("no dimension is called %q (there are: %s)", dim, strings.Join(d.desc.Dims, ", "))
	}
	if d.closed.Load() {
		return nil, "", d.errorf("coordinate %s: %w", dim, ErrClosed)
	}
	values, unit, err = d.cache.client.Coord(ctx, d.number, uint32(i))
	if err != nil {
		return nil, "", d.errorf("%w", err)
	}
	return values, unit, nil
}

// Prefetch says that the box will be read soon, by this rank or any other; it returns at once. What has no room is left out.
func (d *Dataset) Prefetch(ctx context.Context, start, count []int) error {
	if err := box.Check(d.desc.Dims, d.desc.Shape, start, count); err != nil {
		return d.errorf("prefetch: %w", err)
	}
	if d.closed.Load() {
		return d.errorf("prefetch: %w", ErrClosed)
	}
	s := d.grid.Select(start, count, ones(len(count)))
	for first := int64(0); first < s.Pieces(); first += proto.MaxBlocks {
		if ctx.Err() != nil {
			return d.errorf("prefetch: %w", context.Cause(ctx))
		}
		blocks := blocksOf(s, first, proto.MaxBlocks)
		if err := d.cache.client.Prefetch(d.number, blocks); err != nil {
			return d.errorf("prefetch: %w", err)
		}
	}
	return nil
}

// errorf names the array as the program did.
func (d *Dataset) errorf(format string, args ...any) error {
	return fmt.Errorf("lram: %s: "+format, append([]any{d.ref}, args...)...)
}

func ones(n int) []int { return slices.Repeat([]int{1}, n) }

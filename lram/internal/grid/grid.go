// Package grid cuts an n-dimensional array into blocks, and a selection of its
// elements into the pieces that lie in each block. Pure functions; the server
// of a cache and its clients compute the same grid from the same four figures.
//
//  1. [Plan] chooses the shape of a block: the file's own chunk where a part
//     of it cannot be had for less, otherwise whole trailing rows grouped to
//     about the size aimed at, and never beyond a record.
//  2. [New] lays blocks of that shape over the array, row-major, starting at
//     the origin; blocks at the far edges are clipped. A block is known by its
//     index in that order.
//  3. [Grid.Select] cuts start, count and stride along each dimension into
//     segments, one for each block the dimension touches. The pieces of the
//     selection are the products of the segments: piece i says which block it
//     needs and where its elements stand in the block and in the result.
package grid

import (
	"fmt"
	"math"
	"slices"
)

// enough is the size in bytes from which a block does not take in another
// dimension: a reader of 2 levels out of 26 must not pay for their neighbours,
// and storage answers 32 KiB about as fast as less.
const enough = 32 << 10

// A Layout is how a file holds an array.
type Layout struct {
	Shape []int
	Elem  int   // bytes of an element
	Chunk []int // the pieces the file is made of, nil if it is one contiguous piece
	// Divisible says that a part of a chunk costs a part of its reading: records, not compressed chunks.
	Divisible bool
}

// tinyRecord is the size in bytes below which neighbouring records share a block.
const tinyRecord = 4 << 10

// Plan returns the shape of the blocks of an array. target is the size aimed
// at in bytes where the layout leaves the choice; no block is larger than most
// bytes, unless one element is.
func Plan(l Layout, target, most int) []int {
	block := make([]int, len(l.Shape))
	for i := range block {
		block[i] = 1
	}
	limit := l.Shape
	if l.Chunk != nil {
		limit = make([]int, len(l.Shape))
		for i, n := range l.Chunk {
			limit[i] = max(1, min(n, l.Shape[i]))
		}
		if l.Divisible && bytesOf(limit, l.Elem) < tinyRecord {
			limit = l.Shape
		}
	}
	if l.Chunk != nil && !l.Divisible {
		copy(block, limit)
	} else {
		grow(block, limit, l.Elem, min(target, most))
	}
	shrink(block, l.Elem, most)
	return block
}

// grow takes in dimensions from the fastest on, each whole before the next,
// until the block is large enough or the dimension does not fit whole.
func grow(block, shape []int, elem, target int) {
	size := elem
	for i := len(shape) - 1; i >= 0 && size < min(enough, target); i-- {
		fit := max(1, target/size)
		if fit < shape[i] {
			// Even cuts: 721 rows of which 45 fit make 17 blocks of 43, not 16 of 45 and one of 1.
			blocks := (shape[i] + fit - 1) / fit
			block[i] = (shape[i] + blocks - 1) / blocks
			return
		}
		block[i] = max(1, shape[i])
		size *= block[i]
	}
}

// shrink halves the slowest dimension that can be until a block fits.
func shrink(block []int, elem, most int) {
	for i := 0; i < len(block); {
		switch {
		case bytesOf(block, elem) <= most:
			return
		case block[i] == 1:
			i++
		default:
			block[i] = (block[i] + 1) / 2
		}
	}
}

// bytesOf is the size of a block, math.MaxInt if it does not fit an int.
func bytesOf(block []int, elem int) int {
	size := elem
	for _, n := range block {
		if size > math.MaxInt/n {
			return math.MaxInt
		}
		size *= n
	}
	return size
}

// A Grid is an array cut into blocks.
type Grid struct {
	shape, block []int
	counts       []int // blocks along each dimension
	elem         int   // bytes of an element
	blocks       int64
}

// New lays blocks over an array. A shape with a dimension of length zero has no blocks.
func New(shape, block []int, elem int) (*Grid, error) {
	if len(block) != len(shape) {
		return nil, fmt.Errorf("blocks of %d dimensions for an array of %d", len(block), len(shape))
	}
	if elem < 1 {
		return nil, fmt.Errorf("elements of %d bytes", elem)
	}
	g := &Grid{shape: shape, block: block, counts: make([]int, len(shape)), elem: elem, blocks: 1}
	total := elem
	for i, n := range shape {
		if n < 0 || block[i] < 1 {
			return nil, fmt.Errorf("dimension %d: length %d in blocks of %d", i, n, block[i])
		}
		if n > 0 && total > math.MaxInt/n {
			return nil, fmt.Errorf("an array of shape %v does not fit the address space", shape)
		}
		total *= max(n, 1)
		g.counts[i] = n / block[i]
		if n%block[i] != 0 {
			g.counts[i]++
		}
		g.blocks *= int64(g.counts[i])
	}
	if bytesOf(block, elem) > math.MaxInt32 {
		return nil, fmt.Errorf("blocks of shape %v are larger than 2 GiB", block)
	}
	return g, nil
}

// Equal says whether both cut arrays of the same shape and element size into the same blocks.
func (g *Grid) Equal(o *Grid) bool {
	return g.elem == o.elem && slices.Equal(g.shape, o.shape) && slices.Equal(g.block, o.block)
}

// Blocks is how many blocks the array has.
func (g *Grid) Blocks() int64 { return g.blocks }

// Box returns where block b lies: its first element and its extent, clipped at the edges.
func (g *Grid) Box(b int64) (start, count []int) {
	n := len(g.shape)
	both := make([]int, 2*n)
	start, count = both[:n], both[n:]
	for i := n - 1; i >= 0; i-- {
		k := int(b % int64(g.counts[i]))
		b /= int64(g.counts[i])
		start[i] = k * g.block[i]
		count[i] = min(g.block[i], g.shape[i]-start[i])
	}
	return start, count
}

// Size is the number of bytes of block b.
func (g *Grid) Size(b int64) int {
	size := g.elem
	for i := len(g.shape) - 1; i >= 0; i-- {
		k := int(b % int64(g.counts[i]))
		b /= int64(g.counts[i])
		size *= min(g.block[i], g.shape[i]-k*g.block[i])
	}
	return size
}

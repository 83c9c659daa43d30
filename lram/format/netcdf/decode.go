package netcdf

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"gridrun/lram/format/array"
)

// header is the parsed front of a file.
type header struct {
	version byte  // 1, 2 or 5
	numrecs int64 // -1: left open by a streaming writer
	dims    []dim
	attrs   map[string]any
	vars    []variable
}

type dim struct {
	name string
	len  int64 // 0: the record dimension
}

type variable struct {
	name  string
	dims  []int // indices into header.dims
	attrs map[string]any
	dtype array.DType
	begin int64 // offset of the first byte in the file
}

const (
	maxDims     = 1024 // NC_MAX_VAR_DIMS
	headerPiece = 8 << 10
)

// cursor walks over the header. left bounds every allocation.
type cursor struct {
	ctx  context.Context
	at   io.ReaderAt
	size int64  // of the file
	pos  int64  // of the next byte
	buf  []byte // read ahead: the bytes from pos on
	wide bool   // CDF-5: counts of 64 bits
}

func (c *cursor) left() int64 { return c.size - c.pos }

// bytes gives the next n bytes, valid until the next call.
func (c *cursor) bytes(n int64) ([]byte, error) {
	if n > c.left() {
		return nil, fmt.Errorf("the header goes on after the end of the file (%d bytes)", c.size)
	}
	if int64(len(c.buf)) < n {
		if c.ctx.Err() != nil {
			return nil, context.Cause(c.ctx)
		}
		// The rest of the buffer is read again, which keeps this simple and costs little: pieces are large.
		c.buf = make([]byte, min(max(n, headerPiece), c.left()))
		if _, err := c.at.ReadAt(c.buf, c.pos); err != nil {
			return nil, err
		}
	}
	p := c.buf[:n]
	c.buf = c.buf[n:]
	c.pos += n
	return p, nil
}

func (c *cursor) u32() (int64, error) {
	p, err := c.bytes(4)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint32(p)), nil
}

func (c *cursor) i64() (int64, error) {
	p, err := c.bytes(8)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(p)), nil
}

// nonNeg reads a NON_NEG: 32 bits, in CDF-5 64.
func (c *cursor) nonNeg(what string) (int64, error) {
	n, err := c.count()
	if err == nil && (n < 0 || !c.wide && n > math.MaxInt32) {
		err = fmt.Errorf("%s is negative (%#x) at byte %d", what, uint64(n), c.pos)
	}
	return n, err
}

// count reads the bare bits of a NON_NEG.
func (c *cursor) count() (int64, error) {
	if c.wide {
		return c.i64()
	}
	return c.u32()
}

// elems reads a count of things that take at least size bytes each.
func (c *cursor) elems(what string, size int64) (int64, error) {
	n, err := c.nonNeg("the number of " + what)
	if err == nil && n > c.left()/size {
		err = fmt.Errorf("%d %s at byte %d, but the file has only %d more bytes", n, what, c.pos, c.left())
	}
	return n, err
}

// list reads the head of a list: its tag and count, or the zeros of an absent one.
func (c *cursor) list(tag int64, what string, size int64) (int64, error) {
	got, err := c.u32()
	if err != nil {
		return 0, err
	}
	n, err := c.elems(what, size)
	if err != nil {
		return 0, err
	}
	if got != tag && (got != 0 || n != 0) {
		return 0, fmt.Errorf("byte %d: tag %#x with count %d where the list of %s should be", c.pos, got, n, what)
	}
	return n, nil
}

// padded reads n bytes and the padding behind them.
func (c *cursor) padded(n int64) ([]byte, error) {
	if n > c.left() {
		return c.bytes(n) // only for its error: pad4 could overflow
	}
	p, err := c.bytes(pad4(n))
	if err != nil {
		return nil, err
	}
	return p[:n], nil
}

func (c *cursor) name(what string) (string, error) {
	n, err := c.elems("bytes in the name of "+what, 1)
	if err != nil {
		return "", err
	}
	p, err := c.padded(n)
	if err == nil && n == 0 {
		err = fmt.Errorf("byte %d: %s without a name", c.pos, what)
	}
	return string(p), err
}

func (c *cursor) dtype() (array.DType, error) {
	t, err := c.u32()
	if err != nil {
		return "", err
	}
	last := int64(len(ncTypes) - 1)
	if !c.wide {
		last = lastClassicType
	}
	if t < 1 || t > last {
		return "", fmt.Errorf("byte %d: type %d does not exist in this version of the format", c.pos, t)
	}
	return ncTypes[t], nil
}

// readHeader parses the header of a file of size bytes.
func readHeader(ctx context.Context, at io.ReaderAt, size int64) (*header, error) {
	c := &cursor{ctx: ctx, at: at, size: size}
	magic, err := c.bytes(4)
	if err != nil {
		return nil, err
	}
	h := &header{version: magic[3]}
	if string(magic[:3]) != "CDF" || h.version != 1 && h.version != 2 && h.version != 5 {
		return nil, fmt.Errorf("the magic number %q is not one of NetCDF classic (CDF-1, CDF-2, CDF-5)", magic)
	}
	c.wide = h.version == 5
	if h.numrecs, err = c.count(); err != nil {
		return nil, err
	}
	if h.numrecs == math.MaxUint32 && !c.wide {
		h.numrecs = -1
	}
	if h.numrecs < -1 || !c.wide && h.numrecs > math.MaxInt32 {
		return nil, fmt.Errorf("the number of records is negative (%#x)", uint64(h.numrecs))
	}
	if h.dims, err = c.dims(); err != nil {
		return nil, err
	}
	if h.attrs, err = c.attrs("the file"); err != nil {
		return nil, err
	}
	h.vars, err = c.vars(h)
	return h, err
}

func (c *cursor) dims() ([]dim, error) {
	n, err := c.list(tagDimension, "dimensions", 8)
	if err != nil {
		return nil, err
	}
	var dims []dim
	record := ""
	for range n {
		var d dim
		if d.name, err = c.name("a dimension"); err != nil {
			return nil, err
		}
		if d.len, err = c.nonNeg("the length of dimension " + d.name); err != nil {
			return nil, err
		}
		if d.len == 0 && record != "" {
			return nil, fmt.Errorf("two record dimensions, %s and %s; there can be one", record, d.name)
		}
		if d.len == 0 {
			record = d.name
		}
		dims = append(dims, d)
	}
	return dims, nil
}

func (c *cursor) attrs(owner string) (map[string]any, error) {
	n, err := c.list(tagAttribute, "attributes of "+owner, 12)
	if err != nil {
		return nil, err
	}
	attrs := make(map[string]any)
	for range n {
		name, err := c.name("an attribute of " + owner)
		if err != nil {
			return nil, err
		}
		dtype, err := c.dtype()
		if err != nil {
			return nil, err
		}
		size := int64(dtype.Size())
		k, err := c.elems("values of attribute "+name, size)
		if err != nil {
			return nil, err
		}
		p, err := c.padded(k * size)
		if err != nil {
			return nil, err
		}
		attrs[name] = attrValue(dtype, p)
	}
	return attrs, nil
}

func (c *cursor) vars(h *header) ([]variable, error) {
	n, err := c.list(tagVariable, "variables", 28)
	if err != nil {
		return nil, err
	}
	var vars []variable
	for range n {
		v, err := c.variable(h)
		if err != nil {
			if v.name != "" {
				err = fmt.Errorf("variable %s: %w", v.name, err)
			}
			return nil, err
		}
		vars = append(vars, v)
	}
	return vars, nil
}

func (c *cursor) variable(h *header) (v variable, err error) {
	if v.name, err = c.name("a variable"); err != nil {
		return v, err
	}
	ndims, err := c.elems("dimensions", 4)
	if err != nil {
		return v, err
	}
	if ndims > maxDims {
		return v, fmt.Errorf("%d dimensions, more than the %d of the format", ndims, maxDims)
	}
	v.dims = make([]int, ndims)
	for i := range v.dims {
		id, err := c.nonNeg("a dimension's number")
		if err != nil {
			return v, err
		}
		if id >= int64(len(h.dims)) {
			return v, fmt.Errorf("dimension number %d, but the file has %d dimensions", id, len(h.dims))
		}
		if h.dims[id].len == 0 && i > 0 {
			return v, fmt.Errorf("the record dimension %s is not the first", h.dims[id].name)
		}
		v.dims[i] = int(id)
	}
	if v.attrs, err = c.attrs("variable " + v.name); err != nil {
		return v, err
	}
	if v.dtype, err = c.dtype(); err != nil {
		return v, err
	}
	if _, err = c.count(); err != nil { // vsize: see layout.go
		return v, err
	}
	if h.version == 1 {
		v.begin, err = c.u32()
	} else {
		v.begin, err = c.i64()
	}
	if err == nil && (v.begin < 0 || h.version == 1 && v.begin > math.MaxInt32) {
		err = fmt.Errorf("begins at the negative offset %#x", uint64(v.begin))
	}
	return v, err
}

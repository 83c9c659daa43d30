package proto

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// Version of everything this package defines.
	Version = 2
	// MaxFrame bounds a frame's length in bytes.
	MaxFrame = 1 << 20
	// MaxBlocks bounds the blocks of one Get or Prefetch.
	MaxBlocks = 4096
	// MaxValues bounds the values of one Values.
	MaxValues = 64 << 10
)

// ErrMalformed is what bytes that no gridrun would send decode to.
var ErrMalformed = errors.New("malformed frame")

// A Frame is one message; see the package's documentation.
type Frame interface {
	kind() byte
	fields(c *codec)
}

// codec walks a frame's fields, writing them or reading them.
type codec struct {
	buf  []byte
	read bool
	err  error
}

func (c *codec) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
	c.buf = nil
}

func (c *codec) take(n int) []byte {
	if len(c.buf) < n {
		c.fail("%w: %d bytes where %d were expected", ErrMalformed, len(c.buf), n)
		return make([]byte, n)
	}
	b := c.buf[:n]
	c.buf = c.buf[n:]
	return b
}

func (c *codec) u8(v *uint8) {
	if c.read {
		*v = c.take(1)[0]
	} else {
		c.buf = append(c.buf, *v)
	}
}

func (c *codec) u32(v *uint32) {
	if c.read {
		*v = binary.LittleEndian.Uint32(c.take(4))
	} else {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, *v)
	}
}

func (c *codec) i64(v *int64) {
	if c.read {
		*v = int64(binary.LittleEndian.Uint64(c.take(8)))
	} else {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(*v))
	}
}

// count reads or writes the length of a list whose elements take size bytes, and bounds it by what can be there.
func (c *codec) count(n, size, most int) int {
	v := uint32(n)
	c.u32(&v)
	switch {
	case c.read && (int64(v)*int64(size) > int64(len(c.buf)) || int64(v) > int64(most)):
		c.fail("%w: a list of %d in %d bytes", ErrMalformed, v, len(c.buf))
		return 0
	case n > most:
		c.fail("a list of %d, the most is %d", n, most)
		return 0
	}
	return int(v)
}

func (c *codec) str(v *string) {
	n := c.count(len(*v), 1, MaxFrame)
	if c.read {
		*v = string(c.take(n))
	} else {
		c.buf = append(c.buf, *v...)
	}
}

func (c *codec) bytes(v *[]byte) {
	s := string(*v)
	c.str(&s)
	if c.read {
		*v = []byte(s)
	}
}

func (c *codec) i64s(v *[]int64) {
	n := c.count(len(*v), 8, MaxBlocks)
	if c.read {
		*v = make([]int64, n)
	}
	for i := range n {
		c.i64(&(*v)[i])
	}
}

func (c *codec) u32s(v *[]uint32) {
	n := c.count(len(*v), 4, MaxBlocks)
	if c.read {
		*v = make([]uint32, n)
	}
	for i := range n {
		c.u32(&(*v)[i])
	}
}

func (c *codec) f64s(v *[]float64) {
	n := c.count(len(*v), 8, MaxValues)
	if c.read {
		*v = make([]float64, n)
	}
	for i := range n {
		bits := int64(math.Float64bits((*v)[i]))
		c.i64(&bits)
		if c.read { // a frame that is sent may be shared
			(*v)[i] = math.Float64frombits(uint64(bits))
		}
	}
}

// Append appends f with its length to b.
func Append(b []byte, f Frame) ([]byte, error) {
	at := len(b)
	c := codec{buf: append(b, 0, 0, 0, 0, f.kind())}
	f.fields(&c)
	if c.err != nil {
		return b, fmt.Errorf("%T: %w", f, c.err)
	}
	n := len(c.buf) - at - 4
	if n > MaxFrame {
		return b, fmt.Errorf("%T of %d bytes, the most is %d", f, n, MaxFrame)
	}
	binary.LittleEndian.PutUint32(c.buf[at:], uint32(n))
	return c.buf, nil
}

// Decode decodes a frame without its length.
func Decode(b []byte) (Frame, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	f := newFrame(b[0])
	if f == nil {
		return nil, fmt.Errorf("%w: kind %d", ErrMalformed, b[0])
	}
	c := codec{buf: b[1:], read: true}
	f.fields(&c)
	if c.err == nil && len(c.buf) > 0 {
		c.fail("%w: %d bytes behind the last field", ErrMalformed, len(c.buf))
	}
	if c.err != nil {
		return nil, fmt.Errorf("%T: %w", f, c.err)
	}
	return f, nil
}

// Read reads the next frame: io.EOF at the end of the stream, io.ErrUnexpectedEOF inside a frame.
func Read(r *bufio.Reader) (Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return nil, fmt.Errorf("%w: length %d", ErrMalformed, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return Decode(b)
}

package tcp

import (
	"errors"
	"fmt"
	"io"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// ErrBroken means that the connection ended without a farewell.
var ErrBroken = errors.New("connection broken")

// farewell is the kind of the header that ends a stream; no frame has it.
const farewell wire.Kind = 0xff

// firstBuffer is the reader's buffer at first, in bytes. It grows to the
// largest frame that is no Data frame.
const firstBuffer = 32 << 10

// receive delivers the frames of process from that src brings until the stream
// ends. Its error is never nil; transport.ErrLeft is the good one.
func receive(src io.Reader, from int, sink transport.Sink) error {
	in := input{src: src, buf: make([]byte, firstBuffer)}
	var h wire.Header
	for {
		b, err := in.next(wire.HeaderSize)
		if err == io.EOF {
			return fmt.Errorf("%w: it ended without a farewell", ErrBroken)
		}
		if err != nil {
			return err
		}
		if wire.Kind(b[0]) == farewell {
			return checkFarewell(b)
		}
		if err := h.Decode(b); err != nil {
			return err
		}
		if h.Kind == wire.Data {
			err = in.piece(from, &h, sink)
		} else if b, err = in.next(int(h.Body)); err == nil {
			sink.Arrived(from, &h, b)
		}
		if err != nil {
			return noEOF(err)
		}
	}
}

func checkFarewell(b []byte) error {
	for _, x := range b[1:] {
		if x != 0 {
			return fmt.Errorf("%w: a farewell that is not one", wire.ErrFrame)
		}
	}
	return transport.ErrLeft
}

// input is a buffered reader whose bytes can be looked at in place and which
// large reads pass by.
type input struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is read and not yet used
}

// next returns the next n bytes; they stay valid until the following call. It
// returns io.EOF only when the stream ends before the first of them.
func (in *input) next(n int) ([]byte, error) {
	if in.w-in.r < n {
		if in.r+n > len(in.buf) {
			in.makeRoom(n)
		}
		for in.w-in.r < n {
			m, err := in.read(in.buf[in.w:])
			in.w += m
			if err != nil && in.w-in.r < n {
				if in.w > in.r {
					err = noEOF(err)
				}
				return nil, err
			}
		}
	}
	b := in.buf[in.r : in.r+n : in.r+n]
	in.r += n
	return b, nil
}

// makeRoom moves what is unread to the front of a buffer of at least n bytes.
func (in *input) makeRoom(n int) {
	buf := in.buf
	if n > len(buf) {
		size := len(buf)
		for size < n {
			size *= 2
		}
		buf = make([]byte, size)
	}
	in.w = copy(buf, in.buf[in.r:in.w])
	in.r, in.buf = 0, buf
}

// piece brings the body of the Data frame h to where the sink wants it.
func (in *input) piece(from int, h *wire.Header, sink transport.Sink) error {
	n := int(h.Body)
	dst := sink.Place(from, h)
	if dst == nil {
		return in.skip(n)
	}
	if len(dst) < n {
		return fmt.Errorf("a place of %d bytes for a piece of %d", len(dst), n)
	}
	if err := in.full(dst[:n]); err != nil {
		return err
	}
	sink.Placed(from, h)
	return nil
}

// full fills dst: what is in the buffer first, the rest without it.
func (in *input) full(dst []byte) error {
	n := copy(dst, in.buf[in.r:in.w])
	in.r += n
	for n < len(dst) {
		m, err := in.read(dst[n:])
		n += m
		if err != nil && n < len(dst) {
			return err
		}
	}
	return nil
}

func (in *input) skip(n int) error {
	for n > 0 {
		b, err := in.next(min(n, firstBuffer))
		if err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}

// read reads at least one byte into b, or returns an error.
func (in *input) read(b []byte) (int, error) {
	for range 100 {
		if n, err := in.src.Read(b); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

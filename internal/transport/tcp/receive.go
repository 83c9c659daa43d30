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

const (
	// firstBuffer is a connection's receive buffer at first, in bytes. It grows to
	// the largest frame that is not placed.
	firstBuffer = 32 << 10
	// placedFrom is the shortest body of an Eager frame that is placed when it has
	// not come whole with its header.
	placedFrom = 4 << 10
	// headBytes are read ahead of a frame after one that was placed: what follows
	// is likely to be placed too, and had better not come into the buffer.
	headBytes = 512
)

// A source is where an input reads from.
type source interface {
	// read fills a, then b as far as there is something. It returns more than
	// zero bytes or an error: io.EOF at the end, errAgain when nothing is there
	// now and the caller is to come back later.
	read(a, b []byte) (int, error)
}

var errAgain = errors.New("nothing to read now")

// An input cuts a stream into frames. Between two calls of run it may stand
// anywhere in a frame.
type input struct {
	src  source
	from int // the process at the other end
	sink transport.Sink

	buf  []byte
	r, w int // buf[r:w] is read and not yet used

	h     wire.Header // of the frame being delivered
	piece bool        // h is a frame whose body is being placed
	place []byte      // where the rest of it belongs; nil: dropped
	left  int         // bytes of it still to come
	long  bool        // the last frame was placed, from beyond the buffer
}

func newInput(src source, from int, sink transport.Sink) *input {
	return &input{src: src, from: from, sink: sink, buf: make([]byte, firstBuffer)}
}

// run delivers what src brings until that says errAgain or the stream ends. It
// returns the number of frames and pieces delivered and why it returns, which is
// never nil; transport.ErrLeft is the good end.
func (in *input) run() (count int, err error) {
	for {
		var done bool
		if in.piece {
			done, err = in.body()
		} else {
			done, err = in.frame()
		}
		if done {
			count++
		}
		if err != nil {
			return count, err
		}
	}
}

// frame delivers the next frame, or reads some of it. Of a frame that is to be
// placed it takes the header only.
func (in *input) frame() (done bool, err error) {
	if in.w-in.r < wire.HeaderSize {
		return false, in.fill(wire.HeaderSize)
	}
	b := in.buf[in.r:in.w]
	if wire.Kind(b[0]) == farewell {
		return false, checkFarewell(b[:wire.HeaderSize])
	}
	h := &in.h
	if err := h.Decode(b); err != nil {
		return false, err
	}
	n := int(h.Body)
	whole := len(b) >= wire.HeaderSize+n
	if h.Kind != wire.Data && (whole || h.Kind != wire.Eager || n < placedFrom) {
		if !whole {
			return false, in.fill(wire.HeaderSize + n)
		}
		in.r += wire.HeaderSize + n
		in.long = false
		in.sink.Arrived(in.from, h, b[wire.HeaderSize:wire.HeaderSize+n:wire.HeaderSize+n])
		return true, nil
	}
	in.r += wire.HeaderSize
	in.piece, in.left, in.place = true, n, in.sink.Place(in.from, h)
	if in.place != nil {
		if len(in.place) < n {
			return false, fmt.Errorf("a place of %d bytes for a piece of %d", len(in.place), n)
		}
		in.place = in.place[:n]
	}
	return false, nil
}

// body brings some of a body to where it belongs: what is in the buffer first, the
// rest past it, together with the header that follows.
func (in *input) body() (done bool, err error) {
	if n := min(in.left, in.w-in.r); n > 0 {
		if in.place != nil {
			in.place = in.place[copy(in.place, in.buf[in.r:in.r+n]):]
		}
		in.r += n
		in.left -= n
	}
	if in.left == 0 {
		in.piece = false
		if in.place == nil {
			return true, nil
		}
		in.place = nil
		in.sink.Placed(in.from, &in.h)
		return true, nil
	}
	in.r, in.w = 0, 0 // nothing is left in it
	in.long = true
	if in.place == nil {
		in.w, err = in.src.read(in.buf[:min(in.left, len(in.buf))], nil)
		return false, noEOF(err)
	}
	n, err := in.src.read(in.place, in.buf[:wire.HeaderSize])
	if n > in.left {
		in.w = n - in.left
		n = in.left
	}
	in.place = in.place[n:]
	in.left -= n
	return false, noEOF(err)
}

// fill reads on, so that n bytes from buf[r] on fit. It returns io.EOF only when
// the stream ends between two frames, as an ErrBroken.
func (in *input) fill(n int) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.r+n > len(in.buf) {
		in.makeRoom(n)
	}
	end := len(in.buf)
	if in.long {
		end = min(in.r+max(n, headBytes), end)
	}
	m, err := in.src.read(in.buf[in.w:end], nil)
	in.w += m
	switch {
	case err == io.EOF && in.w == in.r:
		return fmt.Errorf("%w: it ended without a farewell", ErrBroken)
	default:
		return noEOF(err)
	}
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

func checkFarewell(b []byte) error {
	for _, x := range b[1:] {
		if x != 0 {
			return fmt.Errorf("%w: a farewell that is not one", wire.ErrFrame)
		}
	}
	return transport.ErrLeft
}

// receive delivers the frames of process from that src brings until the stream
// ends: what the reader goroutine of a connection does that is not polled.
func receive(src io.Reader, from int, sink transport.Sink) error {
	_, err := newInput(&blocking{src: src}, from, sink).run()
	return err
}

// blocking is a source that waits.
type blocking struct {
	src io.Reader
	err error // came with the last bytes
}

func (s *blocking) read(a, _ []byte) (n int, err error) {
	for i := 0; n == 0 && s.err == nil; i++ {
		if i == 100 {
			return 0, io.ErrNoProgress
		}
		n, s.err = s.src.Read(a)
	}
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}

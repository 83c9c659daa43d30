package array

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"gridrun/internal/box"
)

// Strided reads an array that lies row by row in a file. With RecordStride 0 it is one contiguous piece at Base; otherwise each index of the slowest
// dimension is a contiguous record, and records begin RecordStride bytes apart.
//
// Rows of a box are rarely neighbours in the file, and a read call for each of them is slow. As in ROMIO's data sieving (Thakur, Gropp and Lusk: "Data
// Sieving and Collective I/O in ROMIO", 1999) runs that lie close together are read in one call, gaps included, and picked from a scratch buffer.
type Strided struct {
	At           io.ReaderAt
	Base         int64 // bytes
	RecordStride int64 // bytes; 0: no gaps
	Shape        []int
	Elem         int // bytes of an element
	Order        binary.ByteOrder
}

const (
	sieveBytes = 1 << 20  // the most that is read to pick from it
	gapBytes   = 32 << 10 // a longer gap costs more to read than a call of its own
	callBytes  = 16 << 20 // the most in one call, so that a cancelled read ends soon
	sieveRuns  = 32 << 10 // the most runs that wait; they need memory too when each is one byte
)

// ReadBox implements Reader.
func (s *Strided) ReadBox(ctx context.Context, start, count []int, dst []byte) error {
	r := siever{ctx: ctx, at: s.At}
	out := 0
	if s.RecordStride == 0 || len(s.Shape) == 0 {
		for off, n := range box.Runs(s.Shape, start, count) {
			if err := r.add(s.Base+int64(off)*int64(s.Elem), dst[out:out+n*s.Elem]); err != nil {
				return err
			}
			out += n * s.Elem
		}
	} else {
		for i := range count[0] {
			record := s.Base + int64(start[0]+i)*s.RecordStride
			for off, n := range box.Runs(s.Shape[1:], start[1:], count[1:]) {
				if err := r.add(record+int64(off)*int64(s.Elem), dst[out:out+n*s.Elem]); err != nil {
					return err
				}
				out += n * s.Elem
			}
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	swap(dst, s.Elem, s.Order)
	return nil
}

// piece is a run that waits to be read: its offset in the file and where its bytes go.
type piece struct {
	off int64
	dst []byte
}

// siever collects runs in ascending order and reads those that lie together at once.
type siever struct {
	ctx     context.Context
	at      io.ReaderAt
	pending []piece
	scratch []byte
}

func (r *siever) add(off int64, dst []byte) error {
	if n := len(r.pending); n > 0 {
		last := &r.pending[n-1]
		end := last.off + int64(len(last.dst))
		if end == off && n == 1 {
			// Neighbours in the file are neighbours in dst, because both are row-major.
			last.dst = last.dst[:len(last.dst)+len(dst)]
			return nil
		}
		if n == sieveRuns || off < end || off-end > gapBytes || off+int64(len(dst))-r.pending[0].off > sieveBytes {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	r.pending = append(r.pending, piece{off, dst})
	return nil
}

func (r *siever) flush() error {
	if len(r.pending) == 0 {
		return nil
	}
	pending := r.pending
	r.pending = r.pending[:0]
	if len(pending) == 1 {
		return r.read(pending[0].dst, pending[0].off)
	}
	first, last := pending[0], pending[len(pending)-1]
	span := int(last.off + int64(len(last.dst)) - first.off)
	if cap(r.scratch) < span {
		r.scratch = make([]byte, span)
	}
	buf := r.scratch[:span]
	if err := r.read(buf, first.off); err != nil {
		return err
	}
	for _, p := range pending {
		copy(p.dst, buf[p.off-first.off:])
	}
	return nil
}

// read fills p from the file, looking at ctx between calls.
func (r *siever) read(p []byte, off int64) error {
	for len(p) > 0 {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		n := min(len(p), callBytes)
		got, err := r.at.ReadAt(p[:n], off)
		if got < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%d bytes at %d: %w", n, off, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

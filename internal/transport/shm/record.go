package shm

import (
	"encoding/binary"
	"fmt"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A record in a ring is a whole number of cache lines:
//
//	short   first | Src Dst | Group | Tag Elem | Credit Seq | body
//	long    first | the encoded wire.Header                 | body
//
// A body of bulky bytes or more begins with a cache line: it is written in whole ones.
//
// first, 8 bytes, is the body's length, the frame's kind (with longBit), Op and
// Flags; it is never 0. Eager frames are short unless they carry a number for a
// timeline: with up to 24 bytes of body they fit one line.
const (
	shortHeader = 40
	longHeader  = 8 + wire.HeaderSize

	bulky = 512

	longBit  = 0x80
	markWord = uint64(0xff) << 32 // in place of a kind: the next record is at the start
)

// short tells whether a frame makes a short record.
func short(h *wire.Header) bool { return h.Kind == wire.Eager && h.Off|h.Send|h.Recv == 0 }

// bodyAt is where a body of n bytes begins, behind so many bytes of header.
func bodyAt(head, n int) int {
	if n >= bulky {
		return (head + line - 1) &^ (line - 1)
	}
	return head
}

// sizeOf is what a frame's record takes.
func sizeOf(h *wire.Header, body int) int {
	if short(h) {
		return shortSize(body)
	}
	return (bodyAt(longHeader, body) + body + line - 1) &^ (line - 1)
}

func shortSize(body int) int { return (bodyAt(shortHeader, body) + body + line - 1) &^ (line - 1) }

// briefly tells whether a record is short and worth delivering with others.
func briefly(first uint64) bool {
	return uint8(first>>32) == uint8(wire.Eager) && uint32(first) <= batchBody
}

// encode writes all of a record but its first word, which it returns. h.Body is
// the body's length.
func encode(b []byte, h *wire.Header, body []byte) (first uint64) {
	first = uint64(len(body)) | uint64(h.Kind)<<32 | uint64(h.Op)<<40 | uint64(h.Flags)<<48
	if !short(h) {
		h.Encode(b[8:longHeader])
		place(b[bodyAt(longHeader, len(body)):], body)
		return first | longBit<<32
	}
	encodeShort(b, uint64(uint32(h.Src))|uint64(uint32(h.Dst))<<32, h.Group,
		uint64(uint32(h.Tag))|uint64(h.Elem)<<32, uint64(h.Credit)|uint64(h.Seq)<<32, body)
	return first
}

// encodeShort writes all of a short record but its first word.
func encodeShort(b []byte, ranks, group, tags, counts uint64, body []byte) {
	le := binary.LittleEndian
	_ = b[shortHeader-1]
	le.PutUint64(b[8:], ranks)
	le.PutUint64(b[16:], group)
	le.PutUint64(b[24:], tags)
	le.PutUint64(b[32:], counts)
	if len(body) == 8 {
		binary.NativeEndian.PutUint64(b[shortHeader:], binary.NativeEndian.Uint64(body))
	} else {
		place(b[bodyAt(shortHeader, len(body)):], body)
	}
}

func place(b, body []byte) { spin.CopyOver(b[:len(body)], body) }

// decode reads the record at the start of b, whose first word is given: the frame,
// its body and what the record takes. It looks at each word once, since whoever
// wrote it may still be writing.
func decode(first uint64, b []byte, h *wire.Header) (body []byte, size int, err error) {
	n, kind := int(uint32(first)), uint8(first>>32)
	if kind&longBit != 0 {
		if len(b) < longHeader {
			return nil, 0, fmt.Errorf("shared ring: %w: %d bytes before the end", wire.ErrFrame, len(b))
		}
		if err := h.Decode(b[8:longHeader]); err != nil {
			return nil, 0, fmt.Errorf("shared ring: %w", err)
		}
		at := bodyAt(longHeader, n)
		size = (at + n + line - 1) &^ (line - 1)
		if int(h.Body) != n || size > len(b) || h.Kind != wire.Data && n > transport.EagerMax {
			return nil, 0, fmt.Errorf("shared ring: %w: %v with a body of %d bytes, %d in its record, %d before the end", wire.ErrFrame, h.Kind, h.Body, n, len(b))
		}
		return b[at : at+n : at+n], size, nil
	}
	at := bodyAt(shortHeader, n)
	size = (at + n + line - 1) &^ (line - 1)
	if wire.Kind(kind) != wire.Eager || uint32(first) > transport.EagerMax || size > len(b) {
		return nil, 0, fmt.Errorf("shared ring: %w: short record of kind %d with a body of %d bytes, %d before the end", wire.ErrFrame, kind, n, len(b))
	}
	le := binary.LittleEndian
	ranks, tags, counts := le.Uint64(b[8:]), le.Uint64(b[24:]), le.Uint64(b[32:])
	// One by one: a literal would be made elsewhere and copied in wider pieces.
	h.Kind, h.Op, h.Flags = wire.Eager, uint8(first>>40), uint16(first>>48)
	h.Src, h.Dst = int32(ranks), int32(ranks>>32)
	h.Group = le.Uint64(b[16:])
	h.Tag, h.Elem = int32(tags), uint32(tags>>32)
	h.Len, h.Body, h.Off = uint64(n), uint32(n), 0
	h.Send, h.Recv = 0, 0
	h.Credit, h.Seq = uint32(counts), uint32(counts>>32)
	if h.Src < 0 || h.Dst < 0 {
		return nil, 0, fmt.Errorf("shared ring: %w: ranks %d to %d", wire.ErrFrame, h.Src, h.Dst)
	}
	return b[at : at+n : at+n], size, nil
}

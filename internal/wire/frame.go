package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind says what a data-plane frame is.
type Kind uint8

const (
	Eager Kind = 1 + iota
	RTS
	CTS
	Data
	Cancel
	Cancelled
	Credit
	Revoke
	Bye
	Agree
	Put
	Stored
	kindEnd
)

var kindNames = [...]string{"?", "Eager", "RTS", "CTS", "Data", "Cancel", "Cancelled", "Credit", "Revoke", "Bye", "Agree", "Put", "Stored"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Envelope tells whether a frame announces or brings a message, and so is matched.
func (k Kind) Envelope() bool { return k == Eager || k == RTS || k == Stored }

const (
	// HeaderSize is the length of an encoded Header in bytes, a multiple of 8.
	HeaderSize = 72
	// MaxBody bounds the body of one frame; longer messages travel in pieces.
	MaxBody = 1 << 20
)

// A Header opens every data-plane frame. Ranks are world ranks.
type Header struct {
	Kind  Kind
	Op    uint8  // the operation that sent it (engine.Op), to diagnose mismatched collectives
	Flags uint16 // none defined yet: zero
	Body  uint32 // bytes that follow the header in this frame
	Src   int32
	Dst   int32
	Group uint64 // message space: the group's id, user or collective half
	Tag   int32
	Elem  uint32 // signature of the element type (engine.Signature)
	Len   uint64 // bytes of the whole message
	Off   uint64 // Data: where this piece starts in the message; Stored: where the message is in the sender's store
	Send  uint64 // the sender's request: RTS, CTS, Cancel, Cancelled
	Recv  uint64 // the receiver's request: CTS, Data, Put, an RTS for a receive that was taken
	// Credit returns eager bytes to the frame's receiver; any frame may carry it.
	Credit uint32
	Seq    uint32 // collective sequence number in the group, for diagnosis
}

// ErrFrame is what a header that no gridrun would send decodes to.
var ErrFrame = errors.New("malformed frame")

// Encode writes h into b[:HeaderSize].
func (h *Header) Encode(b []byte) {
	_ = b[HeaderSize-1]
	le := binary.LittleEndian
	b[0] = byte(h.Kind)
	b[1] = h.Op
	le.PutUint16(b[2:], h.Flags)
	le.PutUint32(b[4:], h.Body)
	le.PutUint32(b[8:], uint32(h.Src))
	le.PutUint32(b[12:], uint32(h.Dst))
	le.PutUint64(b[16:], h.Group)
	le.PutUint32(b[24:], uint32(h.Tag))
	le.PutUint32(b[28:], h.Elem)
	le.PutUint64(b[32:], h.Len)
	le.PutUint64(b[40:], h.Off)
	le.PutUint64(b[48:], h.Send)
	le.PutUint64(b[56:], h.Recv)
	le.PutUint32(b[64:], h.Credit)
	le.PutUint32(b[68:], h.Seq)
}

// Decode reads b[:HeaderSize] and checks every bound that needs no knowledge
// of the job: an error means that the stream cannot be trusted any further.
func (h *Header) Decode(b []byte) error {
	if len(b) < HeaderSize {
		return fmt.Errorf("%w: %d bytes where a header of %d was expected", ErrFrame, len(b), HeaderSize)
	}
	le := binary.LittleEndian
	h.Kind = Kind(b[0])
	h.Op = b[1]
	h.Flags = le.Uint16(b[2:])
	h.Body = le.Uint32(b[4:])
	h.Src = int32(le.Uint32(b[8:]))
	h.Dst = int32(le.Uint32(b[12:]))
	h.Group = le.Uint64(b[16:])
	h.Tag = int32(le.Uint32(b[24:]))
	h.Elem = le.Uint32(b[28:])
	h.Len = le.Uint64(b[32:])
	h.Off = le.Uint64(b[40:])
	h.Send = le.Uint64(b[48:])
	h.Recv = le.Uint64(b[56:])
	h.Credit = le.Uint32(b[64:])
	h.Seq = le.Uint32(b[68:])
	switch {
	case h.Kind == 0 || h.Kind >= kindEnd:
		return fmt.Errorf("%w: kind %d", ErrFrame, h.Kind)
	case h.Body > MaxBody:
		return fmt.Errorf("%w: body of %d bytes, the most is %d", ErrFrame, h.Body, MaxBody)
	case h.Src < 0 || h.Dst < 0:
		return fmt.Errorf("%w: ranks %d to %d", ErrFrame, h.Src, h.Dst)
	case h.Kind == Eager && uint64(h.Body) != h.Len:
		return fmt.Errorf("%w: eager body of %d bytes for a message of %d", ErrFrame, h.Body, h.Len)
	case h.Kind == Data && (h.Off > h.Len || uint64(h.Body) > h.Len-h.Off):
		return fmt.Errorf("%w: piece [%d, +%d) of a message of %d", ErrFrame, h.Off, h.Body, h.Len)
	case h.Kind != Eager && h.Kind != Data && h.Kind != Revoke && h.Kind != Agree && h.Body != 0:
		return fmt.Errorf("%w: %v with a body", ErrFrame, h.Kind)
	}
	return nil
}

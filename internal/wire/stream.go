package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// A Stream carries control messages over a byte stream: [Magic], then each
// message behind its length (4 bytes, little-endian).
type Stream struct {
	r  *bufio.Reader
	wm sync.Mutex
	w  io.Writer
	// Noise is what came before the peer's Magic: output of shell start-up files.
	Noise []byte
}

// maxNoise bounds what may precede Magic.
const maxNoise = 64 << 10

// NewStream writes Magic to w; Open reads the peer's.
func NewStream(r io.Reader, w io.Writer) (*Stream, error) {
	s := &Stream{r: bufio.NewReaderSize(r, 64<<10), w: w}
	if _, err := io.WriteString(w, Magic); err != nil {
		return nil, err
	}
	return s, nil
}

// Open reads up to and including the peer's Magic and keeps what preceded it in Noise.
func (s *Stream) Open() error {
	matched := 0
	for matched < len(Magic) {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		s.Noise = append(s.Noise, c)
		// Magic's first byte occurs in it once, so a mismatch restarts at 0 or 1.
		switch c {
		case Magic[matched]:
			matched++
		case Magic[0]:
			matched = 1
		default:
			matched = 0
		}
		if len(s.Noise) > maxNoise {
			return fmt.Errorf("%w: no gridrun at the other end, %d bytes of other output", ErrControl, len(s.Noise))
		}
	}
	s.Noise = s.Noise[:len(s.Noise)-len(Magic)]
	return nil
}

// maxBatch is how many bytes of messages are gathered for one write.
const maxBatch = 64 << 10

// Send writes messages, small ones together: a write wakes the peer. Safe for
// concurrent use.
func (s *Stream) Send(messages ...Message) error {
	s.wm.Lock()
	defer s.wm.Unlock()
	var buf []byte
	for i, m := range messages {
		b, err := Marshal(m)
		if err != nil {
			return err
		}
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(b)))
		buf = append(buf, b...)
		if len(buf) < maxBatch && i < len(messages)-1 {
			continue
		}
		if _, err := s.w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	return nil
}

// Receive reads the next message. At the end of the stream it returns io.EOF,
// in the middle of a message io.ErrUnexpectedEOF.
func (s *Stream) Receive() (Message, error) {
	var n [4]byte
	if _, err := io.ReadFull(s.r, n[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(n[:])
	if size == 0 || size > MaxControl {
		return nil, fmt.Errorf("%w: length %d", ErrControl, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(s.r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return Unmarshal(b)
}

// Rest is what follows the messages received so far, as bytes, for who passes
// the stream on.
func (s *Stream) Rest() io.Reader { return s.r }

package relay

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// A Kind of frame: one byte, before the length (4 bytes, little-endian) and as
// many bytes.
type Kind byte

// Frames go to the relay (Data, End) and come from it (Data, Said, Exit).
const (
	Data Kind = 1 + iota // standard input or output
	Said                 // standard error
	End                  // of standard input; a stream that ends without it wants the process killed
	Exit                 // it has ended; the text says how when not well
)

// MaxFrame bounds what a frame carries.
const MaxFrame = 64 << 10

// A Pipe carries what a process on another host reads and writes, over a stream.
type Pipe struct {
	r io.Reader

	mu sync.Mutex // guards writing
	w  io.Writer

	left int // of the frame that is being read
	kind Kind
}

// NewPipe makes one of a stream.
func NewPipe(rw io.ReadWriter) *Pipe { return &Pipe{r: rw, w: rw} }

// Send writes a frame, or as many as b needs.
func (p *Pipe) Send(kind Kind, b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for first := true; first || len(b) > 0; first = false {
		n := min(len(b), MaxFrame)
		frame := binary.LittleEndian.AppendUint32([]byte{byte(kind)}, uint32(n))
		if _, err := p.w.Write(append(frame, b[:n]...)); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Receive reads the next part of a frame into b, which is not empty.
func (p *Pipe) Receive(b []byte) (kind Kind, n int, err error) {
	if p.left == 0 {
		var head [5]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return 0, 0, err
		}
		size := binary.LittleEndian.Uint32(head[1:])
		if size > MaxFrame || head[0] < byte(Data) || head[0] > byte(Exit) {
			return 0, 0, fmt.Errorf("%w: a frame of kind %d and %d bytes", ErrProtocol, head[0], size)
		}
		p.kind, p.left = Kind(head[0]), int(size)
		if p.left == 0 {
			return p.kind, 0, nil
		}
	}
	n, err = p.r.Read(b[:min(len(b), p.left)])
	if p.left -= n; n > 0 {
		return p.kind, n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return p.kind, 0, err
}

// An Output writes frames of one kind.
type Output struct {
	Pipe *Pipe
	Kind Kind
}

func (o Output) Write(b []byte) (int, error) {
	if err := o.Pipe.Send(o.Kind, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Inside says that more of the last frame is to come.
func (p *Pipe) Inside() bool { return p.left > 0 }

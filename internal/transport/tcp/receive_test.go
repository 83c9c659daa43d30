package tcp

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
	"gridrun/internal/wire"
)

// stream encodes frames as a link does.
func encoded(frames ...*transport.Frame) []byte {
	var o output
	for _, f := range frames {
		o.backlog.push(f)
	}
	var b []byte
	for !o.empty() {
		o.fill()
		n := 0
		for _, p := range o.iov {
			b = append(b, p...)
			n += len(p)
		}
		o.wrote(n)
	}
	return b
}

func TestReceiveErrors(t *testing.T) {
	good := encoded(eager(0, pattern(0, 100)))
	badKind := bytes.Clone(good)
	badKind[0] = 77
	badRank := bytes.Clone(good)
	badRank[11] = 0x80
	almostFarewell := encoded(newFarewell())
	almostFarewell[70] = 1
	tests := []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"nothing", nil, ErrBroken},
		{"farewell", encoded(newFarewell()), transport.ErrLeft},
		{"frame and farewell", append(bytes.Clone(good), encoded(newFarewell())...), transport.ErrLeft},
		{"no farewell", good, ErrBroken},
		{"half a header", good[:30], io.ErrUnexpectedEOF},
		{"half a body", good[:100], io.ErrUnexpectedEOF},
		{"no body", good[:wire.HeaderSize], io.ErrUnexpectedEOF},
		{"half a piece", encoded(data(1, pattern(0, 100000)))[:50000], io.ErrUnexpectedEOF},
		{"kind", badKind, wire.ErrFrame},
		{"rank", badRank, wire.ErrFrame},
		{"almost a farewell", almostFarewell, wire.ErrFrame},
		{"bytes after", append(encoded(newFarewell()), good...), transport.ErrLeft},
	}
	for _, tt := range tests {
		for name, src := range map[string]io.Reader{
			"whole":         bytes.NewReader(tt.bytes),
			"byte by byte":  iotest.OneByteReader(bytes.NewReader(tt.bytes)),
			"data with EOF": iotest.DataErrReader(bytes.NewReader(tt.bytes)),
		} {
			if err := receive(src, 1, transporttest.NewRecorder(t)); !errors.Is(err, tt.want) {
				t.Errorf("%s, read %s: %v, want %v", tt.name, name, err, tt.want)
			}
		}
	}
}

func TestReceiveDropsPiecesWithoutPlace(t *testing.T) {
	r := transporttest.NewRecorder(t)
	r.Drop = true
	b := encoded(data(1, pattern(1, 3*pieceSize+1)), eager(0, nil), data(2, pattern(2, 10)), eager(1, pattern(3, 7)), newFarewell())
	if err := receive(iotest.HalfReader(bytes.NewReader(b)), 1, r); !errors.Is(err, transport.ErrLeft) {
		t.Fatal(err)
	}
	inOrder(t, r, 1, 2)
}

// A batch written in arbitrary parts is the same stream, and gives each frame
// back when its last byte is out.
func TestOutputInParts(t *testing.T) {
	sizes := []int{0, 1, 5, 8, 300, 70000, pieceSize*2 + 3, 0, 2}
	frames := func() []*transport.Frame {
		var fs []*transport.Frame
		for i := range 30 {
			b := pattern(i, sizes[i%len(sizes)])
			if i%2 == 0 {
				fs = append(fs, data(i, b))
			} else {
				fs = append(fs, eager(i, b))
			}
		}
		return fs
	}
	want := encoded(frames()...)
	for _, step := range []int{1000, 71, 73, 4096, 99991} {
		var o output
		var got []byte
		back := 0
		fs := frames()
		for _, f := range fs {
			o.backlog.push(f)
		}
		for !o.empty() {
			o.fill()
			n := 0
			for _, p := range o.iov {
				k := min(len(p), step-n)
				got = append(got, p[:k]...)
				n += k
			}
			for _, e := range o.wrote(n) {
				if e.f != fs[back] {
					t.Fatalf("step %d: frame %d came back out of order", step, back)
				}
				back++
			}
		}
		if back != len(fs) || !bytes.Equal(got, want) {
			t.Errorf("step %d: %d of %d frames came back, stream equal: %t", step, back, len(fs), bytes.Equal(got, want))
		}
	}
}

// limitSink places pieces of sane messages only, as an engine does.
type limitSink struct {
	t      *testing.T
	placed bool
}

func (s *limitSink) Arrived(_ int, h *wire.Header, body []byte) {
	if int(h.Body) != len(body) || h.Kind == wire.Data || h.Kind == farewell {
		s.t.Errorf("%+v with %d bytes", *h, len(body))
	}
}
func (s *limitSink) Place(_ int, h *wire.Header) []byte {
	if s.placed = h.Tag >= 0; !s.placed {
		return nil
	}
	return make([]byte, h.Body)
}
func (s *limitSink) Placed(int, *wire.Header) {
	if !s.placed {
		s.t.Error("Placed without a place")
	}
	s.placed = false
}
func (s *limitSink) Sent(*transport.Frame, error) {}
func (s *limitSink) Down(int, error)              {}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{})
	f.Add(encoded(eager(0, pattern(0, 100)), data(1, pattern(1, 300)), newFarewell()))
	f.Add(encoded(eager(0, nil))[:40])
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := receive(iotest.HalfReader(bytes.NewReader(b)), 1, &limitSink{t: t}); err == nil {
			t.Error("the stream ended without an error")
		}
	})
}

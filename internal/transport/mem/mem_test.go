package mem

import (
	"bytes"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// sink answers every RTS by posting, on the deliverer's stack, as the engine does.
type sink struct {
	t      *testing.T
	link   transport.Link
	kinds  []wire.Kind
	bodies [][]byte
	buf    []byte
	pieces int
	sent   int
}

func (s *sink) Arrived(from int, h *wire.Header, body []byte) {
	if from != 4 || int(h.Body) != len(body) {
		s.t.Errorf("%+v from %d with %d bytes", h, from, len(body))
	}
	s.kinds = append(s.kinds, h.Kind)
	s.bodies = append(s.bodies, bytes.Clone(body))
	if h.Kind == wire.RTS {
		s.link.Post(&transport.Frame{Header: wire.Header{Kind: wire.CTS}})
	}
}

func (s *sink) Place(from int, h *wire.Header) []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf[h.Off : h.Off+uint64(h.Body)]
}
func (s *sink) Placed(from int, h *wire.Header)    { s.pieces++ }
func (s *sink) Sent(f *transport.Frame, err error) { s.sent++ }
func (s *sink) Down(p int, err error)              { s.t.Errorf("Down: %v", err) }
func loopTo(t *testing.T) (s *sink, l transport.Link) {
	s = &sink{t: t}
	s.link = Loop(4, s)
	return s, s.link
}

func TestPostDeliversOnTheSpot(t *testing.T) {
	s, l := loopTo(t)
	l.Post(&transport.Frame{Header: wire.Header{Kind: wire.RTS}})
	l.Post(&transport.Frame{Header: wire.Header{Kind: wire.Eager, Body: 99}, Body: []byte("abc")})
	want := []wire.Kind{wire.RTS, wire.CTS, wire.Eager}
	if len(s.kinds) != 3 || s.kinds[0] != want[0] || s.kinds[1] != want[1] || s.kinds[2] != want[2] || s.sent != 3 {
		t.Fatalf("%v, %d sent", s.kinds, s.sent)
	}
	if string(s.bodies[2]) != "abc" {
		t.Fatalf("%q", s.bodies[2])
	}
}

func TestDataInPieces(t *testing.T) {
	for _, n := range []int{0, 1, wire.MaxBody, wire.MaxBody + 1, 3*wire.MaxBody + 7} {
		s, l := loopTo(t)
		s.buf = make([]byte, n+5)
		body := bytes.Repeat([]byte{7, 1, 3}, n/3+1)[:n]
		l.Post(&transport.Frame{Header: wire.Header{Kind: wire.Data, Off: 5}, Body: body})
		if !bytes.Equal(s.buf[5:], body) || s.pieces != max(1, (n+wire.MaxBody-1)/wire.MaxBody) || s.sent != 1 {
			t.Fatalf("%d bytes: %d pieces, %d sent", n, s.pieces, s.sent)
		}
	}
	s, l := loopTo(t)
	l.Post(&transport.Frame{Header: wire.Header{Kind: wire.Data}, Body: make([]byte, 10)})
	if s.pieces != 0 || s.sent != 1 {
		t.Fatal("a piece that was dropped is placed")
	}
}

package engine

import (
	"context"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// void takes what is posted to another process and gives it back as sent.
type void struct{ sink transport.Sink }

func (v void) Post(f *transport.Frame)   { v.sink.Sent(f, nil) }
func (v void) Link(p int) transport.Link { return v }
func (v void) Kill(p int, err error)     { v.sink.Down(p, err) }
func (v void) Close() error              { return nil }
func (v void) String() string            { return "void" }
func topology(procs ...int) *wire.Topology {
	t := &wire.Topology{RankProc: procs, RankApp: make([]int, len(procs)), Hosts: []string{"h"}}
	for _, p := range procs {
		for len(t.ProcHost) <= p {
			t.ProcHost = append(t.ProcHost, 0)
		}
	}
	return t
}

// Whatever frames an authenticated peer sends, in whatever order, the engine
// neither panics nor writes outside a receive's buffer.
func FuzzArrived(f *testing.F) {
	header := func(h wire.Header) []byte {
		var b [wire.HeaderSize]byte
		h.Encode(b[:])
		return b[:]
	}
	f.Add(append(header(wire.Header{Kind: wire.Eager, Src: 1, Group: WorldID, Tag: 3, Body: 4, Len: 4}), 1, 2, 3, 4))
	f.Add(append(header(wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Tag: 3, Len: 16, Send: 9}),
		header(wire.Header{Kind: wire.Data, Src: 1, Recv: 1, Len: 16, Off: 8, Body: 8})...))
	f.Add(append(header(wire.Header{Kind: wire.Eager, Src: 1, Group: WorldID, Tag: 3, Seq: 1, Recv: 1, Body: 4, Len: 4}), 1, 2, 3, 4))
	f.Add(header(wire.Header{Kind: wire.Revoke, Src: 2, Group: WorldID, Flags: 3}))
	f.Add(header(wire.Header{Kind: wire.CTS, Src: 1, Send: 1, Recv: 77}))
	f.Fuzz(func(t *testing.T, script []byte) {
		p := NewProc(Config{Topology: topology(0, 1, 2), Ranks: []int{0}})
		p.Use(void{p}, []int{1, 2})
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c := p.Rank(0).World()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		guarded := make([]byte, 48)
		for i := range guarded {
			guarded[i] = 0xA5
		}
		buf := guarded[16:32]
		r, err := c.Recv(context.Background(), OpRecv, AnyRank, AnyTag, Payload{Bytes: buf, Size: 1}, false)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Send(context.Background(), OpSSend, 1, 3, Payload{Bytes: buf, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		for len(script) >= wire.HeaderSize {
			var h wire.Header
			if err := h.Decode(script); err != nil {
				return
			}
			script = script[wire.HeaderSize:]
			body := script[:min(int(h.Body), len(script))]
			script = script[len(body):]
			h.Body = uint32(len(body))
			from := int(h.Src)%2 + 1
			if h.Kind == wire.Data || h.Kind == wire.Eager && h.Seq&1 != 0 && len(body) > 0 {
				if dst := p.Place(from, &h); dst != nil {
					copy(dst, body)
					p.Placed(from, &h)
				}
				continue
			}
			p.Arrived(from, &h, body)
		}
		for i, b := range guarded {
			if (i < 16 || i >= 32) && b != 0xA5 {
				t.Fatalf("byte %d outside the buffer was written", i-16)
			}
		}
		p.Gone([]int{1, 2}, false, nil)
		// Nobody is left: both must end by themselves.
		r.Wait(ctx)
		s.Wait(ctx)
		if !r.ready() || !s.ready() {
			t.Fatal("a transfer with ranks that are gone goes on")
		}
	})
}

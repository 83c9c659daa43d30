package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// farVoid is a network that delivers long eager messages by Place.
type farVoid struct {
	void
	posted *[]wire.Header
}

func (farVoid) EagerMax() int               { return 64 << 10 }
func (v farVoid) Link(p int) transport.Link { return v }
func (v farVoid) Post(f *transport.Frame) {
	*v.posted = append(*v.posted, f.Header)
	v.sink.Sent(f, nil)
}

type lone struct {
	*Proc
	t      *testing.T
	c      *Comm
	posted []wire.Header
}

// newLone is rank 0 of three, who are played by the test.
func newLone(t *testing.T) *lone {
	l := &lone{Proc: NewProc(Config{Topology: topology(0, 1, 2), Ranks: []int{0}}), t: t}
	l.Use(farVoid{void{l.Proc}, &l.posted}, []int{1, 2})
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.c = l.Rank(0).World()
	return l
}

func (l *lone) recv(src int, tag Tag, buf []byte) *Request {
	l.t.Helper()
	r, err := l.c.Recv(context.Background(), OpRecv, src, tag, Payload{Bytes: buf, Size: 1}, false)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func long(src, tag, n int) *wire.Header {
	return &wire.Header{Kind: wire.Eager, Src: int32(src), Group: WorldID, Tag: int32(tag), Body: uint32(n), Len: uint64(n)}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}

const longBody = 40000

// A receive that waits gets the body straight into its buffer.
func TestLongEagerGoesToItsBuffer(t *testing.T) {
	l := newLone(t)
	buf := make([]byte, longBody+100)
	r := l.recv(1, 3, buf)
	h := long(1, 3, longBody)
	dst := l.Place(1, h)
	if len(dst) != longBody || &dst[0] != &buf[0] {
		t.Fatalf("%d bytes of room, not those of the receive", len(dst))
	}
	if r.ready() {
		t.Fatal("the receive is over before its data has come")
	}
	copy(dst, noise(longBody))
	l.Placed(1, h)
	st, err := r.Wait(context.Background())
	if err != nil || st != (Status{Source: 1, Tag: 3, Count: longBody}) || !bytes.Equal(buf[:longBody], noise(longBody)) {
		t.Fatal(st, err)
	}
}

// A body that nobody waits for when it begins to come is matched when it is there,
// by a receive posted meanwhile or later, and in the order of sending.
func TestLongEagerUnexpected(t *testing.T) {
	for _, when := range []string{"meanwhile", "later"} {
		l := newLone(t)
		buf := make([]byte, longBody)
		var r *Request
		h := long(1, 3, longBody)
		dst := l.Place(1, h)
		if when == "meanwhile" {
			r = l.recv(AnyRank, AnyTag, buf)
		}
		if _, found, err := l.c.Probe(context.Background(), 1, 3, false); found || err != nil {
			t.Errorf("%s: half a message is found: %v", when, err)
		}
		copy(dst, noise(longBody))
		l.Placed(1, h)
		second := long(1, 3, longBody)
		if when == "later" { // two in the queue, the first is the first
			copy(l.Place(1, second), make([]byte, longBody))
			l.Placed(1, second)
			r = l.recv(1, 3, buf)
		}
		if _, err := r.Wait(context.Background()); err != nil || !bytes.Equal(buf, noise(longBody)) {
			t.Errorf("%s: %v, or other bytes", when, err)
		}
	}
}

// What cannot be received is dropped, and its credit comes back.
func TestLongEagerRefused(t *testing.T) {
	l := newLone(t)
	short := l.recv(1, 3, make([]byte, 10))
	if l.Place(1, long(1, 3, longBody)) != nil {
		t.Error("a message longer than its receive has a place")
	}
	if _, err := short.Wait(context.Background()); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if l.Place(1, &wire.Header{Kind: wire.Eager, Src: 2, Group: WorldID, Body: longBody, Len: longBody}) != nil {
		t.Error("a message in another's name has a place")
	}
	l.c.Revoke(errors.New("no more"))
	for range 4 {
		if l.Place(1, long(1, 3, longBody)) != nil {
			t.Error("a message of a revoked group has a place")
		}
	}
	var back uint32
	for _, h := range l.posted {
		if h.Dst == 1 {
			back += h.Credit
		}
	}
	back += l.Rank(0).peer(1).owed
	if want := uint32(6 * (longBody + envelope)); back != want { // the first one's twice: see widen
		t.Errorf("%d bytes of credit came back, want %d", back, want)
	}
}

// A sender that dies in the middle of a body ends the receive, and leaves nothing.
func TestLongEagerCutShort(t *testing.T) {
	l := newLone(t)
	r := l.recv(1, 3, make([]byte, longBody))
	h := long(1, 3, longBody)
	l.Place(1, h)
	unexpected := long(2, 3, longBody)
	l.Place(2, unexpected)
	l.Down(1, errors.New("cable cut"))
	l.Down(2, errors.New("cable cut"))
	if _, err := r.Wait(context.Background()); !errors.Is(err, ErrPeerLost) {
		t.Error(err)
	}
	l.Placed(1, h) // must do nothing; no network does this
	l.Placed(2, unexpected)
	if n := len(l.Rank(0).Unmatched(9)); n != 0 || l.arriving[1] != nil || l.arriving[2] != nil {
		t.Errorf("%d messages, or halves of messages, stay", n)
	}
}

// A message that is announced for want of credit has its window widened with the answer:
// always when its receive is there first, else until there is room for two like it.
func TestAnnouncedWidensWindow(t *testing.T) {
	const cost = longBody + envelope
	for _, c := range []struct {
		name   string
		length int
		first  bool // the receive
		from   int  // the window at first
		want   []uint32
	}{
		{"the receive waits", longBody, true, 1000, []uint32{cost, cost, cost, cost}},
		{"the receive comes later", longBody, false, 1000, []uint32{cost, cost, 0, 0}},
		{"it has room for two", longBody, false, 2 * cost, []uint32{0, 0}},
		{"one byte less", longBody, false, 2*cost - 1, []uint32{cost, 0}},
		{"too long to come at once", 64<<10 + 1, true, 1000, []uint32{0, 0}},
	} {
		l := newLone(t)
		pe := l.Rank(0).peer(1)
		pe.granted = c.from
		for i, want := range c.want {
			l.posted = nil
			h := &wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Tag: 3, Len: uint64(c.length), Send: uint64(i + 1)}
			buf := make([]byte, c.length)
			if c.first {
				l.recv(1, 3, buf)
				l.Arrived(1, h, nil)
			} else {
				l.Arrived(1, h, nil)
				l.recv(1, 3, buf)
			}
			if len(l.posted) != 1 || l.posted[0].Kind != wire.CTS || l.posted[0].Credit != want || pe.owed != 0 {
				t.Errorf("%s, message %d: %+v, want one CTS with %d bytes of credit; %d more are owed", c.name, i, l.posted, want, pe.owed)
			}
		}
	}
}

// A window grows while receives wait for what comes, and not beyond its bounds.
func TestWindowGrows(t *testing.T) {
	pe, extra, sent := newPeer(reach{64 << 10, farWindow, mostWindow, mostExtra}), 0, 0
	sender := newPeer(pe.reach)
	for range 10000 {
		if !sender.affords(longBody) {
			t.Fatalf("no credit after %d messages that were received at once", sent)
		}
		sent++
		pe.widen(longBody, &extra)
		sender.repaid(pe.due(longBody))
	}
	if pe.granted != mostWindow || extra != mostWindow-farWindow {
		t.Errorf("granted %d, extra %d", pe.granted, extra)
	}
	if sender.credit < mostWindow/2 || sender.credit > mostWindow {
		t.Errorf("the sender has %d, the window is %d", sender.credit, mostWindow)
	}
	// Others get what is left of what all may have.
	for range mostExtra / mostWindow {
		pe := newPeer(pe.reach)
		for range 1000 {
			pe.widen(longBody, &extra)
		}
	}
	if extra != mostExtra {
		t.Errorf("%d bytes are granted beyond the first windows, want %d", extra, mostExtra)
	}
}

package shm

import (
	"bytes"
	"sync"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// shownPair is the two ends of a pair whose first has sent a frame to the second.
func shownPair(t *testing.T) (sender, receiver *peer, b *Net) {
	t.Helper()
	s := segments(t, 2)
	a, b := open(t, s[0], 0), open(t, s[1], 1)
	a.Link(1).Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit, Src: 0, Dst: 1}})
	for b.Poll() == 0 {
	}
	return a.Link(1).(*peer), b.Link(0).(*peer), b
}

// A receive is taken by the message that it is for, once, and only if nothing was
// sent before that may be for it.
func TestShown(t *testing.T) {
	from, to, b := shownPair(t)
	dst := make([]byte, 100_000)
	shown := transport.Shown{ID: 1, Group: 9, Src: 0, Dst: 1, Tag: 3, Elem: 7, Addr: address(dst), Len: uint64(len(dst))}
	fits := wire.Header{Group: 9, Src: 0, Dst: 1, Tag: 3, Elem: 7, Len: 90_000}
	if _, ok := from.Take(fits); ok || from.Shows(fits) {
		t.Fatal("taken before it was shown")
	}
	if !to.Show(shown) {
		t.Fatal("cannot be shown")
	}
	for name, change := range map[string]func(h *wire.Header){
		"group":         func(h *wire.Header) { h.Group++ },
		"source":        func(h *wire.Header) { h.Src++ },
		"destination":   func(h *wire.Header) { h.Dst++ },
		"tag":           func(h *wire.Header) { h.Tag++ },
		"element":       func(h *wire.Header) { h.Elem++ },
		"longer by one": func(h *wire.Header) { h.Len = uint64(len(dst)) + 1 },
	} {
		h := fits
		change(&h)
		if _, ok := from.Take(h); ok {
			t.Errorf("another %s: taken", name)
		}
	}
	from.Post(&transport.Frame{Header: wire.Header{Kind: wire.Eager, Src: 0, Dst: 1, Group: 9, Tag: 3}})
	if _, ok := from.Take(fits); ok {
		t.Error("taken, though a message is on its way that may be for it")
	}
	if !to.Hide(1) || to.Hide(1) {
		t.Error("hidden not once")
	}
	for b.Poll() == 0 {
	}
	shown.ID = 2
	if !to.Show(shown) {
		t.Fatal("cannot be shown again")
	}
	from.Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit, Src: 0, Dst: 1}})
	if !from.Shows(fits) {
		t.Error("not seen")
	}
	o, ok := from.Take(fits)
	if !ok || o != shown {
		t.Fatalf("%+v, %t: a frame that is no message stands in its way", o, ok)
	}
	if _, ok := from.Take(fits); ok {
		t.Error("taken twice")
	}
	if to.Hide(2) {
		t.Error("hidden after it was taken")
	}
	src := bytes.Repeat([]byte{1, 2, 3}, 30_000)
	if !from.Put(src, o.Addr) || !bytes.Equal(dst[:len(src)], src) || dst[len(src)] != 0 {
		t.Error("not what was put")
	}
	if from.Put(src, 8) {
		t.Error("address 8 can be written")
	}
	if !from.Put(nil, 0) {
		t.Error("nothing cannot be put")
	}
	to.Forget(2)
	for id := uint64(3); id < 3+shownMost; id++ {
		shown.ID = id
		if !to.Show(shown) {
			t.Errorf("receive %d cannot be shown", id)
		}
	}
	if shown.ID++; to.Show(shown) {
		t.Error("more receives are shown than there is room for")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if from.Put(src, address(dst)) {
		t.Error("a process that has left can be written")
	}
}

// Between who hides a receive and who takes it, exactly one wins.
func TestShownOnce(t *testing.T) {
	from, to, _ := shownPair(t)
	h := wire.Header{Src: 0, Dst: 1, Len: 8}
	for id := uint64(1); id <= 20_000; id++ {
		if !to.Show(transport.Shown{ID: id, Src: 0, Dst: 1, Len: 8, Addr: id}) {
			t.Fatalf("receive %d cannot be shown", id)
		}
		var hidden, taken bool
		var o transport.Shown
		var both sync.WaitGroup
		both.Go(func() { hidden = to.Hide(id) })
		both.Go(func() { o, taken = from.Take(h) })
		both.Wait()
		if hidden == taken || taken && (o.ID != id || o.Addr != id) {
			t.Fatalf("receive %d: hidden %t, taken %t: %+v", id, hidden, taken, o)
		}
		if taken {
			to.Forget(id)
		}
	}
}

package engine

import (
	"bytes"
	"context"
	"testing"
	"time"
	"unsafe"

	"gridrun/internal/wire"
)

// Whoever waits for a process says so to its peers, for as long as it does; and a
// receive from a process where nobody waits takes the data itself: the sender's
// engine is never asked.
func TestUnattendedSender(t *testing.T) {
	c := sharedPair(t)
	ctx := t.Context()
	link := c[0].rank.proc.pulls[1]
	if link.Attended() {
		t.Error("process 1 is attended before anybody has waited there")
	}
	x := bytes.Repeat([]byte{1, 2, 3}, 100_000)
	s, err := c[1].ISend(ctx, OpISend, 0, 0, Payload{Bytes: x, Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	p1 := c[1].rank.proc
	pulls := link.Pull(make([]byte, 8), uint64(uintptr(unsafe.Pointer(&x[0])))) // where the system allows it
	if pulls {
		p1.token.Lock() // its background poller cannot answer
	}
	in := make([]byte, len(x))
	r, err := c[0].Recv(ctx, OpRecv, 1, 0, Payload{Bytes: in, Elem: 7, Size: 1}, false)
	if err == nil {
		_, err = r.Finish(ctx)
	}
	if err != nil || !bytes.Equal(in, x) {
		t.Fatalf("%v, or other data", err)
	}
	if pulls {
		if _, done, _ := s.Test(); done {
			t.Error("the send is over, and nobody has looked there")
		}
		p1.token.Unlock()
	}
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	early, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		if r, err := c[1].Recv(early, OpRecv, 0, 5, Payload{Bytes: make([]byte, 1), Elem: 7, Size: 1}, false); err == nil {
			_, _ = r.Finish(early)
		}
	}()
	for !link.Attended() {
		select {
		case <-early.Done():
			t.Fatal("a receive waits in process 1, and it is not attended")
		default:
		}
	}
	if !c[0].SendShort(OpSend, 1, 5, 7, make([]byte, 1)) {
		t.Error("a short message takes the long way")
	}
	<-over
	for link.Attended() {
		select {
		case <-early.Done():
			t.Fatal("nobody waits in process 1, and it is attended still")
		default:
		}
	}
}

// What stands in the way of a short message is left to the long way, and nothing has
// happened.
func TestShortRefuses(t *testing.T) {
	c := sharedPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	x := Payload{Bytes: make([]byte, 8), Elem: 7, Size: 1}
	if c[0].SendShort(OpSend, 1, 0, x.Elem, x.Bytes) {
		t.Error("the first message to a process, which has no ring yet, goes the short way")
	}
	s, err := c[0].ISend(ctx, OpISend, 1, 0, x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	pe := c[0].rank.peer(1)
	before := pe.credit
	long := Payload{Bytes: make([]byte, eagerMax+1), Elem: 7, Size: 1}
	for name, sent := range map[string]bool{
		"negative rank": c[0].SendShort(OpSend, -1, 0, x.Elem, x.Bytes),
		"rank 2 of 2":   c[0].SendShort(OpSend, 2, 0, x.Elem, x.Bytes),
		"negative tag":  c[0].SendShort(OpSend, 1, -1, x.Elem, x.Bytes),
		"long":          c[0].SendShort(OpSend, 1, 0, long.Elem, long.Bytes),
	} {
		if sent {
			t.Errorf("%s: sent", name)
		}
	}
	n := 0
	for c[0].SendShort(OpSend, 1, 0, x.Elem, x.Bytes) {
		n++
	}
	if want := before / (8 + envelope); n != want {
		t.Errorf("%d messages went with credit for %d", n, want)
	}
	cancel()
	if c[0].SendShort(OpSend, 1, 0, x.Elem, x.Bytes) {
		t.Error("sent though ctx has ended")
	}
	for range n + 1 {
		r, err := c[1].Recv(t.Context(), OpRecv, 0, 0, Payload{Bytes: make([]byte, 8), Elem: 7, Size: 1}, false)
		if err == nil {
			_, err = r.Finish(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c[0].Revoke(ErrAborted)
	if c[0].SendShort(OpSend, 1, 0, x.Elem, x.Bytes) {
		t.Error("sent in a revoked group")
	}
}

// In shared memory a window grows as well, up to a bound of its own.
func TestNearWindowGrows(t *testing.T) {
	rk := &Rank{}
	for range 5 {
		pe, sender := newPeer(near), newPeer(near)
		for range 1000 {
			if !sender.affords(eagerMax) {
				t.Fatal("no credit though all was received at once")
			}
			pe.widen(eagerMax, &rk.extra)
			sender.repaid(pe.due(eagerMax))
		}
		if pe.granted > mostNear || sender.credit > mostNear {
			t.Errorf("granted %d, the sender has %d", pe.granted, sender.credit)
		}
	}
	if rk.extra != mostNearExtra {
		t.Errorf("%d bytes beyond the first windows, want %d", rk.extra, mostNearExtra)
	}
}

// Several ranks of a process, and frames that are not theirs, in one batch.
func TestArrivedAll(t *testing.T) {
	p := NewProc(Config{Job: "test", Proc: 0, Ranks: []int{0, 1}, Topology: &wire.Topology{
		RankProc: []int{0, 0, 1, 2}, RankApp: make([]int, 4), ProcHost: []int{0, 0, 0}, Hosts: []string{"h"}}})
	ctx := t.Context()
	var in [2][][]byte
	var reqs []*Handle
	for r := range in {
		c := p.Rank(r).World()
		for tag := range 10 {
			x := make([]byte, 8)
			h, err := c.IRecv(ctx, OpIRecv, 2, Tag(tag), Payload{Bytes: x, Elem: 7, Size: 1})
			if err != nil {
				t.Fatal(err)
			}
			in[r], reqs = append(in[r], x), append(reqs, h)
		}
	}
	var hs []wire.Header
	var bodies [][]byte
	add := func(src, dst, tag int) {
		hs = append(hs, wire.Header{Kind: wire.Eager, Src: int32(src), Dst: int32(dst), Tag: int32(tag), Group: WorldID, Elem: 7, Len: 8, Body: 8})
		bodies = append(bodies, []byte{byte(tag + 1), byte(dst), 0, 0, 0, 0, 0, 0})
	}
	for tag := range 10 {
		for r := range in {
			add(2, r, tag)
		}
		add(3, 0, tag)  // of another process than it says
		add(2, 77, tag) // to nobody
		add(2, 1, 100)  // that nobody waits for yet
	}
	p.ArrivedAll(1, hs, bodies)
	for i, h := range reqs {
		st, done, err := h.Test()
		if !done || err != nil || st.Source != 2 || st.Count != 8 || int(st.Tag) != i%10 {
			t.Errorf("receive %d: %+v, %t, %v", i, st, done, err)
		}
	}
	for r := range in {
		for tag, x := range in[r] {
			if x[0] != byte(tag+1) || x[1] != byte(r) {
				t.Errorf("rank %d, tag %d: %v", r, tag, x)
			}
		}
	}
	if n := len(p.Rank(1).Unmatched(99)); n != 10 {
		t.Errorf("%d messages are kept, want 10", n)
	}
	if n := len(p.Rank(0).Unmatched(99)); n != 0 {
		t.Errorf("%d messages of others are kept", n)
	}
	if owed := p.Rank(1).peer(2).owed; owed != 10*(8+envelope) {
		t.Errorf("%d bytes are owed, want those of 10 messages", owed)
	}
}

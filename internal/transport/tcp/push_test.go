package tcp

import (
	"bytes"
	"errors"
	"testing"
)

// Frames pushed and posted arrive in order, each once, whatever the kernel takes at a
// time: the receiver stands still until a push has met a full socket.
func TestPush(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	open := make(chan struct{})
	first := true
	recs[1].Hook = hookOnce(&first, open)
	m := newMesh(t, sinks, nil)
	l := m.nets[0].Link(1).(*link)
	push := func(n int, body []byte) bool {
		h := eager(n, body).Header
		return l.Push(uint64(h.Op)|uint64(h.Flags)<<8, uint64(uint32(h.Src))|uint64(uint32(h.Dst))<<32, h.Group,
			uint64(uint32(h.Tag))|uint64(h.Elem)<<32, uint64(h.Credit)|uint64(h.Seq)<<32, body)
	}
	if push(0, pattern(0, 8)) {
		t.Error("a frame was pushed before there was a connection")
	}
	var want [][]byte
	post := func(b []byte) {
		l.Post(eager(len(want), b))
		want = append(want, b)
	}
	post(pattern(0, 1))
	polled := false
	eventually(t, "the first frame to be written", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state != up || !l.free() || l.queue.head != nil || !l.conn.out.empty() {
			return false
		}
		polled = l.conn.polled
		return true
	})
	if !polled { // no epoll here: nothing is ever pushed
		close(open)
		if push(2, nil) {
			t.Error("a frame was pushed on a stream")
		}
		return
	}
	pushed := 0
	for refused := 0; refused < 3; {
		n := len(want)
		b := pattern(n, n%(smallBody+1))
		if push(n, b) {
			pushed++
			want = append(want, b)
		} else {
			refused++
			post(b)
		}
	}
	if pushed == 0 {
		t.Error("nothing was ever pushed")
	}
	if push(0, make([]byte, smallBody+1)) {
		t.Error("a long frame was pushed")
	}
	close(open)
	recs[1].UntilArrived(len(want))
	inOrder(t, recs[1], 0, len(want))
	for i, e := range recs[1].Events(0) {
		if !bytes.Equal(e.Bytes, want[i]) {
			t.Fatalf("frame %d of %d bytes arrived changed", i, len(want[i]))
		}
	}
}

// What is pushed as the peer ends is refused or lost, never kept; Down follows.
func TestPushToWhoEnds(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, nil)
	l := m.nets[0].Link(1).(*link)
	l.Post(eager(0, nil))
	recs[1].UntilArrived(1)
	m.nets[0].Kill(1, errors.New("killed by the test"))
	recs[0].Until("the end", func() bool { return len(recs[0].Downs(1)) > 0 })
	if l.Push(0, 1<<32, 0, 0, 0, nil) {
		t.Error("a frame was pushed to a peer that has ended")
	}
}

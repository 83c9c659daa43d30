package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"gridrun/internal/transport"
)

// asleep returns a pair of ranks, the second of which has nobody who could serve a
// message until attend is called.
func asleep(t *testing.T) (c [2]*Comm, attend func()) {
	t.Helper()
	c = sharedPair(t)
	exchange(t, c, 8)
	p1 := c[1].rank.proc
	p1.token.Lock()
	var once sync.Once
	attend = func() { once.Do(func() { p1.token.Unlock(); p1.poller.Wake() }) }
	t.Cleanup(attend)
	return c, attend
}

// exchange has one message go from rank 0 to 1, so that there is a way.
func exchange(t *testing.T, c [2]*Comm, n int) {
	t.Helper()
	r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 99, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c[0].ISend(t.Context(), OpISend, 1, 99, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := WaitAll(t.Context(), r, s); err != nil {
		t.Fatal(err)
	}
}

// canPut tells whether the system lets processes write to each other.
func canPut(c [2]*Comm) bool {
	x := make([]byte, 1)
	return c[0].rank.peer(1).put.Put([]byte{1}, uint64(uintptr(unsafe.Pointer(&x[0])))) && x[0] == 1
}

// A receive whose process computes is completed by its sender alone.
func TestPut(t *testing.T) {
	for _, n := range []int{eagerMax + 1, 64 << 10, 1<<20 + 3} {
		c, attend := asleep(t)
		if !canPut(c) {
			return
		}
		in, out := make([]byte, n+5), bytesOf(n, 1)
		r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: in, Elem: 7, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: out, Elem: 7, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := s.Test(); !done || err != nil {
			t.Errorf("%d bytes: the send is over: %t, %v, and nobody looks there", n, done, err)
		}
		attend()
		st, err := r.Wait(t.Context())
		if err != nil || st != (Status{Source: 0, Tag: 3, Count: n}) || !bytes.Equal(in[:n], out) || in[n] != 0 {
			t.Errorf("%d bytes: %+v, %v, or other data", n, st, err)
		}
		rk := c[1].rank
		rk.mu.Lock()
		if len(rk.shown)+len(rk.recvs) != 0 {
			t.Errorf("%d receives are shown still, %d wait for data", len(rk.shown), len(rk.recvs))
		}
		rk.mu.Unlock()
	}
}

// What must not be taken goes the usual way, and to whom it belongs.
func TestNotPut(t *testing.T) {
	const n = 64 << 10
	any := func(tag Tag, src int) func(t *testing.T, c *Comm) *Handle {
		return func(t *testing.T, c *Comm) *Handle {
			h, err := c.IRecv(t.Context(), OpIRecv, src, tag, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
	}
	for name, first := range map[string]func(t *testing.T, c *Comm) *Handle{
		"an earlier receive from any rank":     any(3, AnyRank),
		"an earlier receive of any tag":        any(AnyTag, 0),
		"an earlier receive from any, any tag": any(AnyTag, AnyRank),
	} {
		t.Run(name, func(t *testing.T) {
			c, attend := asleep(t)
			before := first(t, c[1])
			in := make([]byte, n)
			r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: in, Elem: 7, Size: 1})
			if err != nil {
				t.Fatal(err)
			}
			var sends []*Handle
			for i := range 2 {
				s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: bytesOf(n-i, byte(i)), Elem: 7, Size: 1})
				if err != nil {
					t.Fatal(err)
				}
				if _, done, _ := s.Test(); done {
					t.Errorf("message %d is over", i)
				}
				sends = append(sends, s)
			}
			attend()
			st, err := before.Wait(t.Context())
			if err != nil || st.Count != n {
				t.Errorf("the first receive: %+v, %v", st, err)
			}
			if st, err := r.Wait(t.Context()); err != nil || st.Count != n-1 {
				t.Errorf("the second receive: %+v, %v", st, err)
			}
			if err := WaitAll(t.Context(), sends...); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("another type", func(t *testing.T) {
		c, attend := asleep(t)
		r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: make([]byte, n), Elem: 8, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		attend()
		if _, err := r.Wait(t.Context()); !errors.Is(err, ErrType) {
			t.Error(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = s.Wait(ended)
	})
	t.Run("taken back", func(t *testing.T) {
		c, attend := asleep(t)
		ended, cancel := context.WithCancel(t.Context())
		r, err := c[1].IRecv(ended, OpIRecv, 0, 3, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := r.Wait(ended); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: make([]byte, n), Elem: 7, Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, done, _ := s.Test(); done {
			t.Error("a receive that was taken back was completed")
		}
		attend()
		in := make([]byte, n)
		if r, err = c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: in, Elem: 7, Size: 1}); err != nil {
			t.Fatal(err)
		}
		if err := WaitAll(t.Context(), r, s); err != nil {
			t.Error(err)
		}
	})
}

// halting is a Putter that stops in the middle, and may fail then.
type halting struct {
	transport.Putter
	there, on chan struct{}
	fails     bool
}

func (h *halting) Put(x []byte, addr uint64) bool {
	close(h.there)
	<-h.on
	return !h.fails && h.Putter.Put(x, addr)
}

// Once its sender has taken a receive it is that message's: what comes meanwhile goes
// to the next one, and no end of a ctx, group or wait lets go of the buffer.
func TestPutMeanwhile(t *testing.T) {
	const n = 64 << 10
	type pair struct {
		c      [2]*Comm
		r      *Handle
		attend func()
	}
	for name, meanwhile := range map[string]func(t *testing.T, p pair){
		"nothing": func(t *testing.T, p pair) {},
		"a message": func(t *testing.T, p pair) {
			p.attend()
			exchangeTag(t, p.c, 3)
		},
		"the end of its ctx": func(t *testing.T, p pair) {
			p.attend()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			go func() { _, _ = p.r.Wait(ctx) }()
		},
		"the end of the group": func(t *testing.T, p pair) {
			p.attend()
			p.c[1].rank.revoked(p.c[1].id, revocation(ErrAborted))
		},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fails %t", name, fails), func(t *testing.T) {
				c, attend := asleep(t)
				if !canPut(c) {
					return
				}
				pe := c[0].rank.peer(1)
				h := &halting{pe.put, make(chan struct{}), make(chan struct{}), fails}
				pe.put = h
				in, out := make([]byte, n), bytesOf(n, 5)
				r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: in, Elem: 7, Size: 1})
				if err != nil {
					t.Fatal(err)
				}
				sent := make(chan *Handle, 1)
				go func() {
					s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: out, Elem: 7, Size: 1})
					if err != nil {
						t.Error(err)
					}
					sent <- s
				}()
				<-h.there
				pe.put = h.Putter
				meanwhile(t, pair{c, r, attend})
				close(h.on)
				s := <-sent
				attend()
				if _, err := s.Wait(t.Context()); err != nil {
					t.Errorf("the send: %v", err)
				}
				st, err := r.Wait(t.Context())
				for err == nil && st.Count == 0 { // another goroutine waits
					st, err = r.Wait(t.Context())
				}
				if err != nil || st.Count != n || !bytes.Equal(in, out) {
					t.Errorf("%+v, %v, or other data", st, err)
				}
			})
		}
	}
}

// exchangeTag is exchange of a short message with a tag, whose receive is posted last.
func exchangeTag(t *testing.T, c [2]*Comm, tag Tag) {
	t.Helper()
	if !c[0].SendShort(OpSend, 1, tag, 7, make([]byte, 8)) {
		t.Error("not sent at once")
	}
	r, err := c[1].IRecv(t.Context(), OpIRecv, 0, tag, Payload{Bytes: make([]byte, 8), Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := r.Wait(t.Context()); err != nil || st.Count != 8 {
		t.Errorf("%+v, %v", st, err)
	}
}

// The end of a process ends the receive that it has taken.
func TestPutByTheDead(t *testing.T) {
	c, attend := asleep(t)
	if !canPut(c) {
		return
	}
	r, err := c[1].IRecv(t.Context(), OpIRecv, 0, 3, Payload{Bytes: make([]byte, 1<<20), Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	pe := c[0].rank.peer(1)
	h := &halting{pe.put, make(chan struct{}), make(chan struct{}), true}
	pe.put = h
	over := make(chan struct{})
	go func() {
		defer close(over)
		s, err := c[0].ISend(t.Context(), OpISend, 1, 3, Payload{Bytes: make([]byte, 1<<20), Elem: 7, Size: 1})
		if err == nil {
			_, err = s.Wait(t.Context())
		}
		if !errors.Is(err, ErrPeerLost) {
			t.Errorf("the send: %v", err)
		}
	}()
	<-h.there
	c[0].rank.proc.Gone([]int{1}, false, errors.New("killed"))
	attend()
	c[1].rank.proc.Gone([]int{0}, false, errors.New("killed"))
	if _, err := r.Wait(t.Context()); !errors.Is(err, ErrPeerLost) {
		t.Errorf("the receive: %v", err)
	}
	close(h.on)
	<-over
}

// Messages of one tag never overtake each other, however each of them travels.
func TestPutKeepsOrder(t *testing.T) {
	c := sharedPair(t)
	exchange(t, c, 8)
	const rounds = 1500
	sizes := []int{8, eagerMax, eagerMax + 1, 40 << 10, 100 << 10}
	rng := rand.New(rand.NewPCG(1, 2))
	type plan struct {
		tag  Tag
		size int
		src  int
		any  bool
	}
	plans := make([]plan, rounds)
	for i := range plans {
		plans[i] = plan{Tag(rng.IntN(2)), sizes[rng.IntN(len(sizes))], 0, rng.IntN(8) == 0}
		if rng.IntN(6) == 0 {
			plans[i].src = AnyRank
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		var hs []*Handle
		for i, p := range plans {
			s, err := c[0].ISend(t.Context(), OpISend, 1, p.tag, Payload{Bytes: bytesOf(p.size, byte(i)), Elem: 7, Size: 1})
			if err != nil {
				t.Error(err)
				return
			}
			if hs = append(hs, s); len(hs) == 5 {
				if err := WaitAll(t.Context(), hs...); err != nil {
					t.Error(err)
				}
				hs = hs[:0]
			}
		}
		if err := WaitAll(t.Context(), hs...); err != nil {
			t.Error(err)
		}
	})
	both.Go(func() {
		next := [2][]int{} // numbers of the messages of each tag, in order
		for i, p := range plans {
			next[p.tag] = append(next[p.tag], i)
		}
		for done := 0; done < rounds; {
			// A few receives at once, of tags that are to come. Those of any tag take
			// what comes first, so one of them is posted alone.
			k := min(4, rounds-done)
			if plans[done].any {
				k = 1
			}
			var hs []*Handle
			var bufs [][]byte
			for j := range k {
				p := plans[done+j]
				tag := p.tag
				if p.any && k == 1 {
					tag = AnyTag
				}
				buf := make([]byte, 100<<10)
				h, err := c[1].IRecv(t.Context(), OpIRecv, p.src, tag, Payload{Bytes: buf, Elem: 7, Size: 1})
				if err != nil {
					t.Error(err)
					return
				}
				hs, bufs = append(hs, h), append(bufs, buf)
			}
			for range 1 + done%3*2000 { // computes
				_ = bytesOf(16, 1)
			}
			for j, h := range hs {
				st, err := h.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				want := next[st.Tag][0]
				next[st.Tag] = next[st.Tag][1:]
				if p := plans[want]; st.Count != p.size || !bytes.Equal(bufs[j][:p.size], bytesOf(p.size, byte(want))) {
					t.Errorf("message %d: %d bytes, or other data: %+v", want, st.Count, p)
					return
				}
			}
			done += k
		}
	})
	both.Wait()
}

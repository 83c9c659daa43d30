package engine

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// crowdedPair is a sharedPair whose ranks share a processor; left says how many messages
// are in stores.
func crowdedPair(t *testing.T) (c [2]*Comm, left func() int) {
	t.Helper()
	n := new(atomic.Int32)
	c = pairOn(t, 1, func(p *Proc) {
		p.stores[1-p.Proc] = countingStore{p.stores[1-p.Proc], n}
	})
	return c, func() int { return int(n.Load()) }
}

// A countingStore counts the messages that are in it.
type countingStore struct {
	transport.Storer
	n *atomic.Int32
}

func (c countingStore) Store(x []byte) (uint64, bool) {
	at, ok := c.Storer.Store(x)
	if ok {
		c.n.Add(1)
	}
	return at, ok
}

func (c countingStore) Unstore(at, n uint64) { c.n.Add(-1); c.Storer.Unstore(at, n) }

func isend(t *testing.T, c *Comm, to int, tag Tag, op Op, x []byte) *Handle {
	t.Helper()
	h, err := c.ISend(t.Context(), op, to, tag, Payload{Bytes: x, Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func irecv(t *testing.T, c *Comm, from int, tag Tag, x []byte) *Handle {
	t.Helper()
	h, err := c.IRecv(t.Context(), OpIRecv, from, tag, Payload{Bytes: x, Elem: 7, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A sender that shares processors is done at once, whether a receive waits or not;
// order is kept with messages that go other ways, and no room stays taken.
func TestStored(t *testing.T) {
	sizes := []int{eagerMax + 1, 8, 64 << 10, storeMax, storeMax + 1, 0, 20_000}
	for name, early := range map[string]bool{"expected": true, "unexpected": false} {
		t.Run(name, func(t *testing.T) {
			c, left := crowdedPair(t)
			ins := make([][]byte, len(sizes))
			var recvs, sends []*Handle
			post := func() {
				for i, n := range sizes {
					ins[i] = make([]byte, n)
					recvs = append(recvs, irecv(t, c[1], 0, 3, ins[i]))
				}
			}
			if early {
				post()
			}
			for i, n := range sizes {
				s := isend(t, c[0], 1, 3, OpISend, bytesOf(n, byte(i)))
				if _, done, err := s.Test(); n <= storeMax && (!done || err != nil) {
					t.Errorf("%d bytes: over: %t, %v", n, done, err)
				}
				sends = append(sends, s)
			}
			if !early {
				post()
			}
			if err := WaitAll(t.Context(), append(sends, recvs...)...); err != nil {
				t.Fatal(err)
			}
			for i, n := range sizes {
				if !bytes.Equal(ins[i], bytesOf(n, byte(i))) {
					t.Errorf("message %d, of %d bytes, is another", i, n)
				}
			}
			if left() != 0 {
				t.Errorf("%d messages are in stores still", left())
			}
		})
	}
}

// What the receive has no room for, or other elements, is an error there, and leaves
// the store; SSend waits for its receive; a store that is full is done without.
func TestStoredRefused(t *testing.T) {
	c, left := crowdedPair(t)
	isend(t, c[0], 1, 3, OpISend, make([]byte, 50_000))
	if _, err := irecv(t, c[1], 0, 3, make([]byte, 49_999)).Wait(t.Context()); !errors.Is(err, ErrTruncated) {
		t.Errorf("a buffer that is too short: %v", err)
	}
	s := isend(t, c[0], 1, 4, OpSSend, make([]byte, 50_000))
	if left() != 0 {
		t.Errorf("SSend has stored")
	}
	r := irecv(t, c[1], 0, 4, make([]byte, 50_000))
	if err := WaitAll(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
	var sends, recvs []*Handle
	var ins [][]byte
	for i := range 40 {
		sends = append(sends, isend(t, c[0], 1, 5, OpISend, bytesOf(100_000, byte(i))))
	}
	if n := left(); n == 0 || n == 40 {
		t.Errorf("%d of 40 messages are stored", n)
	}
	for range 40 {
		ins = append(ins, make([]byte, 100_000))
		recvs = append(recvs, irecv(t, c[1], 0, 5, ins[len(ins)-1]))
	}
	if err := WaitAll(t.Context(), append(sends, recvs...)...); err != nil {
		t.Fatal(err)
	}
	for i, in := range ins {
		if !bytes.Equal(in, bytesOf(100_000, byte(i))) {
			t.Errorf("message %d is another", i)
		}
	}
	if left() != 0 {
		t.Errorf("%d messages are in stores still", left())
	}
}

// Messages that nobody receives any more give their room back: the group is closed, or
// revoked before or after they come.
func TestStoredDropped(t *testing.T) {
	var group int64
	for name, end := range map[string]func(c *Comm){
		"closed":  func(c *Comm) { c.Close() },
		"revoked": func(c *Comm) { c.Revoke(errors.New("enough")) },
	} {
		for _, late := range []bool{false, true} {
			if late && name == "closed" {
				continue // a message for a group that is made yet
			}
			t.Run(name, func(t *testing.T) {
				c, left := crowdedPair(t)
				group++
				var sub [2]*Comm
				for i, end := range c {
					sub[i] = end.rank.comm(mix(WorldID, 1, group), []int32{0, 1})
				}
				if late {
					end(sub[1])
				}
				isend(t, sub[0], 1, 3, OpISend, make([]byte, 30_000))
				exchange(t, c, 8) // it has come
				if late == (left() != 0) {
					t.Errorf("before: %d", left())
				}
				end(sub[1])
				if left() != 0 {
					t.Error("it is in the store still")
				}
			})
		}
	}
}

// A frame that says nonsense ends the receive with an error, one from where nothing can
// be stored is dropped.
func TestStoredForged(t *testing.T) {
	c, _ := crowdedPair(t)
	p := c[1].rank.proc
	h := wire.Header{Kind: wire.Stored, Src: 0, Dst: 1, Group: WorldID, Tag: 3, Elem: 7, Len: 30_000, Off: 77}
	r := irecv(t, c[1], 0, 3, make([]byte, 30_000))
	p.Arrived(0, &h, nil)
	if _, err := r.Wait(t.Context()); !errors.Is(err, ErrPeerLost) {
		t.Errorf("%v", err)
	}
	h.Src, h.Off = 1, 0 // from itself
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r = irecv(t, c[1], 1, 3, make([]byte, 30_000))
	p.Arrived(1, &h, nil)
	if _, err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestStoreMaxOf(t *testing.T) {
	for procs, want := range map[int]int{3: storeMax, 16: storeMax, 48: storeMax, 93: storeShare / 93, 1000: leastStored} {
		if got := storeMaxOf(procs); got != want {
			t.Errorf("%d processes: %d bytes, want %d", procs, got, want)
		}
	}
}

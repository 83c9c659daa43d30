package engine

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"gridrun/internal/engine/match"
)

// waiting is how many receives of a rank wait, as slips and as requests. It unfolds.
func (rk *Rank) waiting() (slips, requests int) {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	unfold := rk.queues.Unfold
	rk.queues.Unfold = func(s *match.Slip) *match.Recv { slips++; return unfold(s) }
	requests = len(rk.queues.Recvs(func(*match.Recv) bool { return true })) - slips
	rk.queues.Unfold = unfold
	return slips, requests
}

func TestSlips(t *testing.T) {
	ctx := context.Background()
	ended, end := context.WithCancel(ctx)
	end()
	short := func(n int) Payload { return Payload{Bytes: make([]byte, n), Elem: 7, Size: 4} }
	type script struct {
		name  string
		tags  []Tag // of receives of 16 bytes, in the order of posting
		check func(t *testing.T, c [2]*Comm, hs []*Handle)
	}
	send := func(t *testing.T, c *Comm, tag Tag, first byte, x Payload) {
		t.Helper()
		x.Bytes[0] = first
		h, err := c.ISend(ctx, OpISend, 1, tag, x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	took := func(t *testing.T, h *Handle, tag Tag, count int) {
		t.Helper()
		st, err := h.Wait(ctx)
		if want := (Status{Source: 0, Tag: tag, Count: count}); err != nil || st != want {
			t.Fatalf("a receive ended with %+v, %v; want %+v", st, err, want)
		}
	}
	for _, s := range []script{
		{"in order", []Tag{1, 1, 2, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			for i, tag := range []Tag{1, 1, 2, 1} {
				send(t, c[0], tag, byte(i), short(4*i+4))
			}
			if err := WaitAll(ctx, hs...); err != nil {
				t.Fatal(err)
			}
			for i, tag := range []Tag{1, 1, 2, 1} {
				took(t, hs[i], tag, i+1)
			}
		}},
		{"other tags first", []Tag{1, 2, 3}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			for _, tag := range []Tag{3, 1, 2} {
				send(t, c[0], tag, 0, short(4*int(tag)))
			}
			for i, h := range hs {
				took(t, h, Tag(i+1), i+1)
			}
		}},
		{"too long, of another type, and what follows", []Tag{1, 1, 1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			send(t, c[0], 1, 0, short(20))
			x := short(4)
			x.Elem = 8
			send(t, c[0], 1, 0, x)
			x = short(9000) // announced, not sent
			h, err := c[0].ISend(ctx, OpISend, 1, 1, x)
			if err != nil {
				t.Fatal(err)
			}
			send(t, c[0], 1, 0, short(8))
			for i, want := range []error{ErrTruncated, ErrType, ErrTruncated} {
				if _, err := hs[i].Wait(ctx); !errors.Is(err, want) {
					t.Errorf("receive %d: %v, want %v", i, err, want)
				}
			}
			took(t, hs[3], 1, 2)
			h.Wait(ctx)
		}},
		{"any source, posted later", []Tag{1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			in := short(16)
			later, err := c[1].IRecv(ctx, OpIRecv, AnyRank, AnyTag, in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				send(t, c[0], 1, byte(i), short(4))
			}
			took(t, hs[0], 1, 1)
			took(t, hs[1], 1, 1)
			if took(t, later, 1, 1); in.Bytes[0] != 2 {
				t.Fatalf("message %d went to the last receive", in.Bytes[0])
			}
		}},
		{"taken back", []Tag{1, 1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			if _, err := hs[1].Wait(ended); !errors.Is(err, context.Canceled) {
				t.Fatalf("a receive that nothing came for: %v", err)
			}
			send(t, c[0], 1, 0, short(4))
			send(t, c[0], 1, 0, short(8))
			took(t, hs[0], 1, 1)
			took(t, hs[2], 1, 2)
		}},
		{"tested", []Tag{1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			if _, done, err := hs[0].Test(); done || err != nil {
				t.Fatalf("over before anything came: %v", err)
			}
			if s, _ := c[1].rank.waiting(); s != 2 {
				t.Fatalf("%d slips after a test, want 2", s)
			}
			send(t, c[0], 1, 0, short(4))
			for done := false; !done; {
				_, done, _ = hs[0].Test()
			}
			send(t, c[0], 1, 0, short(4))
			took(t, hs[1], 1, 1)
		}},
		{"any of several", []Tag{1, 2}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			send(t, c[0], 2, 0, short(4))
			if i, _, err := WaitAny(ctx, hs...); i != 1 || err != nil {
				t.Fatalf("receive %d is over, %v", i, err)
			}
			send(t, c[0], 1, 0, short(4))
			took(t, hs[0], 1, 1)
		}},
		{"nobody polls", []Tag{1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			send(t, c[0], 1, 0, short(4))
			send(t, c[0], 1, 0, short(4))
			until(t, "the background poller takes both", func() bool {
				return hs[0].at.Load().slip == nil && hs[1].at.Load().slip == nil
			})
			took(t, hs[0], 1, 1)
			took(t, hs[1], 1, 1)
		}},
		{"the sender ends", []Tag{1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			c[1].rank.proc.Ended(0, errors.New("killed"))
			if err := WaitAll(ctx, hs...); !errors.Is(err, ErrPeerLost) {
				t.Fatal(err)
			}
			if h := c[1].slip(ctx, OpIRecv, 0, 1, short(4)); h != nil {
				t.Fatal("a slip for a message of the dead")
			}
		}},
		{"the group is revoked", []Tag{1, 1}, func(t *testing.T, c [2]*Comm, hs []*Handle) {
			c[1].Revoke(errors.New("enough"))
			for _, h := range hs {
				if _, err := h.Wait(ctx); !errors.Is(err, ErrRevoked) {
					t.Fatal(err)
				}
			}
		}},
	} {
		for over, pair := range map[string]func(t testing.TB) [2]*Comm{"shm": sharedPair, "mem": pairHere} {
			t.Run(s.name+" over "+over, func(t *testing.T) {
				c := pair(t)
				var hs []*Handle
				for _, tag := range s.tags {
					h := c[1].slip(ctx, OpIRecv, 0, tag, short(16))
					if h == nil {
						t.Fatal("no slip")
					}
					hs = append(hs, h)
				}
				s.check(t, c, hs)
				if slips, requests := c[1].rank.waiting(); slips+requests > 0 {
					t.Fatalf("%d slips and %d requests still wait", slips, requests)
				}
			})
		}
	}
}

// What a slip cannot do is not begun.
func TestNoSlip(t *testing.T) {
	ctx := context.Background()
	c := sharedPair(t)
	for name, h := range map[string]*Handle{
		"long":       c[1].slip(ctx, OpIRecv, 0, 1, Payload{Bytes: make([]byte, eagerMax+1), Elem: 7, Size: 1}),
		"any source": c[1].slip(ctx, OpIRecv, AnyRank, 1, Payload{Elem: 7, Size: 1}),
		"any tag":    c[1].slip(ctx, OpIRecv, 0, AnyTag, Payload{Elem: 7, Size: 1}),
		"own rank":   c[1].slip(ctx, OpIRecv, 1, 1, Payload{Elem: 7, Size: 1}),
		"no rank":    c[1].slip(ctx, OpIRecv, 2, 1, Payload{Elem: 7, Size: 1}),
	} {
		if h != nil {
			t.Errorf("%s: a slip", name)
		}
	}
}

func pairHere(t testing.TB) [2]*Comm {
	_, c := together(t, 2)
	return [2]*Comm(c)
}

// TestCollect: what has come before the receive is posted is there at once, in order,
// where it fits.
func TestCollect(t *testing.T) {
	ctx := t.Context()
	for over, pair := range map[string]func(t testing.TB) [2]*Comm{"shm": sharedPair, "mem": pairHere} {
		c := pair(t)
		const n = 3 * mostMails
		for i := range n {
			if h, err := c[0].ISend(ctx, OpISend, 1, Tag(i%2), aByte.Sized(1).payload(bytesOf(i%5, byte(i)))); err != nil {
				t.Fatal(err)
			} else if _, err = h.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "arrival", func() bool { return len(c[1].rank.Unmatched(n)) == n })
		for tag := range 2 {
			for i := tag; i < n; i += 2 {
				x := make([]byte, 4)
				h, err := c[1].IRecv(ctx, OpIRecv, 0, Tag(tag), aByte.Sized(1).payload(x))
				if err != nil {
					t.Fatal(err)
				}
				st, err := h.Wait(ctx)
				if i%5 > len(x) {
					if !errors.Is(err, ErrTruncated) {
						t.Fatalf("%s, message %d: %v", over, i, err)
					}
				} else if err != nil || st != (Status{Source: 0, Tag: Tag(tag), Count: i % 5}) || !bytes.Equal(x[:i%5], bytesOf(i%5, byte(i))) {
					t.Fatalf("%s, message %d: %+v %v %v", over, i, st, x, err)
				}
			}
		}
	}
}

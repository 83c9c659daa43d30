package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/wire"
)

// together makes a process of n ranks, without any network.
func together(t testing.TB, n int) (*Proc, []*Comm) {
	t.Helper()
	topo := &wire.Topology{RankProc: make([]int, n), RankApp: make([]int, n), ProcHost: []int{0}, Hosts: []string{"here"}}
	ranks := make([]int, n)
	for r := range ranks {
		ranks[r] = r
	}
	p := NewProc(Config{Ranks: ranks, Topology: topo})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	worlds := make([]*Comm, n)
	for r := range worlds {
		worlds[r] = p.Rank(r).World()
	}
	return p, worlds
}

const aByte Signature = 7

// bytesOf is a message of n bytes that tells seed.
func bytesOf(n int, seed byte) []byte {
	x := make([]byte, n)
	for i := range x {
		x[i] = byte(i)*7 + seed
	}
	return x
}

// until polls for what another goroutine does.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 20 s", what)
		}
	}
}

// TestLookoutShowsWaits: whatever way a rank waits it is in the wait table after a
// moment, since when it has waited, and no longer when it goes on.
func TestLookoutShowsWaits(t *testing.T) {
	waits := map[string]func(c *Comm) error{
		"Receive": func(c *Comm) error {
			_, err := c.Receive(t.Context(), 1, 5, aByte.Sized(1), make([]byte, 1))
			return err
		},
		"IRecv": func(c *Comm) error {
			r, err := c.IRecv(t.Context(), OpIRecv, 1, 5, aByte.Sized(1).payload(make([]byte, 1)))
			if err == nil {
				_, err = r.Wait(t.Context())
			}
			return err
		},
		"WaitAll": func(c *Comm) error { return receiveAll(t.Context(), c) },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			p, c := together(t, 2)
			for range 3 {
				began := time.Now()
				done := make(chan error, 1)
				go func() { done <- wait(c[0]) }()
				until(t, "entry", func() bool { return blocked(p.Rank(0)) })
				w := p.Rank(0).Waits()
				if len(w) != 1 || w[0].Peer != 1 || w[0].Tag != 5 || w[0].Group != WorldID {
					t.Errorf("%+v", w)
				}
				if since := w[0].Since; since.Before(began.Add(-time.Second)) || since.After(time.Now().Add(time.Second)) {
					t.Errorf("since %v, began %v", since, began)
				}
				if !c[1].SendShort(OpSend, 0, 5, aByte, make([]byte, 1)) {
					t.Error("not sent")
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if blocked(p.Rank(0)) {
					t.Errorf("still %+v", p.Rank(0).Waits())
				}
			}
		})
	}
}

// receiveAll waits for two messages of rank 1, of which one has come before.
func receiveAll(ctx context.Context, c *Comm) error {
	var hs [2]*Handle
	for i := range hs {
		h, err := c.IRecv(ctx, OpIRecv, 1, Tag(4+i), aByte.Sized(1).payload(make([]byte, 1)))
		if err != nil {
			return err
		}
		hs[i] = h
	}
	if to := c.rank; !to.proc.ranks[1].World().SendShort(OpSend, to.world, 4, aByte, make([]byte, 1)) {
		return errors.New("not sent")
	}
	return WaitAll(ctx, hs[:]...)
}

// TestReceiversOfOneRank: several goroutines of a rank receive at once, of which one
// has the standing receive; each gets what has its tag.
func TestReceiversOfOneRank(t *testing.T) {
	_, c := together(t, 2)
	const goroutines, rounds = 4, 500
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			x := make([]byte, 2)
			for i := range rounds {
				st, err := c[0].Receive(t.Context(), 1, Tag(g), aByte.Sized(1), x)
				if err != nil || st.Tag != Tag(g) || st.Count != 2 || x[0] != byte(g) || x[1] != byte(i) {
					t.Errorf("goroutine %d, %d: %v %+v %v", g, i, x, st, err)
					return
				}
			}
		})
		wg.Go(func() {
			for i := range rounds {
				for !c[1].SendShort(OpSend, 0, Tag(g), aByte, []byte{byte(g), byte(i)}) {
					runtime.Gosched() // the window is full
				}
			}
		})
	}
	wg.Wait()
}

// TestWindowHere: a rank that does not receive holds no more of a sender than its
// window; what it has received makes room.
func TestWindowHere(t *testing.T) {
	_, c := together(t, 3)
	x := make([]byte, 1000)
	fill := func(from int) (n int) {
		for c[from].SendShort(OpSend, 0, 1, aByte, x) {
			n++
		}
		return n
	}
	most := window / (len(x) + envelope)
	if n := fill(1); n != most {
		t.Fatalf("%d messages in a window, want %d", n, most)
	}
	if n := fill(2); n != most {
		t.Fatalf("%d messages of another sender, want %d", n, most)
	}
	for range 10 {
		if _, err := c[0].Receive(t.Context(), 1, AnyTag, aByte.Sized(1), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if n := fill(1); n != 10 {
		t.Fatalf("%d more after 10 were received", n)
	}
	if c[1].SendShort(OpSend, 0, 2, aByte, make([]byte, eagerMax+1)) {
		t.Fatal("a long message was kept")
	}
}

// TestParkedReceiveEnds: by its ctx, a revocation, the end of the sender; and the next
// one, with another ctx, works.
func TestParkedReceiveEnds(t *testing.T) {
	why := errors.New("enough")
	for name, end := range map[string]func(p *Proc, c *Comm, cancel context.CancelCauseFunc){
		"ctx":         func(_ *Proc, _ *Comm, cancel context.CancelCauseFunc) { cancel(why) },
		"revoke":      func(_ *Proc, c *Comm, _ context.CancelCauseFunc) { c.Revoke(why) },
		"death":       func(p *Proc, _ *Comm, _ context.CancelCauseFunc) { p.Ended(1, fmt.Errorf("%w: %w", ErrPeerLost, why)) },
		"ctx, all":    func(_ *Proc, _ *Comm, cancel context.CancelCauseFunc) { cancel(why) },
		"revoke, all": func(_ *Proc, c *Comm, _ context.CancelCauseFunc) { c.Revoke(why) },
		"death, all":  func(p *Proc, _ *Comm, _ context.CancelCauseFunc) { p.Ended(1, fmt.Errorf("%w: %w", ErrPeerLost, why)) },
	} {
		t.Run(name, func(t *testing.T) {
			name, all := strings.CutSuffix(name, ", all")
			p, c := together(t, 3)
			for _, shown := range []bool{false, true} {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				done := make(chan error, 1)
				go func() {
					if all {
						done <- receiveAll(ctx, c[0])
						return
					}
					_, err := c[0].Receive(ctx, 1, 5, aByte.Sized(1), make([]byte, 1))
					done <- err
				}()
				if shown {
					until(t, "entry", func() bool { return blocked(p.Rank(0)) })
				}
				end(p, c[0], cancel)
				if err := <-done; err == nil {
					t.Fatal("no error")
				} else if name == "ctx" && !errors.Is(err, why) {
					t.Fatal(err)
				}
				if blocked(p.Rank(0)) {
					t.Errorf("still %+v", p.Rank(0).Waits())
				}
				if name != "ctx" {
					break
				}
			}
			if name == "revoke" {
				return
			}
			go c[2].SendShort(OpSend, 0, 6, aByte, []byte{9})
			x := make([]byte, 1)
			if _, err := c[0].Receive(t.Context(), 2, 6, aByte.Sized(1), x); err != nil || x[0] != 9 {
				t.Fatal(x, err)
			}
		})
	}
}

// TestHereRefuses: what does not fit a receive is its error, as over a network, and to
// itself a rank sends like to any other.
func TestHereRefuses(t *testing.T) {
	_, c := together(t, 2)
	for name, want := range map[string]error{"type": ErrType, "length": ErrTruncated} {
		done := make(chan error, 1)
		go func() {
			_, err := c[0].Receive(t.Context(), 1, 5, aByte.Sized(1), make([]byte, 2))
			done <- err
		}()
		elem, n := aByte, 3
		if name == "type" {
			elem, n = 8, 1
		}
		if !c[1].SendShort(OpSend, 0, 5, elem, make([]byte, n)) {
			t.Fatal(name, "not sent")
		}
		if err := <-done; !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, in := []byte("itself"), make([]byte, 6)
	if !c[0].SendShort(OpSend, 0, 1, aByte, out) {
		t.Fatal("not sent to itself")
	}
	if st, err := c[0].Receive(t.Context(), 0, 1, aByte.Sized(1), in); err != nil || st.Source != 0 || !bytes.Equal(in, out) {
		t.Fatal(st, in, err)
	}
}

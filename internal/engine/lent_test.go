package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// TestLend: messages of all ways in one order, whoever comes first, of one goroutine of
// the sender or several.
func TestLend(t *testing.T) {
	_, c := together(t, 3)
	sizes := []int{0, 8, eagerMax, eagerMax + 1, movedFrom + 3, 64<<10 + 5, 100, 3 << 20}
	for _, op := range []Op{OpSend, OpSSend} {
		for _, src := range []int{1, AnyRank} {
			var wg sync.WaitGroup
			for g := range 3 {
				wg.Go(func() { // the first has the loan, the others take the long way
					for i, n := range sizes {
						if err := c[1].SendWait(t.Context(), op, 0, Tag(g), aByte.Sized(1).payload(bytesOf(n, byte(i+g)))); err != nil {
							t.Error(err)
						}
					}
				})
				wg.Go(func() {
					x := make([]byte, 4<<20)
					for i, n := range sizes {
						st, err := c[0].Receive(t.Context(), src, Tag(g), aByte.Sized(1), x)
						if err != nil || st.Source != 1 || st.Tag != Tag(g) || st.Count != n || !bytes.Equal(x[:n], bytesOf(n, byte(i+g))) {
							t.Errorf("%v %d: %+v %v", op, n, st, err)
						}
					}
				})
			}
			wg.Wait()
		}
	}
}

// lending starts a send of rank 1 that nobody receives and returns when it is queued at
// rank 0; shown: in the wait table, too.
func lending(t *testing.T, p *Proc, c []*Comm, ctx context.Context, shown bool) chan error {
	done := make(chan error, 1)
	go func() {
		done <- c[1].SendWait(ctx, OpSend, 0, 5, aByte.Sized(1).payload(make([]byte, eagerMax+1)))
	}()
	until(t, "envelope", func() bool { return len(p.Rank(0).Unmatched(2)) == 1 })
	if shown {
		until(t, "entry", func() bool { return blocked(p.Rank(1)) })
		if w := p.Rank(1).Waits(); len(w) != 1 || w[0].Peer != 0 || w[0].Tag != 5 || w[0].Op != uint8(OpSend) || w[0].Since.IsZero() {
			t.Errorf("%+v", w)
		}
	}
	return done
}

// TestLoanEnds: by its ctx, a revocation at either end, the receiver's end; nothing stays
// in the queue or the wait table, and the next loan works.
func TestLoanEnds(t *testing.T) {
	why := errors.New("enough")
	for _, way := range []struct {
		name string
		end  func(p *Proc, c []*Comm, cancel context.CancelCauseFunc)
		want error
	}{
		{"ctx", func(_ *Proc, _ []*Comm, cancel context.CancelCauseFunc) { cancel(why) }, why},
		{"revoked by the sender", func(_ *Proc, c []*Comm, _ context.CancelCauseFunc) { c[1].Revoke(why) }, ErrRevoked},
		{"revoked by the receiver", func(_ *Proc, c []*Comm, _ context.CancelCauseFunc) { c[0].Revoke(why) }, ErrRevoked},
		{"revoked by another", func(_ *Proc, c []*Comm, _ context.CancelCauseFunc) { c[2].Revoke(why) }, ErrRevoked},
		{"death", func(p *Proc, _ []*Comm, _ context.CancelCauseFunc) {
			p.Ended(0, fmt.Errorf("%w: %w", ErrPeerLost, why))
		}, ErrPeerLost},
	} {
		for _, shown := range []bool{false, true} {
			t.Run(fmt.Sprint(way.name, shown), func(t *testing.T) {
				p, c := together(t, 3)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				done := lending(t, p, c, ctx, shown)
				way.end(p, c, cancel)
				if err := <-done; !errors.Is(err, way.want) {
					t.Error(err)
				}
				if n := len(p.Rank(0).Unmatched(2)); n != 0 || blocked(p.Rank(1)) {
					t.Errorf("%d messages, %+v stay", n, p.Rank(1).Waits())
				}
				if way.want == ErrRevoked {
					if err := c[1].SendWait(t.Context(), OpSend, 0, 5, aByte.Sized(1).payload(make([]byte, eagerMax+1))); !errors.Is(err, ErrRevoked) {
						t.Error(err)
					}
					return
				}
				go func() {
					done <- c[1].SendWait(t.Context(), OpSend, 2, 6, aByte.Sized(1).payload(bytesOf(eagerMax+1, byte(3))))
				}()
				x := make([]byte, eagerMax+1)
				if _, err := c[2].Receive(t.Context(), 1, 6, aByte.Sized(1), x); err != nil || !bytes.Equal(x, bytesOf(eagerMax+1, byte(3))) {
					t.Error(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestLoanRefused: a receive that it does not fit fails, its sender has sent it.
func TestLoanRefused(t *testing.T) {
	p, c := together(t, 3)
	for _, long := range []int{0, 1} {
		done := lending(t, p, c, t.Context(), false)
		elem := aByte + 1
		if long == 1 {
			elem = aByte
		}
		_, err := c[0].Receive(t.Context(), 1, 5, elem.Sized(1), make([]byte, eagerMax+1-long))
		if want := []error{ErrType, ErrTruncated}[long]; !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestLoanOfTheDead: a message whose sender has ended is not received, and goes with the
// sender's ctx.
func TestLoanOfTheDead(t *testing.T) {
	p, c := together(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	done := lending(t, p, c, ctx, true)
	p.Ended(1, ErrPeerLost)
	if _, err := c[0].Receive(t.Context(), 1, 5, aByte.Sized(1), make([]byte, eagerMax+1)); !errors.Is(err, ErrPeerLost) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	done = lending(t, p, c, t.Context(), false)
	c[0].AckFailed() // drops it
	if n := len(p.Rank(0).Unmatched(2)); n != 0 {
		t.Errorf("%d messages", n)
	}
	c[1].Revoke(ErrAborted)
	if err := <-done; !errors.Is(err, ErrAborted) {
		t.Error(err)
	}
}

// TestLoansCrossed: loans against cancellations at every moment; what is received is
// whole, and in order.
func TestLoansCrossed(t *testing.T) {
	_, c := together(t, 2)
	const rounds = 2000
	var sent []int
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			err := c[1].SendWait(ctx, OpSend, 0, 5, aByte.Sized(1).payload(bytesOf(eagerMax+1+i%3, byte(i))))
			if err == nil {
				sent = append(sent, i)
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if err := c[1].SendWait(t.Context(), OpSend, 0, 5, aByte.Sized(1).payload(nil)); err != nil {
			t.Error(err)
		}
	})
	var got [][]byte
	for x := make([]byte, eagerMax+4); ; {
		st, err := c[0].Receive(t.Context(), 1, 5, aByte.Sized(1), x)
		if err != nil {
			t.Fatal(err)
		}
		if st.Count == 0 {
			break
		}
		got = append(got, bytes.Clone(x[:st.Count]))
	}
	wg.Wait()
	if len(got) != len(sent) {
		t.Fatalf("%d sent, %d received", len(sent), len(got))
	}
	for k, i := range sent {
		if !bytes.Equal(got[k], bytesOf(eagerMax+1+i%3, byte(i))) {
			t.Fatalf("message %d is not what was sent as the %dth", k, i)
		}
	}
}

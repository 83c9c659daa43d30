package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

// TestStart: more operations than lanes are under way, with others on the same
// group in between, and each gives what it would alone.
func TestStart(t *testing.T) {
	for _, n := range sizes {
		run(t, n, func(ctx context.Context, w *rt.World) error {
			const many = 3*Lanes + 1
			var pending []*Pending
			sums := make([][]int, many)
			roots := make([][]int, many)
			for i := range many {
				sums[i], roots[i] = []int{w.Rank() + i, i}, []int{100*w.Rank() + i}
				pending = append(pending, Start(ctx, w, func(ctx context.Context, g rt.Group) error {
					if err := AllReduce(ctx, g, sums[i], Sum); err != nil {
						return err
					}
					return Bcast(ctx, g, i%n, roots[i])
				}))
				if i%5 == 0 {
					if v, err := AllReduceValue(ctx, w, i, Sum[int]); err != nil || v != i*n {
						return fmt.Errorf("between: %d, %v", v, err)
					}
				}
			}
			if err := WaitAll(ctx, append(pending[many/2:], nil)...); err != nil {
				return err
			}
			for i, p := range pending {
				if err := p.Wait(ctx); err != nil {
					return err
				}
				if done, err := p.Test(); !done || err != nil {
					return fmt.Errorf("operation %d after Wait: %v, %v", i, done, err)
				}
				if want := n*(n-1)/2 + n*i; sums[i][0] != want || sums[i][1] != n*i || roots[i][0] != 100*(i%n)+i {
					return fmt.Errorf("operation %d: %v and %v, want %d", i, sums[i], roots[i], want)
				}
			}
			return nil
		})
	}
}

// TestStartOverlaps: an operation that one rank does not join yet holds up
// nothing else.
func TestStartOverlaps(t *testing.T) {
	run(t, 3, func(ctx context.Context, w *rt.World) error {
		held := make(chan struct{})
		p := Start(ctx, w, func(ctx context.Context, g rt.Group) error {
			if w.Rank() == 1 {
				<-held
			}
			return Barrier(ctx, g)
		})
		if err := Barrier(ctx, w); err != nil {
			return err
		}
		next := Start(ctx, w, func(ctx context.Context, g rt.Group) error { return Barrier(ctx, g) })
		if err := next.Wait(ctx); err != nil {
			return err
		}
		if done, _ := p.Test(); done {
			return errors.New("the first ended without rank 1")
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if err := p.Wait(gone); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("waiting without patience: %v", err)
		}
		if err := Barrier(ctx, w); err != nil {
			return err
		}
		close(held)
		return p.Wait(ctx)
	})
}

// TestStartFails: an operation that fails on one rank fails everywhere, with all
// others of the group and with the group.
func TestStartFails(t *testing.T) {
	broken := errors.New("no luck")
	run(t, 5, func(ctx context.Context, w *rt.World) error {
		g, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		waits := Start(ctx, g, func(ctx context.Context, g rt.Group) error {
			if w.Rank() == 4 {
				return nil // so the others wait, until the next fails
			}
			return Barrier(ctx, g)
		})
		fails := Start(ctx, g, func(ctx context.Context, g rt.Group) error {
			if w.Rank() == 2 {
				return broken
			}
			return Barrier(ctx, g)
		})
		err = fails.Wait(ctx)
		switch {
		case w.Rank() == 2 && !errors.Is(err, broken), w.Rank() != 2 && !errors.Is(err, rt.ErrRevoked):
			return fmt.Errorf("the one that fails: %v", err)
		}
		if err := waits.Wait(ctx); w.Rank() != 4 && !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("the one before: %v", err)
		}
		if err := Barrier(ctx, g); !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("the group: %v", err)
		}
		if err := Start(ctx, g, func(ctx context.Context, g rt.Group) error { return Barrier(ctx, g) }).Wait(ctx); !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("the next one: %v", err)
		}
		return errors.Join(g.Close(), Barrier(ctx, w))
	})
}

// TestStartCanceled: one that is canceled on a rank while it waits for its turn
// fails on all.
func TestStartCanceled(t *testing.T) {
	run(t, 3, func(ctx context.Context, w *rt.World) error {
		g, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		held := make(chan struct{})
		defer close(held)
		for range Lanes {
			Start(ctx, g, func(ctx context.Context, g rt.Group) error {
				if w.Rank() == 0 { // the others wait for it
					select {
					case <-held:
					case <-ctx.Done():
					}
				}
				return Barrier(ctx, g)
			})
		}
		own, cancel := context.WithCancel(ctx)
		queued := Start(own, g, func(ctx context.Context, g rt.Group) error { return Barrier(ctx, g) })
		if w.Rank() == 0 {
			cancel()
		}
		defer cancel()
		if err := queued.Wait(ctx); w.Rank() == 0 && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("canceled: %v", err)
		} else if w.Rank() > 0 && err == nil {
			return errors.New("rank 0 was canceled, this one was not told")
		}
		return Barrier(ctx, w)
	})
}

// A group is closed while what was started on it is under way, as a deferred Close
// does when the body's ctx has ended: that ends with an error, on all ranks, and the
// lanes go when it has.
func TestCloseWhileStarted(t *testing.T) {
	const n = 3
	err := rt.Run(t.Context(), n, func(ctx context.Context, w *rt.World) error {
		for range 20 {
			g, err := rt.Dup(ctx, w)
			if err != nil {
				return err
			}
			var started []*Pending
			for range 2 * Lanes {
				started = append(started, Start(ctx, g, func(ctx context.Context, g rt.Group) error {
					for {
						if err := AllReduce(ctx, g, make([]int, 3), Sum); err != nil {
							return err
						}
					}
				}))
			}
			if err := Barrier(ctx, w); err != nil {
				return err
			}
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if err := started[0].Wait(ended); !errors.Is(err, context.Canceled) && !errors.Is(err, rt.ErrRevoked) {
				return fmt.Errorf("waiting with a ctx that has ended: %v", err)
			}
			if err := g.Close(); err != nil {
				return err
			}
			for _, p := range started {
				if err := p.Wait(ctx); !errors.Is(err, rt.ErrRevoked) {
					return fmt.Errorf("a started operation of a closed group: %v", err)
				}
			}
			if err := Barrier(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Who revokes a group ends what was started on it, at every member.
func TestRevokeStarted(t *testing.T) {
	const n = 3
	err := rt.Run(t.Context(), n, func(ctx context.Context, w *rt.World) error {
		g, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		defer g.Close()
		if w.Rank() == 0 { // and starts nothing
			rt.Revoke(g, errors.New("enough"))
			return Barrier(ctx, w)
		}
		p := Start(ctx, g, func(ctx context.Context, g rt.Group) error { return AllReduce(ctx, g, make([]int, 3), Sum) })
		if err := p.Wait(ctx); !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("started on a group that is revoked: %v", err)
		}
		return Barrier(ctx, w)
	})
	if err != nil {
		t.Fatal(err)
	}
}

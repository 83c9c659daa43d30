package rt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gridrun/rt"
)

// ringSum adds up the world ranks of a group, each passed all around.
func ringSum(ctx context.Context, g rt.Group) (int, error) {
	n, me := g.Size(), g.Rank()
	sum, x := 0, []int{g.WorldRank(me)}
	for range n {
		sum += x[0]
		if _, err := rt.SendRecv(ctx, g, (me+1)%n, x, (me+n-1)%n, x, 5); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// steps goes through a number of steps with whoever is left: a step counts when
// all agree that it has worked, and is done again by the survivors when not.
func steps(ctx context.Context, w *rt.World, count int, dies func(step int) bool) (rt.Group, error) {
	var g rt.Group = w
	for step := 0; step < count; {
		if dies(step) {
			return nil, rt.ErrDeath
		}
		sum, err := ringSum(ctx, g)
		if err != nil {
			if !errors.Is(err, rt.ErrPeerLost) && !errors.Is(err, rt.ErrRevoked) {
				return nil, err
			}
			rt.Revoke(g, err)
		}
		ok, ended, err := rt.Agree(ctx, g, err == nil)
		if err != nil {
			return nil, err
		}
		if ok {
			want := 0
			for r := range g.Size() {
				want += g.WorldRank(r)
			}
			if sum != want {
				return nil, fmt.Errorf("step %d: sum %d, want %d", step, sum, want)
			}
			step++
		}
		if !ok || len(ended) > 0 {
			// One may have agreed before it learned of a death, the others not:
			// whoever is still in a call must leave it.
			rt.Revoke(g, errors.New("a member has ended"))
			if g, err = rt.Shrink(ctx, g); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// TestSurvivors has ranks die at random steps, several in the same one too, on
// every layout: those that are left finish, and are the same group.
func TestSurvivors(t *testing.T) {
	for i, l := range rt.Layouts {
		for _, n := range []int{2, 3, 5, 8} {
			t.Run(fmt.Sprintf("%s/%d", l.Name, n), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(uint64(i), uint64(n)))
				deaths := map[int]int{}
				for range 1 + rnd.IntN(n-1) {
					deaths[rnd.IntN(n)] = rnd.IntN(6)
				}
				if len(deaths) == n {
					delete(deaths, rnd.IntN(n))
				}
				var mu sync.Mutex
				groups := map[int][]int{}
				err := leakFree(t, func() error {
					return rt.SurviveOver(t, l, n, func(ctx context.Context, w *rt.World) error {
						ctx, cancel := context.WithTimeout(ctx, patience)
						defer cancel()
						at, dies := deaths[w.Rank()]
						g, err := steps(ctx, w, 8, func(step int) bool { return dies && step == at })
						if err != nil {
							return err
						}
						mu.Lock()
						defer mu.Unlock()
						for r := range g.Size() {
							groups[w.Rank()] = append(groups[w.Rank()], g.WorldRank(r))
						}
						return nil
					})
				})
				if err != nil {
					t.Fatal(err)
				}
				var want []int
				for r := range n {
					if _, dead := deaths[r]; !dead {
						want = append(want, r)
					}
				}
				for _, r := range want {
					if !slices.Equal(groups[r], want) {
						t.Errorf("deaths %v: rank %d is in the group %v, want %v", deaths, r, groups[r], want)
					}
				}
			})
		}
	}
}

// What needs a dead rank fails and names it, whether it waited already or comes
// later; what does not need it goes on.
func TestOperationsWithTheDead(t *testing.T) {
	for _, l := range rt.Layouts {
		t.Run(l.Name, func(t *testing.T) {
			err := leakFree(t, func() error {
				return rt.SurviveOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
					ctx, cancel := context.WithTimeout(ctx, patience)
					defer cancel()
					long := make([]float64, 100_000)
					switch w.Rank() {
					case 3: // takes the start signal, and dies
						_, err := rt.Recv(ctx, w, 0, 1, make([]int, 1))
						return errors.Join(err, rt.ErrDeath)
					case 0:
						var reqs []*rt.Request
						for _, post := range []func() (*rt.Request, error){
							func() (*rt.Request, error) { return rt.IRecv(ctx, w, 3, 7, make([]int, 1)) },
							func() (*rt.Request, error) { return rt.IRecv(ctx, w, rt.AnyRank, 8, make([]int, 1)) },
							func() (*rt.Request, error) { return rt.ISend(ctx, w, 3, 9, long) },
						} {
							r, err := post()
							if err != nil {
								return err
							}
							reqs = append(reqs, r)
						}
						if err := rt.Send(ctx, w, 3, 1, []int{1}); err != nil {
							return err
						}
						for i, r := range reqs {
							if _, err := r.Wait(ctx); !errors.Is(err, rt.ErrPeerLost) || !strings.Contains(err.Error(), "rank 3") {
								return fmt.Errorf("posted request %d: %v", i, err)
							}
						}
						if err := rt.Send(ctx, w, 3, 9, []int{1}); !errors.Is(err, rt.ErrPeerLost) {
							return fmt.Errorf("a later send: %v", err)
						}
						if _, err := rt.Recv(ctx, w, rt.AnyRank, 8, make([]int, 1)); !errors.Is(err, rt.ErrPeerLost) {
							return fmt.Errorf("a later receive from anybody: %v", err)
						}
						if dead := rt.Failed(w); !slices.Equal(dead, []int{3}) {
							return fmt.Errorf("the dead are %v", dead)
						}
						if dead := rt.AckFailed(w); !slices.Equal(dead, []int{3}) {
							return fmt.Errorf("acknowledged %v", dead)
						}
						// From now on, receives from anybody leave the dead out.
						for _, r := range []int{1, 2} {
							if err := rt.Send(ctx, w, r, 2, []int{1}); err != nil {
								return err
							}
						}
						for range 2 {
							if _, err := rt.Recv(ctx, w, rt.AnyRank, 8, make([]int, 1)); err != nil {
								return fmt.Errorf("after AckFailed: %w", err)
							}
						}
						return ctx.Err()
					default:
						if _, err := rt.Recv(ctx, w, 0, 2, make([]int, 1)); err != nil {
							return err
						}
						return rt.Send(ctx, w, 0, 8, []int{w.Rank()})
					}
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Who revokes may die before it has told everybody: the others pass it on.
func TestRevokeIsPassedOn(t *testing.T) {
	const n = 9
	err := leakFree(t, func() error {
		return rt.RunWith(context.Background(), n, func(ctx context.Context, w *rt.World) error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if w.Rank() == 4 {
				rt.Revoke(w, errors.New("enough"))
				return rt.ErrDeath
			}
			_, err := rt.Recv(ctx, w, (w.Rank()+1)%n, 0, make([]int, 1))
			if !errors.Is(err, rt.ErrRevoked) && !errors.Is(err, rt.ErrPeerLost) {
				return fmt.Errorf("rank %d: %w", w.Rank(), err)
			}
			if g, err := rt.Shrink(ctx, w); err != nil || g.Size() != n-1 {
				return fmt.Errorf("%v, %w", g, err)
			}
			return nil
		}, rt.KeepSurvivors())
	})
	if err == nil || err.Error() != "rank 4 failed: dies" {
		t.Fatal(err)
	}
}

// RunWith without options is Run; with KeepSurvivors ctx goes on, an Abort still
// ends everything, and a lone survivor shrinks to itself.
func TestRunWith(t *testing.T) {
	boom := errors.New("boom")
	err := rt.RunWith(context.Background(), 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 1 {
			return boom
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != boom {
		t.Fatal(err)
	}
	err = rt.RunWith(context.Background(), 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 1 {
			rt.Abort(w, 3, boom)
		}
		<-ctx.Done()
		return nil
	}, rt.KeepSurvivors())
	if !errors.Is(err, rt.ErrAborted) || !errors.Is(err, boom) {
		t.Fatal(err)
	}
	err = rt.RunWith(context.Background(), 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() > 0 {
			return boom
		}
		for g := rt.Group(w); g.Size() > 1; {
			c, err := rt.Shrink(ctx, g)
			if err != nil {
				return err
			}
			g = c
		}
		return ctx.Err()
	}, rt.KeepSurvivors())
	if err == nil || err.Error() != "rank 1 failed: boom\nrank 2 failed: boom" && err.Error() != "rank 2 failed: boom\nrank 1 failed: boom" {
		t.Fatal(err)
	}
}

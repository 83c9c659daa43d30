package rt_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/rt"
)

// Random traffic over every layout of transports has the outcome that the naive
// rule says.
func TestRandomTraffic(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		for i, l := range rt.Layouts {
			seed := uint64(i) + 1
			if *thorough {
				seed = rand.Uint64()
			}
			t.Run(fmt.Sprintf("ranks=%d/%s/seed=%d", n, l.Name, seed), func(t *testing.T) {
				s := newScript(seed, n, 80)
				err := leakFree(t, func() error {
					return rt.RunOver(t, l, n, func(ctx context.Context, w *rt.World) error {
						ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
						defer cancel()
						return s.play(ctx, w, func(int) error { return nil })
					})
				})
				if err != nil {
					t.Fatalf("script %d of %d ranks: %v", seed, n, err)
				}
			})
		}
	}
}

// thorough runs what is otherwise left to chance.
var thorough = flag.Bool("thorough", false, "more random scripts")

var errBoom = errors.New("boom")

// The ways in which a rank's part ends early.
var endings = []struct {
	name string
	end  func() error
	is   error
}{
	{"error", func() error { return errBoom }, errBoom},
	{"panic", func() error { panic("boom") }, nil},
	{"goexit", func() error { runtime.Goexit(); return nil }, nil},
	{"nil", func() error { return errEarly }, nil}, // the body then returns nil
}

var errEarly = errors.New("ends early, with success")

// A rank ends at a random step: every other one ends too, by its ctx or, deaf
// to that, because peers are lost one after the other. Nothing stays behind.
func TestRankEndsAtRandomStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for i, n := range []int{2, 3, 5, 8} {
		for j, l := range rt.Layouts {
			for k, e := range endings {
				if (i+j+k)%3 != 0 && !*thorough {
					continue
				}
				seed, deaf := rng.Uint64(), rng.IntN(2) == 0
				// Other processes learn of a rank's end with its process's, so
				// there the ranks of a process must end together, by their ctx.
				if l.RanksPerProc == 2 {
					if deaf = false; e.name == "nil" {
						continue
					}
				}
				s := newScript(seed, n, 100)
				if e.name == "nil" {
					// Who receives from any source is not told of one that has
					// finished while others are left.
					s = s.without(sources)
				}
				victim, at := rng.IntN(n), rng.IntN(len(s.messages))
				t.Run(fmt.Sprintf("ranks=%d/%s/%s/deaf=%v/seed=%d", n, l.Name, e.name, deaf, seed), func(t *testing.T) {
					var ended atomic.Int32
					err := leakFree(t, func() error {
						return rt.RunOver(t, l, n, func(ctx context.Context, w *rt.World) error {
							defer ended.Add(1)
							if deaf {
								ctx = context.Background()
							}
							ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
							defer cancel()
							err := s.play(ctx, w, func(i int) error {
								if w.Rank() == victim && i == at {
									return e.end()
								}
								return nil
							})
							if errors.Is(err, context.DeadlineExceeded) {
								t.Errorf("rank %d hung: %v", w.Rank(), err)
							}
							if errors.Is(err, errEarly) {
								return nil
							}
							return err
						})
					})
					if int(ended.Load()) != n {
						t.Errorf("%d bodies have ended", ended.Load())
					}
					switch {
					case e.is != nil && !errors.Is(err, e.is):
						t.Errorf("the cause is %v", err)
					case e.name == "nil" && err != nil && !errors.Is(err, rt.ErrPeerLost):
						t.Errorf("a rank that has finished led to %v", err)
					case e.name != "nil" && err == nil:
						t.Error("no error")
					}
				})
			}
		}
	}
}

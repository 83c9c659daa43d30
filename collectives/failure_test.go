package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "gridrun/collectives"
	"gridrun/rt"
)

// outcomes runs body on n ranks and returns what it returned on each; the
// ranks themselves end well, so that none fails because another has ended.
func outcomes(t *testing.T, n int, body rt.Body) []error {
	t.Helper()
	errs := make([]error, n)
	var called sync.WaitGroup
	called.Add(n)
	err := tryRun(t, n, func(ctx context.Context, w *rt.World) error {
		func() {
			defer called.Done() // in a panic too: nobody waits for ever
			errs[w.Rank()] = body(ctx, w)
		}()
		called.Wait()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

func TestArguments(t *testing.T) {
	x, all := make([]int, 2), make([]int, 6)
	counts := []int{2, 2, 2}
	for _, c := range []struct {
		want string
		call func(ctx context.Context, w *rt.World) error
	}{
		{"root 3 is not in the group of 3", func(ctx context.Context, w *rt.World) error { return Bcast(ctx, w, 3, x) }},
		{"root -1 is not in the group", func(ctx context.Context, w *rt.World) error { return Reduce(ctx, w, -1, x, Sum[int]) }},
		{"root 7 is not", func(ctx context.Context, w *rt.World) error { _, err := GatherValues(ctx, w, 7, "x"); return err }},
		{"op is nil", func(ctx context.Context, w *rt.World) error { return AllReduce(ctx, w, x, nil) }},
		{"len(all) is 5; 3 ranks times len(x) is 6", func(ctx context.Context, w *rt.World) error { return AllGather(ctx, w, x, all[:5]) }},
		{"len(all) is 4", func(ctx context.Context, w *rt.World) error { return Gather(ctx, w, w.Rank(), x, all[:4]) }},
		{"len(all) is 0", func(ctx context.Context, w *rt.World) error { return Scatter(ctx, w, w.Rank(), nil, x) }},
		{"len(x) is 6; 3 ranks times len(part) is 3", func(ctx context.Context, w *rt.World) error {
			return ReduceScatter(ctx, w, all, make([]int, 1), Sum[int])
		}},
		{"len(out) is 2; it must be a multiple", func(ctx context.Context, w *rt.World) error { return AllToAll(ctx, w, x, make([]int, 2)) }},
		{"len(in) is 3", func(ctx context.Context, w *rt.World) error { return AllToAll(ctx, w, all, make([]int, 3)) }},
		{"out and in share memory", func(ctx context.Context, w *rt.World) error { return AllToAll(ctx, w, all, all) }},
		{"x and part share memory", func(ctx context.Context, w *rt.World) error { return ReduceScatter(ctx, w, all, all[1:3], Sum[int]) }},
		{"only x's own place", func(ctx context.Context, w *rt.World) error { return AllGather(ctx, w, all[1:3], all) }},
		{"len(counts) is 2; the group has 3 ranks", func(ctx context.Context, w *rt.World) error { return AllGatherV(ctx, w, x, all, counts[:2]) }},
		{"counts[1] is -2", func(ctx context.Context, w *rt.World) error { return AllGatherV(ctx, w, x, all, []int{2, -2, 4}) }},
		{"len(all) is 6; counts up to rank 2 need more", func(ctx context.Context, w *rt.World) error { return AllGatherV(ctx, w, x, all, []int{2, 2, 3}) }},
		{"len(x) is 2; this rank's count is 1", func(ctx context.Context, w *rt.World) error { return AllGatherV(ctx, w, x, all, []int{1, 1, 1}) }},
		{"len(counts) is 0", func(ctx context.Context, w *rt.World) error { return GatherV(ctx, w, w.Rank(), x, all, nil) }},
		{"len(counts) is 0", func(ctx context.Context, w *rt.World) error {
			return ScatterV(ctx, w, 0, all, nil, x, Algorithm("binomial"))
		}},
		{"inCounts[0] is -1", func(ctx context.Context, w *rt.World) error {
			return AllToAllV(ctx, w, all, counts, make([]int, 6), []int{-1, 0, 0})
		}},
		{"is 2 and inCounts", func(ctx context.Context, w *rt.World) error {
			return AllToAllV(ctx, w, all, counts, make([]int, 6), []int{1, 1, 1})
		}},
		{`"fast" here; there are: binomial, scatter-allgather`, func(ctx context.Context, w *rt.World) error { return Bcast(ctx, w, 0, x, Algorithm("fast")) }},
		{`no ordered algorithm is named "ring" here; there are: gather, chain`, func(ctx context.Context, w *rt.World) error {
			return AllReduce(ctx, w, x, Sum, Ordered(), Algorithm("ring"))
		}},
		{"pairwise", func(ctx context.Context, w *rt.World) error {
			return AllToAllV(ctx, w, all, counts, make([]int, 6), counts, Algorithm("bruck"))
		}},
		{"linear", func(ctx context.Context, w *rt.World) error {
			_, err := GatherValues(ctx, w, 0, 1, Algorithm("ring"))
			return err
		}},
		{"cannot be sent", func(ctx context.Context, w *rt.World) error { return Bcast(ctx, w, 0, []string{"a"}) }},
		{"cannot be encoded", func(ctx context.Context, w *rt.World) error {
			_, err := BcastValue(ctx, w, w.Rank(), make(chan int))
			return err
		}},
		{"panicked: runtime error: index out of range", func(ctx context.Context, w *rt.World) error {
			return AllReduce(ctx, w, make([]int, 2), func(dst, src []int) { dst[len(src)]++ })
		}},
	} {
		// All ranks make the same mistake.
		for r, err := range outcomes(t, 3, c.call) {
			var e *rt.Error
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &e) {
				t.Errorf("rank %d: got error %v, want one with %q", r, err, c.want)
			}
		}
		// One rank does; the others must not wait for it.
		errs := outcomes(t, 3, func(ctx context.Context, w *rt.World) error {
			if w.Rank() == 1 {
				return c.call(ctx, w)
			}
			return Barrier(ctx, w)
		})
		late := strings.Contains(c.want, "panicked") || strings.Contains(c.want, "there are:") // known only once the call has begun
		if errs[1] == nil || !strings.Contains(errs[1].Error(), c.want) && !late {
			t.Errorf("on the rank that erred: got %v, want %q", errs[1], c.want)
		}
		for _, r := range []int{0, 2} {
			if !errors.Is(errs[r], rt.ErrRevoked) && !errors.Is(errs[r], rt.ErrMismatch) {
				t.Errorf("%s: rank %d, a peer: %v", c.want, r, errs[r])
			}
		}
	}
	if err := Barrier(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "group is nil") {
		t.Errorf("nil group: %v", err)
	}
}

// TestMismatch has one rank of five, each in its turn, do something else than
// the others.
func TestMismatch(t *testing.T) {
	for odd := range 5 {
		mismatches(t, odd)
	}
}

func mismatches(t *testing.T, odd int) {
	long := func(w *rt.World, n, other int) []int32 {
		if w.Rank() == odd {
			n = other
		}
		return make([]int32, n)
	}
	type call func(ctx context.Context, w *rt.World) error
	cases := map[string]call{
		"operation": func(ctx context.Context, w *rt.World) error {
			if w.Rank() == odd {
				return Barrier(ctx, w)
			}
			return AllReduce(ctx, w, make([]int32, 3), Sum)
		},
		"operation with a root": func(ctx context.Context, w *rt.World) error {
			if w.Rank() == odd {
				return AllReduce(ctx, w, make([]int32, 3), Sum)
			}
			return Bcast(ctx, w, 0, make([]int32, 3))
		},
		"element type": func(ctx context.Context, w *rt.World) error {
			if w.Rank() == odd {
				return AllReduce(ctx, w, make([]float32, 3), Sum)
			}
			return AllReduce(ctx, w, make([]int32, 3), Sum)
		},
		"algorithm": func(ctx context.Context, w *rt.World) error {
			if w.Rank() == odd {
				return AllReduce(ctx, w, make([]int32, 64), Sum, Algorithm("ring"))
			}
			return AllReduce(ctx, w, make([]int32, 64), Sum)
		},
		"counts": func(ctx context.Context, w *rt.World) error {
			counts := []int{1, 1, 1, 1, 1}
			if w.Rank() == odd {
				counts[(odd+1)%5] = 3
			}
			return AllGatherV(ctx, w, make([]int32, 1), make([]int32, 9), counts)
		},
		"AllToAllV": func(ctx context.Context, w *rt.World) error {
			in, out := []int{1, 1, 1, 1, 1}, []int{1, 1, 1, 1, 1}
			if w.Rank() == odd {
				out[(odd+1)%5] = 2
			}
			if err := AllToAllV(ctx, w, make([]int32, 9), out, make([]int32, 9), in); err != nil {
				return err
			}
			return Barrier(ctx, w)
		},
	}
	// Lengths that fit each other by chance at some first message, in the first
	// case a part of the large buffer and the whole of the small one.
	for _, n := range [][2]int{{5 * 6000, 6000}, {0, 1}, {10, 11}, {32 << 10, 16 << 10}, {100, 20_000}} {
		cases[fmt.Sprint("Bcast ", n)] = func(ctx context.Context, w *rt.World) error {
			return Bcast(ctx, w, 0, long(w, n[0], n[1]))
		}
		cases[fmt.Sprint("AllReduce ", n)] = func(ctx context.Context, w *rt.World) error {
			return AllReduce(ctx, w, long(w, n[0], n[1]), Sum)
		}
		cases[fmt.Sprint("Reduce ", n)] = func(ctx context.Context, w *rt.World) error {
			return Reduce(ctx, w, 1, long(w, n[0], n[1]), Sum)
		}
		cases[fmt.Sprint("ordered Reduce ", n)] = func(ctx context.Context, w *rt.World) error {
			return Reduce(ctx, w, 1, long(w, n[0], n[1]), Sum, Ordered())
		}
		cases[fmt.Sprint("Gather ", n)] = func(ctx context.Context, w *rt.World) error {
			x := long(w, n[0], n[1])
			return Gather(ctx, w, 3, x, make([]int32, 5*len(x)))
		}
		cases[fmt.Sprint("Scatter ", n)] = func(ctx context.Context, w *rt.World) error {
			x := long(w, n[0], n[1])
			return Scatter(ctx, w, 3, make([]int32, 5*len(x)), x)
		}
		cases[fmt.Sprint("ReduceScatter ", n)] = func(ctx context.Context, w *rt.World) error {
			part := long(w, n[0], n[1])
			return ReduceScatter(ctx, w, make([]int32, 5*len(part)), part, Sum)
		}
		cases[fmt.Sprint("AllToAll ", n)] = func(ctx context.Context, w *rt.World) error {
			out := long(w, 5*n[0], 5*n[1])
			return AllToAll(ctx, w, out, make([]int32, len(out)))
		}
		cases[fmt.Sprint("AllGather ", n)] = func(ctx context.Context, w *rt.World) error {
			x := long(w, n[0], n[1])
			return AllGather(ctx, w, x, make([]int32, 5*len(x)))
		}
		cases[fmt.Sprint("Scan ", n)] = func(ctx context.Context, w *rt.World) error {
			return Scan(ctx, w, long(w, n[0], n[1]), Sum)
		}
	}
	for name, c := range cases {
		t.Run(fmt.Sprintf("%s on rank %d", name, odd), func(t *testing.T) {
			failed := 0
			errs := outcomes(t, 5, func(ctx context.Context, w *rt.World) error {
				err := c(ctx, w)
				if err == nil {
					err = Barrier(ctx, w) // a rank that had seen nothing hears of it here
				}
				return err
			})
			for r, err := range errs {
				if errors.Is(err, rt.ErrMismatch) {
					failed++
				} else {
					t.Errorf("rank %d: %v", r, err)
				}
			}
			if failed != 5 {
				t.Errorf("%d of 5 ranks know of the mismatch", failed)
			}
		})
	}
}

// TestRoots has rank 2 take itself for the root. (A rank that nobody talks to
// with another root in mind would wait; the wait table shows it.)
func TestRoots(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, w *rt.World, root int) error{
		"Bcast": func(ctx context.Context, w *rt.World, root int) error { return Bcast(ctx, w, root, make([]int, 9)) },
		"Reduce": func(ctx context.Context, w *rt.World, root int) error {
			return Reduce(ctx, w, root, make([]int, 9), Sum)
		},
		"Gather": func(ctx context.Context, w *rt.World, root int) error {
			return Gather(ctx, w, root, make([]int, 9), make([]int, 45))
		},
		"Scatter": func(ctx context.Context, w *rt.World, root int) error {
			return Scatter(ctx, w, root, make([]int, 45), make([]int, 9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			errs := outcomes(t, 5, func(ctx context.Context, w *rt.World) error {
				root := 0
				if w.Rank() == 2 {
					root = 2
				}
				return errors.Join(call(ctx, w, root), Barrier(ctx, w))
			})
			for r, err := range errs {
				if !errors.Is(err, rt.ErrMismatch) {
					t.Errorf("rank %d: %v", r, err)
				}
			}
		})
	}
}

func TestCancel(t *testing.T) {
	calls := map[string]func(ctx context.Context, w *rt.World) error{
		"Barrier":   func(ctx context.Context, w *rt.World) error { return Barrier(ctx, w) },
		"Bcast":     func(ctx context.Context, w *rt.World) error { return Bcast(ctx, w, 3, make([]byte, 1<<20)) },
		"AllReduce": func(ctx context.Context, w *rt.World) error { return AllReduce(ctx, w, make([]int32, 1<<18), Sum) },
		"AllToAll": func(ctx context.Context, w *rt.World) error {
			return AllToAll(ctx, w, make([]int32, 4<<16), make([]int32, 4<<16))
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			errs := outcomes(t, 4, func(ctx context.Context, w *rt.World) error {
				if w.Rank() != 3 {
					return call(ctx, w) // rank 3 never comes
				}
				own, cancel := context.WithCancel(ctx)
				cancel()
				return call(own, w)
			})
			for r, err := range errs {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("rank %d: %v", r, err)
				}
			}
		})
		t.Run(name+" under way", func(t *testing.T) {
			done := make(chan struct{})
			var waiting sync.WaitGroup
			waiting.Add(3)
			go func() { waiting.Wait(); close(done) }()
			errs := outcomes(t, 4, func(ctx context.Context, w *rt.World) error {
				if w.Rank() == 3 { // takes no part
					<-done
					return nil
				}
				defer waiting.Done()
				own, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
				defer cancel()
				return errors.Join(call(own, w), Barrier(own, w))
			})
			for r, err := range errs[:3] {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("rank %d: %v", r, err)
				}
			}
		})
	}
}

// TestRevokedStays checks that a failed collective ends its group and no other.
func TestRevokedStays(t *testing.T) {
	run(t, 4, func(ctx context.Context, w *rt.World) error {
		twin, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		x := make([]int, 1+w.Rank()%2)
		if err := AllReduce(ctx, twin, x, Sum); !errors.Is(err, rt.ErrMismatch) {
			return fmt.Errorf("lengths that differ: %v", err)
		}
		if err := Barrier(ctx, twin); !errors.Is(err, rt.ErrRevoked) {
			return fmt.Errorf("after the failure: %v", err)
		}
		return Barrier(ctx, w)
	})
}

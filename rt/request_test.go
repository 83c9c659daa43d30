package rt_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"gridrun/rt"
)

// Windows of short ISends and IRecvs allocate next to nothing: the requests that
// programs hold are made by the slab, 8 bytes each.
func TestWindowAllocations(t *testing.T) {
	const window = 64
	for _, l := range rt.Layouts {
		if l.TCP || l.ProcsPerHost == 2 {
			continue // the network's own affair
		}
		for _, size := range []int{8, 1 << 10, 64 << 10} {
			t.Run(fmt.Sprintf("%s/%d", l.Name, size), func(t *testing.T) {
				if err := rt.RunOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
					return windows(ctx, t, w, window, size)
				}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// windows go from rank 0 to rank 2, which says when it has one.
func windows(ctx context.Context, t *testing.T, w *rt.World, window, size int) error {
	x, ack := make([]byte, size), make([]byte, 1)
	reqs := make([]*rt.Request, 0, window)
	start, peer := rt.ISend[byte], 2
	if w.Rank() == 2 {
		start, peer = rt.IRecv[byte], 0
	} else if w.Rank() != 0 {
		return nil
	}
	one := func() error {
		reqs = reqs[:0]
		for range window {
			r, err := start(ctx, w, peer, 0, x)
			if err != nil {
				return err
			}
			reqs = append(reqs, r)
		}
		if err := rt.WaitAll(ctx, reqs...); err != nil {
			return err
		}
		if w.Rank() == 0 {
			_, err := rt.Recv(ctx, w, 2, 1, ack)
			return err
		}
		return rt.Send(ctx, w, 0, 1, ack)
	}
	const runs = 50
	var failed error
	if w.Rank() != 0 {
		for range 2*runs + 1 {
			failed = errors.Join(failed, one())
		}
		return failed
	}
	for range runs { // pools fill
		failed = errors.Join(failed, one())
	}
	// Both ranks' together: they are in one process here. A window's handles are
	// one slab of 512 bytes, and now and then the collector empties a pool.
	got := testing.AllocsPerRun(runs, func() { failed = errors.Join(failed, one()) })
	if got > float64(window)/8 && !raceEnabled {
		t.Errorf("%v allocations a window of %d messages", got, window)
	}
	return failed
}

// A request tells its outcome as often as it is asked, also when the messages
// after it are under way, and to several goroutines.
func TestRequestsKeepTheirOutcome(t *testing.T) {
	for _, l := range rt.Layouts {
		t.Run(l.Name, func(t *testing.T) {
			const n = 200
			err := rt.RunOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
				switch w.Rank() {
				case 0:
					var reqs []*rt.Request
					for i := range n {
						r, err := rt.ISend(ctx, w, 2, rt.Tag(i%7), make([]int32, i%5))
						if err != nil {
							return err
						}
						reqs = append(reqs, r)
					}
					if err := rt.WaitAll(ctx, reqs...); err != nil {
						return err
					}
					return rt.WaitAll(ctx, reqs...)
				case 2:
					return keepOutcomes(ctx, w, n)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func keepOutcomes(ctx context.Context, w *rt.World, n int) error {
	var reqs []*rt.Request
	for i := range n {
		r, err := rt.IRecv(ctx, w, 0, rt.Tag(i%7), make([]int32, 3))
		if err != nil {
			return err
		}
		reqs = append(reqs, r)
	}
	// Goroutines test, wait for and wait for any of the same requests.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { rt.WaitAll(ctx, reqs...) })
		wg.Go(func() {
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
				all := true
				for _, r := range reqs {
					_, done, _ := r.Test()
					all = all && done
				}
				if all {
					return
				}
			}
		})
		wg.Go(func() {
			rest := append([]*rt.Request(nil), reqs...)
			for {
				i, _, _ := rt.WaitAny(ctx, rest...)
				if i < 0 {
					return
				}
				rest[i] = nil
			}
		})
	}
	wg.Wait()
	for range 2 {
		for i, r := range reqs {
			st, err := r.Wait(ctx)
			if want := (rt.Status{Source: 0, Tag: rt.Tag(i % 7), Count: i % 5}); st != want {
				return fmt.Errorf("message %d: %+v, want %+v", i, st, want)
			}
			if long := i%5 > 3; errors.Is(err, rt.ErrTruncated) != long || err != nil && !long {
				return fmt.Errorf("message %d: %v", i, err)
			}
			st2, done, err2 := r.Test()
			if st2 != st || !done || err2 != err {
				return fmt.Errorf("message %d: Test says %+v, %t, %v after Wait said %+v, %v", i, st2, done, err2, st, err)
			}
		}
	}
	return nil
}

// A window longer than what a rank keeps, and requests that wait in vain beside
// others that do not.
func TestManyRequests(t *testing.T) {
	for _, l := range rt.Layouts {
		t.Run(l.Name, func(t *testing.T) {
			const n = 1000
			err := rt.RunOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
				if w.Rank()%2 != 0 {
					return nil
				}
				peer := 2 - w.Rank()
				in := make([][1]int32, n)
				for round := range int32(3) {
					reqs := make([]*rt.Request, 0, 2*n)
					for i := range in {
						r, err := rt.IRecv(ctx, w, peer, 0, in[i][:])
						if err != nil {
							return err
						}
						reqs = append(reqs, r)
					}
					never, err := rt.IRecv(ctx, w, peer, 9, make([]byte, 1))
					if err != nil {
						return err
					}
					early, cancel := context.WithCancel(ctx)
					cancel()
					if _, err := never.Wait(early); !errors.Is(err, context.Canceled) {
						return fmt.Errorf("a receive that nobody serves: %v", err)
					}
					for i := range n {
						r, err := rt.ISend(ctx, w, peer, 0, []int32{round + int32(i)})
						if err != nil {
							return err
						}
						reqs = append(reqs, r)
					}
					if err := rt.WaitAll(ctx, reqs...); err != nil {
						return err
					}
					for i := range in {
						if in[i][0] != round+int32(i) {
							return fmt.Errorf("message %d of round %d is %d", i, round, in[i][0])
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

package rt_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"gridrun/rt"
)

var sizes = []int{1, 2, 3, 5, 8, 93}

// world runs body over every layout of transports, and fails the test when it
// fails, hangs or leaves goroutines.
func world(t *testing.T, n int, body rt.Body) {
	t.Helper()
	if err := run(t, n, body); err != nil {
		t.Fatal(err)
	}
	if n > 8 {
		return
	}
	for _, l := range rt.Layouts {
		if err := leakFree(t, func() error { return rt.RunOver(t, l, n, body) }); err != nil {
			t.Fatalf("%s, %d ranks: %v", l.Name, n, err)
		}
	}
}

func run(t *testing.T, n int, body rt.Body) error {
	t.Helper()
	return leakFree(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		return rt.Run(ctx, n, body)
	})
}

func leakFree(t *testing.T, f func() error) error {
	t.Helper()
	before := runtime.NumGoroutine()
	err := f()
	deadline := time.Now().Add(time.Minute)
	for ; runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("goroutines stayed behind: %d, before %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
	return err
}

func TestRing(t *testing.T) {
	for _, n := range sizes {
		for _, length := range []int{0, 1, 3, 1000, 1024, 1025, 100_003} {
			t.Run(fmt.Sprintf("ranks=%d/len=%d", n, length), func(t *testing.T) {
				if n == 93 && length > 2000 {
					length = 2000
				}
				world(t, n, func(ctx context.Context, w *rt.World) error {
					out, in := make([]float64, length), make([]float64, length)
					for i := range out {
						out[i] = float64(w.Rank()*1000 + i)
					}
					next, prev := (w.Rank()+1)%n, (w.Rank()+n-1)%n
					st, err := rt.SendRecv(ctx, w, next, out, prev, in, 7)
					if err != nil {
						return err
					}
					if st != (rt.Status{Source: prev, Tag: 7, Count: length}) {
						return fmt.Errorf("status %+v", st)
					}
					for i, v := range in {
						if v != float64(prev*1000+i) {
							return fmt.Errorf("element %d is %v", i, v)
						}
					}
					return nil
				})
			})
		}
	}
}

// Eager and rendezvous messages of one sender keep their order, also past the credit window.
func TestOrderAcrossTheWindow(t *testing.T) {
	const count = 400
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		length := func(i int) int { return []int{0, 10, 3000, 12_000, 1}[i%5] }
		if w.Rank() == 0 {
			var reqs []*rt.Request
			for i := range count {
				x := make([]int32, length(i))
				for j := range x {
					x[j] = int32(i)
				}
				r, err := rt.ISend(ctx, w, 1, rt.Tag(i%3), x)
				if err != nil {
					return err
				}
				reqs = append(reqs, r)
			}
			return rt.WaitAll(ctx, reqs...)
		}
		for tag := range rt.Tag(3) {
			for i := int(tag); i < count; i += 3 {
				x := make([]int32, 12_000)
				st, err := rt.Recv(ctx, w, 0, tag, x)
				if err != nil {
					return err
				}
				if st.Count != length(i) || st.Count > 0 && x[st.Count-1] != int32(i) {
					return fmt.Errorf("message %d: %+v", i, st)
				}
			}
		}
		return nil
	})
}

func TestWildcards(t *testing.T) {
	world(t, 8, func(ctx context.Context, w *rt.World) error {
		if w.Rank() > 0 {
			return rt.Send(ctx, w, 0, rt.Tag(w.Rank()), []int{w.Rank()})
		}
		seen := map[int]bool{}
		for range 7 {
			var x [1]int
			st, err := rt.Recv(ctx, w, rt.AnyRank, rt.AnyTag, x[:])
			if err != nil {
				return err
			}
			if st.Source != x[0] || st.Tag != rt.Tag(x[0]) || seen[x[0]] {
				return fmt.Errorf("%+v carries %d", st, x[0])
			}
			seen[x[0]] = true
		}
		return nil
	})
}

func TestErrorsNameWhatHappened(t *testing.T) {
	type pointers struct{ P *int }
	cases := []struct {
		name string
		body func(ctx context.Context, w *rt.World) error
		is   error
		want string
	}{
		{"truncated", func(ctx context.Context, w *rt.World) error {
			_, err := rt.Recv(ctx, w, 1, 3, make([]byte, 2))
			return err
		}, rt.ErrTruncated, "rank 0: Recv from rank 1, tag 3: truncated: the message has 5 elements"},
		{"type", func(ctx context.Context, w *rt.World) error {
			_, err := rt.Recv(ctx, w, 1, 3, make([]int8, 5))
			return err
		}, rt.ErrType, "the sender's elements are uint8, the receiver's int8"},
		{"pointers", func(ctx context.Context, w *rt.World) error {
			return rt.Send(ctx, w, 1, 0, []pointers{{}})
		}, nil, "field P: *int holds a pointer"},
		{"no such rank", func(ctx context.Context, w *rt.World) error {
			return rt.Send(ctx, w, 2, 0, []int{1})
		}, nil, "rank 2 is not in the group of 2"},
		{"tag", func(ctx context.Context, w *rt.World) error {
			return rt.Send(ctx, w, 1, -4, []int{1})
		}, nil, "tag -4 is negative"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			world(t, 2, func(ctx context.Context, w *rt.World) error {
				if w.Rank() == 1 {
					if c.is == nil {
						return nil
					}
					return rt.Send(ctx, w, 0, 3, make([]byte, 5))
				}
				err := c.body(ctx, w)
				var e *rt.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
					return fmt.Errorf("got %v", err)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					return fmt.Errorf("%v is not %v", err, c.is)
				}
				return nil
			})
		})
	}
}

func TestCancelBeforeMatch(t *testing.T) {
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 0 {
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if _, err := rt.Recv(short, w, 1, 5, make([]int, 1)); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("Recv: %v", err)
			}
			if err := rt.SSend(short, w, 1, 6, []int{1}); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("SSend: %v", err)
			}
			return rt.Send(ctx, w, 1, 7, []int{1})
		}
		// What was taken back is not there any more.
		if _, err := rt.Recv(ctx, w, 0, 7, make([]int, 1)); err != nil {
			return err
		}
		if _, found, err := rt.IProbe(w, 0, 6); found || err != nil && !errors.Is(err, rt.ErrPeerLost) {
			return fmt.Errorf("the cancelled message is still there (%v)", err)
		}
		return nil
	})
}

func TestFailureReachesEverybody(t *testing.T) {
	boom := errors.New("boom")
	for _, n := range sizes[1:] {
		err := run(t, n, func(ctx context.Context, w *rt.World) error {
			if w.Rank() == n-1 {
				return boom
			}
			_, err := rt.Recv(ctx, w, n-1, 0, make([]int, 1))
			if err == nil {
				return errors.New("received from a rank that sent nothing")
			}
			return err
		})
		if !errors.Is(err, boom) {
			t.Fatalf("%d ranks: %v", n, err)
		}
	}
}

func TestWildcardSeesLoss(t *testing.T) {
	world(t, 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() != 0 {
			return rt.Send(ctx, w, 0, 1, []int{1})
		}
		for range 2 {
			if _, err := rt.Recv(ctx, w, rt.AnyRank, 1, make([]int, 1)); err != nil {
				return err
			}
		}
		_, err := rt.Recv(ctx, w, rt.AnyRank, 1, make([]int, 1))
		if !errors.Is(err, rt.ErrPeerLost) || !strings.Contains(err.Error(), "every other rank of the group has finished") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}

func TestPanicIsAFailure(t *testing.T) {
	err := run(t, 2, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 1 {
			panic("rank 1 went wrong")
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "panic: rank 1 went wrong") {
		t.Fatal(err)
	}
}

func TestAbort(t *testing.T) {
	err := run(t, 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 2 {
			rt.Abort(w, 7, errors.New("enough"))
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, rt.ErrAborted) || !strings.Contains(err.Error(), "rank 2 aborted the job: enough") {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	type v struct {
		Name string
		M    map[string][]float64
	}
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 0 {
			return rt.SendValue(ctx, w, 1, 0, v{"x", map[string][]float64{"a": {1, 2.5}}})
		}
		got, st, err := rt.RecvValue[v](ctx, w, 0, 0)
		if err != nil || st.Count != 1 || got.Name != "x" || got.M["a"][1] != 2.5 {
			return fmt.Errorf("%+v %+v %v", got, st, err)
		}
		return nil
	})
}

func TestSplitAndDup(t *testing.T) {
	for _, n := range sizes {
		world(t, n, func(ctx context.Context, w *rt.World) error {
			color := w.Rank() % 3
			if w.Rank() == n-1 {
				color = -1
			}
			g, err := rt.Split(ctx, w, color, -w.Rank())
			if err != nil {
				return err
			}
			d, err := rt.Dup(ctx, w)
			if err != nil {
				return err
			}
			if d.Rank() != w.Rank() || d.Size() != n {
				return fmt.Errorf("Dup: rank %d of %d", d.Rank(), d.Size())
			}
			if color < 0 {
				if g != nil {
					return errors.New("negative color has a group")
				}
				return d.Close()
			}
			// Keys are descending, so the highest world rank comes first.
			if g.WorldRank(g.Rank()) != w.Rank() || g.Rank() > 0 && g.WorldRank(g.Rank()-1) <= w.Rank() {
				return fmt.Errorf("rank %d of %d is world rank %d", g.Rank(), g.Size(), g.WorldRank(g.Rank()))
			}
			x := []int{-1}
			next, prev := (g.Rank()+1)%g.Size(), (g.Rank()+g.Size()-1)%g.Size()
			st, err := rt.SendRecv(ctx, g, next, []int{w.Rank()}, prev, x, 0)
			if err != nil || x[0] != g.WorldRank(prev) || st.Source != prev {
				return fmt.Errorf("ring in the split group: %v %v %v", x, st, err)
			}
			return errors.Join(g.Close(), d.Close())
		})
	}
}

func TestWaitAnyAndTest(t *testing.T) {
	world(t, 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() > 0 {
			if w.Rank() == 1 { // rank 1 speaks after rank 0 has heard rank 2
				if _, err := rt.Recv(ctx, w, 0, 9, make([]int, 0)); err != nil {
					return err
				}
			}
			return rt.Send(ctx, w, 0, 0, []int{w.Rank()})
		}
		a, b := []int{0}, []int{0}
		ra, err := rt.IRecv(ctx, w, 1, 0, a)
		if err != nil {
			return err
		}
		rb, err := rt.IRecv(ctx, w, 2, 0, b)
		if err != nil {
			return err
		}
		i, st, err := rt.WaitAny(ctx, nil, ra, rb)
		if err != nil || i != 2 || st.Source != 2 || b[0] != 2 {
			return fmt.Errorf("WaitAny: %d %+v %v", i, st, err)
		}
		if err := rt.Send(ctx, w, 1, 9, []int{}); err != nil {
			return err
		}
		for {
			st, done, err := ra.Test()
			if err != nil {
				return err
			}
			if done {
				if st.Count != 1 || a[0] != 1 {
					return fmt.Errorf("Test: %+v %v", st, a)
				}
				return nil
			}
		}
	})
}

// A rank that does not receive stops its senders: what they can push into it is bounded.
func TestSlowReceiverStopsSender(t *testing.T) {
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 0 {
			x := make([]byte, 1024)
			sent := 0
			for {
				short, cancel := context.WithTimeout(ctx, time.Second)
				err := rt.Send(short, w, 1, 0, x)
				cancel()
				if err != nil {
					if sent > 256 || sent < 16 { // the windows are 64 KiB and, over TCP, 256
						return fmt.Errorf("%d messages of 1 KiB went to a rank that receives none", sent)
					}
					return rt.Send(ctx, w, 1, 1, []int{sent})
				}
				sent++
			}
		}
		n := []int{0}
		if _, err := rt.Recv(ctx, w, 0, 1, n); err != nil {
			return err
		}
		for range n[0] {
			if _, err := rt.Recv(ctx, w, 0, 0, make([]byte, 1024)); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestSSendWaitsForTheReceiver(t *testing.T) {
	for _, length := range []int{0, 1, 5000} {
		world(t, 2, func(ctx context.Context, w *rt.World) error {
			x := make([]int16, length)
			if w.Rank() == 1 {
				// Rank 0's SSend must not end before this receive is posted: it
				// sends the second message only afterwards.
				if _, found, err := rt.IProbe(w, 0, 2); found || err != nil {
					return fmt.Errorf("the second message is there before the first was received (%v)", err)
				}
				if _, err := rt.Recv(ctx, w, 0, 1, x); err != nil {
					return err
				}
				_, err := rt.Recv(ctx, w, 0, 2, x)
				return err
			}
			if err := rt.SSend(ctx, w, 1, 1, x); err != nil {
				return err
			}
			return rt.SSend(ctx, w, 1, 2, x)
		})
	}
}

package rt_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"gridrun/rt"
)

// t.FailNow in a body ends its goroutine: the others must not wait for it.
func TestGoexitIsAFailure(t *testing.T) {
	err := run(t, 3, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 1 {
			runtime.Goexit()
		}
		_, err := rt.Recv(ctx, w, 1, 0, make([]int, 1))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Fatal(err)
	}
}

// An Abort comes from any goroutine, also when its rank then returns nil, and
// the first one counts.
func TestAbortFromAnotherGoroutine(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		world := func(ctx context.Context, w *rt.World) error {
			if w.Rank() != n-1 {
				<-ctx.Done()
				return ctx.Err()
			}
			go rt.Abort(w, 0, nil)
			<-ctx.Done()
			return nil
		}
		if err := run(t, n, world); !errors.Is(err, rt.ErrAborted) || !strings.Contains(err.Error(), "no reason given") {
			t.Fatal(err)
		}
	}
}

func TestFirstFailureInCause(t *testing.T) {
	boom := errors.New("boom")
	failed := make(chan struct{})
	err := run(t, 5, func(ctx context.Context, w *rt.World) error {
		switch w.Rank() {
		case 4:
			defer close(failed)
			return boom
		case 3: // fails by itself, but later
			<-failed
			<-ctx.Done()
			return errors.New("own trouble")
		case 2:
			<-ctx.Done()
			rt.Abort(w, 9, errors.New("giving up as well"))
			return nil
		case 1:
			return fmt.Errorf("waiting: %w", func() error { <-ctx.Done(); return context.Cause(ctx) }())
		}
		_, err := rt.Recv(ctx, w, rt.AnyRank, rt.AnyTag, make([]int, 1))
		return err
	})
	if err == nil || err.Error() != "boom" {
		t.Fatal(err)
	}
}

// A goroutine that a body leaves behind in a receive ends when no rank is left
// that could send.
func TestBodyLeavesAGoroutineBehind(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		err := run(t, n, func(ctx context.Context, w *rt.World) error {
			started := make(chan struct{})
			go func() {
				close(started)
				rt.Recv(context.Background(), w, (w.Rank()+1)%n, 99, make([]int, 1))
			}()
			<-started
			next, prev := (w.Rank()+1)%n, (w.Rank()+n-1)%n
			_, err := rt.SendRecv(ctx, w, next, []int{1}, prev, make([]int, 1), 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

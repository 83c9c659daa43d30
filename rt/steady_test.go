package rt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gridrun/rt"
)

// A ping-pong between goroutine ranks allocates next to nothing once it runs:
// what it costs is bounded here, and logged.
func TestPingPongAllocations(t *testing.T) {
	for _, c := range []struct {
		bytes int
		most  float64 // allocations of both ranks a round trip
	}{{8, 4}, {64 << 10, 12}} {
		err := run(t, 2, func(ctx context.Context, w *rt.World) error {
			x := make([]byte, c.bytes)
			peer := 1 - w.Rank()
			const rounds = 2000
			if w.Rank() == 1 {
				for {
					st, err := rt.Recv(ctx, w, peer, rt.AnyTag, x)
					if err != nil || st.Tag == 1 {
						return err
					}
					if err := rt.Send(ctx, w, peer, 0, x); err != nil {
						return err
					}
				}
			}
			var failed error
			got := testing.AllocsPerRun(rounds, func() {
				err := rt.Send(ctx, w, peer, 0, x)
				if err == nil {
					_, err = rt.Recv(ctx, w, peer, 0, x)
				}
				failed = errors.Join(failed, err)
			})
			t.Logf("%d bytes: %v allocations a round trip", c.bytes, got)
			if got > c.most {
				return fmt.Errorf("%d bytes: %v allocations a round trip, the most is %v", c.bytes, got, c.most)
			}
			return errors.Join(failed, rt.Send(ctx, w, peer, 1, x))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestThousandRanks(t *testing.T) {
	const n = 1000
	err := run(t, n, func(ctx context.Context, w *rt.World) error {
		next, prev := (w.Rank()+1)%n, (w.Rank()+n-1)%n
		x := []int{w.Rank()}
		for range 5 {
			if _, err := rt.SendRecv(ctx, w, next, x, prev, x, 0); err != nil {
				return err
			}
		}
		if want := (w.Rank() + n - 5) % n; x[0] != want {
			return fmt.Errorf("got %d, expected %d", x[0], want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

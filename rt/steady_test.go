package rt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gridrun/rt"
)

// Messages of a steady exchange allocate nothing, on either side.
func TestPingPongAllocations(t *testing.T) {
	for _, l := range rt.Layouts {
		if l.ProcsPerHost == 2 {
			continue // 0 and 2 are on two hosts there, as over tcp
		}
		for _, size := range []int{8, 8 << 10, 64 << 10} {
			t.Run(fmt.Sprintf("%s/%d", l.Name, size), func(t *testing.T) {
				if err := rt.RunOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
					return pingPong(ctx, t, w, size)
				}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// pingPong is between ranks 0 and 2: two processes where there are several.
func pingPong(ctx context.Context, t *testing.T, w *rt.World, size int) error {
	x := make([]byte, size)
	switch w.Rank() {
	case 2:
		for {
			st, err := rt.Recv(ctx, w, 0, rt.AnyTag, x)
			if err != nil || st.Tag == 1 {
				return err
			}
			if err := rt.Send(ctx, w, 0, 0, x); err != nil {
				return err
			}
		}
	case 0:
		var failed error
		got := testing.AllocsPerRun(1000, func() {
			err := rt.Send(ctx, w, 2, 0, x)
			if err == nil {
				_, err = rt.Recv(ctx, w, 2, 0, x)
			}
			failed = errors.Join(failed, err)
		})
		if got > 0 && !raceEnabled {
			t.Errorf("%v allocations a round trip", got)
		}
		return errors.Join(failed, rt.Send(ctx, w, 2, 1, x))
	}
	return nil
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

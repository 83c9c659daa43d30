package collectives_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"gridrun/collectives"
	"gridrun/rt"
)

// Ten thousand goroutine ranks are a job like any other, of little memory.
func TestTenThousandRanks(t *testing.T) {
	n := 10_000
	if raceEnabled {
		n = 2000 // the race detector has room for 8000 goroutines
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	err := rt.Run(context.Background(), n, func(ctx context.Context, w *rt.World) error {
		if err := collectives.Barrier(ctx, w); err != nil {
			return err
		}
		x := []int64{int64(w.Rank()), 1}
		if err := collectives.AllReduce(ctx, w, x, collectives.Sum); err != nil {
			return err
		}
		if want := int64(n) * int64(n-1) / 2; x[0] != want || x[1] != int64(n) {
			return fmt.Errorf("rank %d: %v, want %d and %d", w.Rank(), x, want, n)
		}
		if w.Rank() == 0 {
			runtime.ReadMemStats(&after)
		}
		return collectives.Barrier(ctx, w)
	})
	if err != nil {
		t.Fatal(err)
	}
	each := (after.Sys - before.Sys) / uint64(n)
	t.Logf("%d bytes a rank", each)
	if each > 40<<10 && !raceEnabled {
		t.Errorf("%d bytes a rank, at most 40 KiB are expected", each)
	}
}

package kernels

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestMeasure: every kernel gives figures, none allocates.
func TestMeasure(t *testing.T) {
	r, err := Measure(context.Background(), []int{4 << 10, 512 << 10}, 1, time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != len(all()) || len(r.Copy) != 2 || len(r.Limit) != 2 || r.Limit[0] != r.Copy[0] || r.Limit[1] >= r.Copy[1] {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		if row.Bandwidth[0] <= 0 || row.Bandwidth[1] <= 0 || row.Ratio[1] <= 0 {
			t.Errorf("%+v", row)
		}
		if row.Allocs > 0.5 {
			t.Errorf("%s of %s allocates %.1f times", row.Op, row.Type, row.Allocs)
		}
	}
	var b strings.Builder
	r.Print(&b)
	for _, part := range []string{"complex128", "Loc[float64]", "BitXor", "512 KiB", "limit"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in\n%s", part, &b)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, []int{1 << 10}, 1, time.Hour); err == nil {
		t.Error("goes on after its end")
	}
}

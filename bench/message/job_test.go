package message

import (
	"context"
	"testing"
	"time"

	"gridrun/rt"
)

// TestMeasure: every test runs with every number of ranks, sizes and zero calls.
func TestMeasure(t *testing.T) {
	for _, ranks := range []int{1, 2, 3, 5, 8} {
		for _, test := range append(typed(t), tests...) {
			if test.isPair() && ranks < 2 {
				continue
			}
			for _, bytes := range []int{0, 8, 1000} {
				err := rt.Run(context.Background(), ranks, func(ctx context.Context, w *rt.World) error {
					m, err := test.prepare(ctx, w, bytes)
					if err != nil {
						return err
					}
					defer m.close()
					for calls := range 3 {
						took, err := test.run(ctx, m, calls)
						if err != nil || took < 0 || took > time.Minute {
							t.Errorf("%s of %d bytes, %d ranks: %v, %v", test.name, bytes, ranks, took, err)
							return err
						}
					}
					if want := 3 % ranks; m.root != want {
						t.Errorf("%s: the root is %d, want %d", test.name, m.root, want)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// typed are reductions of all types with all operations.
func typed(t *testing.T) (all []test) {
	for _, name := range []string{
		"allreduce-int8-sum", "allreduce-int32-max", "allreduce-float32-min/ring", "reduce-int16-prod",
		"reducescatter-int64-min", "scan-float64-max",
	} {
		test, ok := find(name)
		if !ok || test.fullName() != name {
			t.Fatalf("%s is found as %q, %v", name, test.fullName(), ok)
		}
		all = append(all, test)
	}
	return all
}

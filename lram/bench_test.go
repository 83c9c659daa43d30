package lram

import (
	"context"
	"math/rand/v2"
	"testing"

	"gridrun/rt"
)

// BenchmarkRead reads resident blocks: a level of 42 KB, and 20 of them at once.
func BenchmarkRead(b *testing.B) {
	p := randomPlain(b, rand.New(rand.NewPCG(1, 1)), b.TempDir(), "x", "float32", []int{20, 73, 144})
	err := rt.Run(context.Background(), 1, func(ctx context.Context, w *rt.World) error {
		c, err := New(ctx, w, Config{})
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			return err
		}
		buf := make([]float32, len(p.stored))
		for name, levels := range map[string]int{"one block": 1, "20 blocks": 20} {
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(levels * 73 * 144 * 4))
				for b.Loop() {
					if _, err := Read(ctx, d, []int{0, 0, 0}, []int{levels, 73, 144}, buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

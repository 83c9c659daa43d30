package rt_test

import (
	"context"
	"fmt"
	"testing"

	"gridrun/rt"
)

// BenchmarkGoroutineRanks is a message there and back, beside the same over two
// channels.
func BenchmarkGoroutineRanks(b *testing.B) {
	for _, size := range []int{8, 1024, 64 << 10} {
		b.Run(fmt.Sprintf("rt/%d", size), func(b *testing.B) {
			err := rt.Run(context.Background(), 2, func(ctx context.Context, w *rt.World) error {
				x, y := make([]byte, size), make([]byte, size)
				peer := 1 - w.Rank()
				for range b.N {
					if w.Rank() == 0 {
						if err := rt.Send(ctx, w, peer, 0, x); err != nil {
							return err
						}
					}
					if _, err := rt.Recv(ctx, w, peer, 0, y); err != nil {
						return err
					}
					if w.Rank() == 1 {
						if err := rt.Send(ctx, w, peer, 0, x); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprintf("channel/%d", size), func(b *testing.B) {
			there, back := make(chan []byte), make(chan []byte)
			go func() {
				x := make([]byte, size)
				for y := range there {
					copy(x, y)
					back <- x
				}
			}()
			x, y := make([]byte, size), make([]byte, size)
			for range b.N {
				there <- x
				copy(y, <-back)
			}
			close(there)
		})
	}
}

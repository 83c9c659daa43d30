package rt_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/rt"
)

// A rank that has posted a long receive, or send, and computes does not hold its
// peer up: the transfer ends while it never calls in.
func TestComputingRanks(t *testing.T) {
	for _, l := range rt.Layouts {
		for _, size := range []int{64 << 10, 6 << 20} {
			for _, computes := range []string{"receiver", "sender"} {
				t.Run(fmt.Sprintf("%s/%d/%s", l.Name, size, computes), func(t *testing.T) {
					var over atomic.Bool
					err := rt.RunOver(t, l, 4, func(ctx context.Context, w *rt.World) error {
						x := make([]byte, size)
						receives := computes == "receiver"
						switch w.Rank() {
						case 0: // waits
							defer over.Store(true)
							if _, err := rt.Recv(ctx, w, 2, 1, make([]byte, 1)); err != nil {
								return err
							}
							if receives {
								return rt.Send(ctx, w, 2, 0, x)
							}
							_, err := rt.Recv(ctx, w, 2, 0, x)
							return err
						case 2: // computes
							start := rt.ISend[byte]
							if receives {
								start = rt.IRecv[byte]
							}
							r, err := start(ctx, w, 0, 0, x)
							if err == nil {
								err = rt.Send(ctx, w, 0, 1, []byte{1})
							}
							if err != nil {
								return err
							}
							for end := time.Now().Add(time.Minute); !over.Load(); {
								if time.Now().After(end) {
									return errors.New("rank 0 still waits")
								}
							}
							_, err = r.Wait(ctx)
							return err
						}
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}

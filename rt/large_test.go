//go:build !race

package rt

import (
	"context"
	"fmt"
	"testing"

	"gridrun/internal/needs"
)

// TestLarge: messages of more bytes, and of more elements, than 31 bits count. Not
// under the race detector, which keeps several times as much memory beside.
func TestLarge(t *testing.T) {
	const n = 1<<31 + 9
	needs.Memory(t, 2*n+1<<30)
	for _, l := range Layouts[:3] { // each transport alone
		err := RunOver(t, l, 2, func(ctx context.Context, w *World) error {
			x := make([]byte, n) // of zeroes, which take no memory at the sender
			if w.Rank() == 0 {
				x[0], x[1<<31], x[n-1] = 1, 2, 3
				return Send(ctx, w, 1, 0, x)
			}
			st, err := Recv(ctx, w, 0, 0, x)
			if err == nil && (st.Count != n || x[0] != 1 || x[1<<31] != 2 || x[n-1] != 3 || x[1] != 0) {
				err = fmt.Errorf("%d of %d bytes: %d, %d, %d", st.Count, n, x[0], x[1<<31], x[n-1])
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", l.Name, err)
		}
	}
}

// Ring: a token passes every rank and comes back; each rank adds its number.
package main

import (
	"context"
	"fmt"

	"gridrun/rt"
)

func main() { rt.Main(ring) }

func ring(ctx context.Context, w *rt.World) error {
	n := w.Size()
	next, prev := (w.Rank()+1)%n, (w.Rank()+n-1)%n
	token := []int{0}
	if w.Rank() > 0 {
		if _, err := rt.Recv(ctx, w, prev, 0, token); err != nil {
			return err
		}
	}
	token[0] += w.Rank()
	if w.Rank() == 0 {
		// Rank 0 sends and receives at once: alone, it is its own neighbour.
		if _, err := rt.SendRecv(ctx, w, next, token, prev, token, 0); err != nil {
			return err
		}
		if want := n * (n - 1) / 2; token[0] != want {
			return fmt.Errorf("the token came back with %d, want %d", token[0], want)
		}
		fmt.Fprintf(w.Stdout(), "the token passed %d ranks and came back with %d\n", n, token[0])
		return nil
	}
	return rt.Send(ctx, w, next, 0, token)
}

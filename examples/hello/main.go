// Hello: every rank says where it is, in the order of ranks.
package main

import (
	"context"
	"fmt"

	"gridrun/rt"
)

func main() { rt.Main(hello) }

func hello(ctx context.Context, w *rt.World) error {
	greeting := fmt.Sprintf("hello from rank %d of %d on %s", w.Rank(), w.Size(), w.Host())
	if w.Rank() > 0 {
		return rt.SendValue(ctx, w, 0, 0, greeting)
	}
	fmt.Fprintln(w.Stdout(), greeting)
	for r := 1; r < w.Size(); r++ {
		text, st, err := rt.RecvValue[string](ctx, w, r, 0)
		if err != nil {
			return err
		}
		if st.Source != r {
			return fmt.Errorf("asked for rank %d, heard rank %d", r, st.Source)
		}
		fmt.Fprintln(w.Stdout(), text)
	}
	return nil
}

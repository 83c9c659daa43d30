package rt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestPack(t *testing.T) {
	a := make([]int, 24) // 4 x 6
	for i := range a {
		a[i] = i
	}
	shape := []int{4, 6}
	for _, c := range []struct {
		b    Box
		want []int
	}{
		{Box{shape, []int{1, 2}, []int{2, 3}, nil}, []int{8, 9, 10, 14, 15, 16}},
		{Box{shape, []int{1, 0}, []int{2, 6}, nil}, []int{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
		{Box{shape, []int{0, 5}, []int{4, 1}, nil}, []int{5, 11, 17, 23}},
		{Box{shape, []int{0, 1}, []int{2, 2}, []int{3, 4}}, []int{1, 5, 19, 23}},
		{Box{shape, []int{4, 0}, []int{0, 6}, nil}, []int{}},
	} {
		x, err := Pack(a, c.b)
		if err != nil || !slices.Equal(x, c.want) || c.b.Len() != len(c.want) {
			t.Errorf("%+v: %v, %v, want %v", c.b, x, err, c.want)
		}
		back := make([]int, len(a))
		if err := Unpack(back, c.b, slices.Clone(x)); err != nil {
			t.Error(err)
		}
		for i, v := range back {
			if in := slices.Contains(c.want, i); in && v != i || !in && v != 0 {
				t.Errorf("%+v: unpacked %v", c.b, back)
				break
			}
		}
	}
	for _, b := range []Box{
		{[]int{4, 5}, []int{0, 0}, []int{1, 1}, nil},
		{shape, []int{0}, []int{1}, nil},
		{shape, []int{3, 0}, []int{2, 1}, nil},
		{shape, []int{0, 0}, []int{1, 4}, []int{1, 2}},
		{[]int{-1, -24}, []int{0, 0}, []int{0, 0}, nil},
	} {
		if _, err := Pack(a, b); err == nil {
			t.Errorf("%+v: no error", b)
		}
		if err := Unpack(a, b, nil); err == nil {
			t.Errorf("%+v: no error", b)
		}
	}
	if err := Unpack(a, Box{shape, []int{0, 0}, []int{1, 1}, nil}, []int{1, 2}); err == nil {
		t.Error("two elements went into a box of one")
	}
}

// TestBoxes: a column goes to the next rank, which takes it as a row; with every
// layout.
func TestBoxes(t *testing.T) {
	for _, l := range Layouts {
		for _, n := range []int{1, 2, 3, 5} {
			err := RunOver(t, l, n, func(ctx context.Context, w *World) error {
				const rows, cols = 300, 7
				a := make([]float64, rows*cols)
				for i := range a {
					a[i] = float64(w.Rank()*10000 + i)
				}
				next, prev := (w.Rank()+1)%n, (w.Rank()+n-1)%n
				sent := make(chan error, 1)
				go func() {
					sent <- SendBox(ctx, w, next, 4, a, Box{[]int{rows, cols}, []int{0, 3}, []int{rows, 1}, nil})
				}()
				b := make([]float64, 3*rows)
				st, err := RecvBox(ctx, w, prev, 4, b, Box{[]int{3, rows}, []int{1, 0}, []int{1, rows}, nil})
				if err := errors.Join(err, <-sent); err != nil {
					return err
				}
				for i, v := range b {
					want := 0.0
					if i/rows == 1 {
						want = float64(prev*10000 + i%rows*cols + 3)
					}
					if v != want || st.Count != rows {
						return fmt.Errorf("element %d is %v, want %v (%+v)", i, v, want, st)
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s, %d ranks: %v", l.Name, n, err)
			}
		}
	}
}

func TestBoxErrors(t *testing.T) {
	err := Run(context.Background(), 2, func(ctx context.Context, w *World) error {
		a, every := make([]byte, 8), Box{[]int{8}, []int{0}, []int{4}, []int{2}}
		if w.Rank() == 0 {
			return errors.Join(Send(ctx, w, 1, 1, a[:3]), Send(ctx, w, 1, 1, a[:5]))
		}
		if _, err := RecvBox(ctx, w, 0, 1, a, every); !errors.Is(err, errShort) {
			return fmt.Errorf("too short: %v", err)
		}
		if _, err := RecvBox(ctx, w, 0, 1, a, every); !errors.Is(err, ErrTruncated) {
			return fmt.Errorf("too long: %v", err)
		}
		var e *Error
		if err := SendBox(ctx, w, 0, 1, a[1:], every); !errors.As(err, &e) || e.Op != "SendBox" {
			return fmt.Errorf("another shape: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

package rt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gridrun/collectives"
	"gridrun/rt"
)

// What programs outside rely on beyond names and types, which promise_test.go has.

// TestProbeCounts: a slice of as many elements as a probe says takes the message,
// though the process has not used the type before.
func TestProbeCounts(t *testing.T) {
	type point struct {
		id int32
		at [3]float64
	}
	type row [512]float64
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		if w.Rank() == 0 {
			return errors.Join(
				rt.Send(ctx, w, 1, 0, make([]float64, 3)),
				rt.Send(ctx, w, 1, 1, make([]point, 7)),
				rt.Send(ctx, w, 1, 2, []int16(nil)),
				rt.SendValue(ctx, w, 1, 3, strings.Repeat("long", 100)),
				rt.Send(ctx, w, 1, 4, make([]struct{}, 5)),
				rt.Send(ctx, w, 1, 5, make([]row, 2)),
				rt.Send(ctx, w, 1, 6, make([]complex64, 1<<20)))
		}
		for tag, n := range []int{3, 7, 0, 1, 0, 2, 1 << 20} {
			want := rt.Status{Source: 0, Tag: rt.Tag(tag), Count: n}
			st, err := rt.Probe(ctx, w, rt.AnyRank, rt.Tag(tag))
			if err != nil || st != want {
				return fmt.Errorf("Probe: %+v, %v, expected %+v", st, err, want)
			}
			st, found, err := rt.IProbe(w, 0, rt.AnyTag)
			if err != nil || !found || st != want {
				return fmt.Errorf("IProbe: %+v, %v, %v, expected %+v", st, found, err, want)
			}
			switch tag {
			case 0:
				st, err = rt.Recv(ctx, w, 0, st.Tag, make([]float64, st.Count))
			case 1:
				st, err = rt.Recv(ctx, w, 0, st.Tag, make([]point, st.Count))
			case 2:
				st, err = rt.Recv(ctx, w, 0, st.Tag, []int16(nil))
			case 3:
				_, st, err = rt.RecvValue[string](ctx, w, 0, st.Tag)
			case 4:
				st, err = rt.Recv(ctx, w, 0, st.Tag, make([]struct{}, 1)) // they cannot be counted
			case 5:
				st, err = rt.Recv(ctx, w, 0, st.Tag, make([]row, st.Count))
			case 6:
				st, err = rt.Recv(ctx, w, 0, st.Tag, make([]complex64, st.Count))
			}
			if err != nil || st != want {
				return fmt.Errorf("received %+v, %v, expected %+v", st, err, want)
			}
		}
		return nil
	})
}

// TestClosedGroup: nothing hangs on a group that this rank has closed, or says that
// it went well.
func TestClosedGroup(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		world(t, n, func(ctx context.Context, w *rt.World) error {
			for i, use := range []func(g *rt.Comm) error{
				func(g *rt.Comm) error { return rt.Send(ctx, g, 0, 0, []int{1}) },
				func(g *rt.Comm) error { return rt.Send(ctx, g, n-1, 0, make([]int, 1<<16)) },
				func(g *rt.Comm) error { return rt.SSend(ctx, g, 0, 0, []int{1}) },
				func(g *rt.Comm) error { _, err := rt.Recv(ctx, g, 0, 0, []int{1}); return err },
				func(g *rt.Comm) error { _, err := rt.Recv(ctx, g, rt.AnyRank, 0, []int{1}); return err },
				func(g *rt.Comm) error { _, err := rt.Probe(ctx, g, 0, rt.AnyTag); return err },
				func(g *rt.Comm) error { _, _, err := rt.IProbe(g, 0, rt.AnyTag); return err },
				func(g *rt.Comm) error { return collectives.Barrier(ctx, g) },
				func(g *rt.Comm) error {
					return collectives.AllReduce(ctx, g, make([]float64, 1000), collectives.Sum[float64])
				},
				func(g *rt.Comm) error { _, err := rt.Split(ctx, g, 0, 0); return err },
			} {
				g, err := rt.Dup(ctx, w)
				if err != nil {
					return err
				}
				if i%2 == 0 { // what it shares with the others exists already
					if err := collectives.Barrier(ctx, g); err != nil {
						return err
					}
				}
				if err := collectives.Barrier(ctx, w); err != nil { // nobody is still in that of g
					return err
				}
				if err := errors.Join(g.Close(), g.Close()); err != nil {
					return err
				}
				if err := use(g); err == nil || !strings.Contains(err.Error(), "closed") && !errors.Is(err, rt.ErrRevoked) {
					return fmt.Errorf("use %d of a closed group: %v", i, err)
				}
				if err := collectives.Barrier(ctx, w); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// TestRefusalsNameThePeer: what is refused before it starts names operation, rank,
// peer and tag like every error.
func TestRefusalsNameThePeer(t *testing.T) {
	world(t, 2, func(ctx context.Context, w *rt.World) error {
		lines := make([]string, 1)
		for i, c := range []struct {
			err  error
			peer int
			tag  rt.Tag
			op   string
		}{
			{rt.Send(ctx, w, 1, 4, lines), 1, 4, "Send"},
			{rt.SSend(ctx, w, 1, 4, lines), 1, 4, "SSend"},
			{rt.Send(ctx, w, 9, 4, []int{1}), 9, 4, "Send"},
			{rt.Send(ctx, w, -3, 4, []int{1}), -1, 4, "Send"},
			{rt.SendValue(ctx, w, 0, 4, func() {}), 0, 4, "SendValue"},
			{second(rt.Recv(ctx, w, 1, 4, lines)), 1, 4, "Recv"},
			{second(rt.Recv(ctx, w, rt.AnyRank, rt.AnyTag, lines)), -1, -1, "Recv"},
			{second(rt.Recv(ctx, w, 2, 4, []int{1})), 2, 4, "Recv"},
			{second(rt.ISend(ctx, w, 1, 4, lines)), 1, 4, "ISend"},
			{second(rt.IRecv(ctx, w, 1, 4, lines)), 1, 4, "IRecv"},
			{second(rt.SendRecv(ctx, w, 1, lines, 0, lines, 4)), 0, 4, "SendRecv"},
		} {
			var e *rt.Error
			if !errors.As(c.err, &e) {
				return fmt.Errorf("%d: %v is no *rt.Error", i, c.err)
			}
			if e.Op != c.op || e.Rank != w.Rank() || e.Peer != c.peer || e.Tag != c.tag {
				return fmt.Errorf("%d: %+v, expected %s, peer %d, tag %d", i, *e, c.op, c.peer, c.tag)
			}
		}
		return nil
	})
}

func second[T any](_ T, err error) error { return err }

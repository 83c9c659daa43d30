package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "gridrun/collectives"
	"gridrun/internal/cost"
	"gridrun/rt"
)

// The test binary is also a rank program: started by gridrun it checks every
// operation against its twin, over real processes.
func TestMain(m *testing.M) {
	if os.Getenv("GRIDRUN_CONTROL") != "" {
		rt.Main(launched)
	}
	os.Exit(m.Run())
}

func launched(ctx context.Context, w *rt.World) error {
	if os.Getenv(ReproducibleVariable) != "" {
		return reproduced(ctx, w)
	}
	ints := kind[int32]{small[int32], Sum[int32]}
	floats := kind[float64]{small[float64], Sum[float64]}
	lengths := []int{0, 1, 7, 1000, 20_011}
	if w.Size() > 16 {
		lengths = []int{0, 5, 300}
	}
	for _, n := range lengths {
		root := n % w.Size()
		if err := errors.Join(ints.everything(ctx, w, n, root), floats.everything(ctx, w, n, root)); err != nil {
			return fmt.Errorf("%d elements: %w", n, err)
		}
	}
	if w.Size() > 17 {
		return nil
	}
	if err := errors.Join(ints.reductions(ctx, w, 140_001), floats.reductions(ctx, w, 70_001)); err != nil {
		return err
	}
	if w.Size() > 16 {
		return nil
	}
	if w.Size() == 5 {
		if err := moved(ctx, w); err != nil {
			return err
		}
	}
	mixed, err := rt.Split(ctx, w, 0, w.Rank()*5%w.Size()) // nodes are no runs of ranks
	if err != nil {
		return err
	}
	if err := ints.everything(ctx, mixed, 77, 1); err != nil {
		return fmt.Errorf("in another order: %w", err)
	}
	if err := mixed.Close(); err != nil {
		return err
	}
	half, err := rt.Split(ctx, w, w.Rank()%2, -w.Rank())
	if err != nil {
		return err
	}
	if err := ints.everything(ctx, half, 513, half.Size()-1); err != nil {
		return fmt.Errorf("in half the ranks: %w", err)
	}
	if err := half.Close(); err != nil {
		return err
	}
	if err := alike(ctx, w); err != nil {
		return err
	}
	return disagree(ctx, w)
}

// reductions are those that go another way when they are long.
func (k kind[T]) reductions(ctx context.Context, g rt.Group, n int) error {
	want, root := k.fold(0, g.Size(), n), g.Size()-1
	x, y := k.data(g.Rank(), n), k.data(g.Rank(), n)
	if err := errors.Join(AllReduce(ctx, g, x, k.op), Reduce(ctx, g, root, y, k.op)); err != nil {
		return err
	}
	err := expect(fmt.Sprintf("AllReduce of %d", n), x, want)
	if g.Rank() != root {
		want = k.data(g.Rank(), n)
	}
	return errors.Join(err, expect(fmt.Sprintf("Reduce of %d", n), y, want))
}

// alike checks that with costs all ranks choose the same algorithms, and that a
// wish is heard.
func alike(ctx context.Context, w *rt.World) error {
	half, err := rt.Split(ctx, w, w.Rank()%2, w.Rank())
	if err != nil {
		return err
	}
	for _, g := range []rt.Group{w, half} {
		mine := Chosen(g, []int{0, 8, 1000, 100_000, 10_000_000})
		if (mine == "") != (os.Getenv(CostsVariable) == "") {
			return fmt.Errorf("%s is %q and the choices are %q", CostsVariable, os.Getenv(CostsVariable), mine)
		}
		all, err := GatherValues(ctx, g, 0, mine)
		if err != nil {
			return err
		}
		for r, theirs := range all {
			if theirs != mine {
				return fmt.Errorf("rank 0 chooses %s\nrank %d %s", mine, r, theirs)
			}
		}
	}
	return half.Close()
}

// figures are costs that have no likeness with this machine: messages at 1 us and
// 1 GB/s, and shared memory that is slow.
var figures = cost.Costs{
	Cores: 2, Copy: cost.Curve{{Bytes: 0, Time: 0}, {Bytes: 1 << 20, Time: cost.Microsecond * 1000}}, Fold: cost.Curve{{Bytes: 0, Time: 0}},
	Meet: cost.Microsecond * 500, Visit: cost.Microsecond * 100, Mem: slow, Shm: slow, TCP: slow,
}.String()

var slow = cost.Layer{Latency: aMicrosecond, Stream: aMicrosecond, Exchange: aMicrosecond, Crowd: aMicrosecond}

var aMicrosecond = cost.Curve{{Bytes: 0, Time: cost.Microsecond}, {Bytes: 1 << 20, Time: 1000 * cost.Microsecond}}

// reproduced checks that reductions are the loop over the ranks, to the bit,
// without a call that says so.
func reproduced(ctx context.Context, w *rt.World) error {
	k := kind[float64]{func(r, i int) float64 { return math.Ldexp(float64(r*37+i*101+1), (r*13+i)%90-45) }, Sum[float64]}
	for _, n := range []int{1, 30, 700, 20_011} {
		want := bits(k.fold(0, w.Size(), n))
		x := k.data(w.Rank(), n)
		if err := AllReduce(ctx, w, x, k.op); err != nil {
			return err
		}
		if err := expect(fmt.Sprintf("AllReduce of %d", n), bits(x), want); err != nil {
			return err
		}
		x = k.data(w.Rank(), n)
		if err := Reduce(ctx, w, 1, x, k.op); err != nil {
			return err
		}
		if w.Rank() == 1 {
			if err := expect(fmt.Sprintf("Reduce of %d", n), bits(x), want); err != nil {
				return err
			}
		}
	}
	return nil
}

// disagree has rank 1 do something else than the others, on a group of its own.
func disagree(ctx context.Context, w *rt.World) error {
	for name, call := range map[string]func(g rt.Group) error{
		"another operation": func(g rt.Group) error {
			if w.Rank() == 1 {
				return AllToAll(ctx, g, make([]int32, w.Size()), make([]int32, w.Size()))
			}
			return Barrier(ctx, g)
		},
		"another length": func(g rt.Group) error { return AllReduce(ctx, g, make([]int32, 1+100*(w.Rank()&1)), Sum) },
		"another root":   func(g rt.Group) error { return Bcast(ctx, g, w.Rank()&1, make([]int32, 9)) },
	} {
		g, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		if err := errors.Join(call(g), Barrier(ctx, g)); !errors.Is(err, rt.ErrMismatch) {
			return fmt.Errorf("%s on some ranks: %v", name, err)
		}
		if err := g.Close(); err != nil {
			return err
		}
	}
	return Barrier(ctx, w)
}

func TestLaunched(t *testing.T) {
	gridrun := filepath.Join(t.TempDir(), "gridrun")
	build := exec.Command("go", "build", "-race=false", "-o", gridrun, "../cmd/gridrun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, flags := range [][]string{
		{"-np", "2"}, {"-np", "5"}, {"-np", "8"}, {"-np", "17"},
		{"-np", "5", "--transport", "tcp"},
		{"-np", "8", "--ranks-per-process", "3"},
		{"-np", "8", "--ranks-per-process", "3", "--transport", "tcp", "-x", spansNodes + "=1"},
		{"-np", "3", "--ranks-per-process", "2", "--transport", "tcp"},
		{"-np", "93", "--ranks-per-process", "13", "--transport", "tcp"},
		{"-np", "5", "-x", CostsVariable + "=" + figures},
		{"-np", "8", "--ranks-per-process", "3", "--transport", "tcp", "-x", CostsVariable + "=" + figures},
		{"-np", "5", "--algorithm", "AllReduce=ring,Bcast=scatter-allgather,Barrier=shared,Gather=linear,AllToAll=hierarchical"},
		{"-np", "5", "--reproducible"},
		{"-np", "8", "--ranks-per-process", "3", "--transport", "tcp", "--reproducible"},
	} {
		name := fmt.Sprint(flags)
		t.Run(name[:min(len(name), 70)], func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, gridrun, append(flags, "--timeout", "100", os.Args[0])...).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

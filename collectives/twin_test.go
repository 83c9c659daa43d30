package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	. "gridrun/collectives"
	"gridrun/rt"
)

// The twins compute every operation the dull way: all ranks' data is made up
// from the rank's number, so each can work out what it must get.

var sizes = []int{1, 2, 3, 5, 8, 16}

// run runs body on n ranks and checks that no goroutine stays behind.
func run(t *testing.T, n int, body rt.Body) {
	t.Helper()
	if err := tryRun(t, n, body); err != nil {
		t.Errorf("%d ranks: %v", n, err)
	}
}

func tryRun(t *testing.T, n int, body rt.Body) error {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := rt.Run(ctx, n, body)
	cancel()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks())
		}
	}
	return err
}

func stacks() []byte {
	b := make([]byte, 1<<16)
	return b[:runtime.Stack(b, true)]
}

// A kind is an element type with a way to make up elements.
type kind[T comparable] struct {
	make func(rank, i int) T
	op   Op[T]
}

// data is what rank brings: n elements.
func (k kind[T]) data(rank, n int) []T { return k.from(rank, 0, n) }

// from is n elements of a rank's data from element at on.
func (k kind[T]) from(rank, at, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = k.make(rank, at+i)
	}
	return x
}

// fold is the fold of the data of ranks lo..hi-1, in order.
func (k kind[T]) fold(lo, hi, n int) []T { return k.foldFrom(lo, hi, 0, n) }

func (k kind[T]) foldFrom(lo, hi, at, n int) []T {
	x := k.from(lo, at, n)
	for r := lo + 1; r < hi; r++ {
		k.op(x, k.from(r, at, n))
	}
	return x
}

func (k kind[T]) concat(p, n int) []T {
	var all []T
	for r := range p {
		all = append(all, k.data(r, n)...)
	}
	return all
}

func expect[T comparable](what string, got, want []T) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("%s: %d elements, differ at %d: got %v, want %v", what, len(want), i, got[i], want[i])
		}
	}
	return nil
}

// algorithms of every operation, the free ones and those that keep order.
var algorithms = map[string][]string{
	"Barrier": {"dissemination", "tree"}, "Bcast": {"binomial", "scatter-allgather"},
	"Reduce": {"binomial", "halving", "gather", "chain"}, "AllReduce": {"doubling", "ring", "rabenseifner", "gather", "chain"},
	"ReduceScatter": {"halving", "pairwise", "alltoall"}, "Gather": {"binomial", "linear"}, "Scatter": {"binomial", "linear"},
	"AllGather": {"doubling", "bruck", "ring"}, "AllToAll": {"bruck", "pairwise"}, "Scan": {"doubling", "chain"}, "ExScan": {"doubling", "chain"},
}

// options returns those of the choice by size and of every algorithm of an
// operation; for very many ranks the former only.
func options(op string, p int) [][]Option {
	all := [][]Option{nil}
	if p > 16 {
		return all
	}
	for _, name := range algorithms[op] {
		all = append(all, []Option{Algorithm(name)})
	}
	return all
}

// everything runs all operations over this type with n elements a rank.
func (k kind[T]) everything(ctx context.Context, g rt.Group, n, root int) error {
	r, p := g.Rank(), g.Size()
	var errs []error
	check := func(what string, err error, got, want []T) {
		if err == nil {
			err = expect(what, got, want)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	for i, o := range options("Barrier", p) {
		check(fmt.Sprint("Barrier ", i), Barrier(ctx, g, o...), nil, nil)
	}
	for i, o := range options("Bcast", p) {
		x := k.data(r, n)
		check(fmt.Sprint("Bcast ", i), Bcast(ctx, g, root, x, o...), x, k.data(root, n))
	}
	ordered := []Option{Ordered()}
	total := k.fold(0, p, n)
	for i, o := range append(options("Reduce", p), ordered) {
		x := k.data(r, n)
		err := Reduce(ctx, g, root, x, k.op, o...)
		want := k.data(r, n)
		if r == root {
			want = total
		}
		check(fmt.Sprint("Reduce ", i), err, x, want)
	}
	for i, o := range append(options("AllReduce", p), ordered) {
		x := k.data(r, n)
		check(fmt.Sprint("AllReduce ", i), AllReduce(ctx, g, x, k.op, o...), x, total)
	}
	block := k.foldFrom(0, p, r*n, n)
	for i, o := range append(options("ReduceScatter", p), ordered) {
		x, part := k.data(r, n*p), make([]T, n)
		err := ReduceScatter(ctx, g, x, part, k.op, o...)
		check(fmt.Sprint("ReduceScatter ", i), err, part, block)
		check("ReduceScatter's x", nil, x, k.data(r, n*p))
	}
	for i, o := range options("Gather", p) {
		var all, want []T
		if r == root {
			all, want = make([]T, n*p), k.concat(p, n)
		}
		check(fmt.Sprint("Gather ", i), Gather(ctx, g, root, k.data(r, n), all, o...), all, want)
	}
	for i, o := range options("AllGather", p) {
		all := make([]T, n*p)
		x := all[r*n : (r+1)*n] // in place
		if i%2 == 0 {
			x = make([]T, n)
		}
		copy(x, k.data(r, n))
		check(fmt.Sprint("AllGather ", i), AllGather(ctx, g, x, all, o...), all, k.concat(p, n))
	}
	for i, o := range options("Scatter", p) {
		var all []T
		if r == root {
			all = k.concat(p, n)
		}
		x := make([]T, n)
		check(fmt.Sprint("Scatter ", i), Scatter(ctx, g, root, all, x, o...), x, k.data(r, n))
	}
	var swapped []T
	for q := range p {
		swapped = append(swapped, k.from(q, r*n, n)...)
	}
	for i, o := range options("AllToAll", p) {
		in := make([]T, n*p)
		check(fmt.Sprint("AllToAll ", i), AllToAll(ctx, g, k.data(r, n*p), in, o...), in, swapped)
	}
	upto, before := k.fold(0, r+1, n), k.data(r, n)
	if r > 0 {
		before = k.fold(0, r, n)
	}
	for i, o := range append(options("Scan", p), ordered) {
		x := k.data(r, n)
		check(fmt.Sprint("Scan ", i), Scan(ctx, g, x, k.op, o...), x, upto)
	}
	for i, o := range append(options("ExScan", p), ordered) {
		x := k.data(r, n)
		check(fmt.Sprint("ExScan ", i), ExScan(ctx, g, x, k.op, o...), x, before)
	}
	errs = append(errs, k.vectors(ctx, g, n, root)...)
	return errors.Join(errs...)
}

// vectors runs the V forms with counts that differ, some of them zero.
func (k kind[T]) vectors(ctx context.Context, g rt.Group, n, root int) (errs []error) {
	r, p := g.Rank(), g.Size()
	count := func(q int) int { return (q*7 + n) % (n + 2) * (q % 3) }
	counts, pairs := make([]int, p), make([]int, p)
	var all []T
	for q := range p {
		counts[q] = count(q)
		pairs[q] = count(q + r) // what this rank exchanges with rank q, and q with it
		all = append(all, k.data(q, count(q))...)
	}
	check := func(what string, err error, got, want []T) {
		if err == nil {
			err = expect(what, got, want)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	for i, o := range options("Gather", p) {
		var got, want []T
		if r == root {
			got, want = make([]T, len(all)), all
		}
		mine := counts
		if i == 0 && r != root {
			mine = nil
		}
		check(fmt.Sprint("GatherV ", i), GatherV(ctx, g, root, k.data(r, count(r)), got, mine, o...), got, want)
	}
	for i, o := range options("Scatter", p) {
		var from []T
		if r == root {
			from = all
		}
		x := make([]T, count(r))
		check(fmt.Sprint("ScatterV ", i), ScatterV(ctx, g, root, from, counts, x, o...), x, k.data(r, count(r)))
	}
	for i, o := range options("AllGather", p) {
		got := make([]T, len(all))
		check(fmt.Sprint("AllGatherV ", i), AllGatherV(ctx, g, k.data(r, count(r)), got, counts, o...), got, all)
	}
	var out, want []T
	for q := range p {
		out = append(out, k.data(r*p+q, pairs[q])...)
		want = append(want, k.data(q*p+r, pairs[q])...)
	}
	in := make([]T, len(want))
	check("AllToAllV", AllToAllV(ctx, g, out, pairs, in, pairs), in, want)
	return errs
}

// small makes up numbers that any order of folding adds up exactly.
func small[T Real](rank, i int) T { return T((rank*3+i*5)%7) + 1 }

func imaginary[T complex64 | complex128](rank, i int) T {
	return T(complex(float64(rank%5), float64(i%3)))
}

type pair struct {
	a int8
	b float64
}

func TestTwinEveryType(t *testing.T) {
	types := map[string]func(ctx context.Context, g rt.Group, n, root int) error{
		"int8":       kind[int8]{small[int8], Sum[int8]}.everything,
		"uint8":      kind[uint8]{small[uint8], BitXor[uint8]}.everything,
		"int16":      kind[int16]{small[int16], Prod[int16]}.everything,
		"uint16":     kind[uint16]{small[uint16], BitOr[uint16]}.everything,
		"int32":      kind[int32]{small[int32], Max[int32]}.everything,
		"uint32":     kind[uint32]{small[uint32], BitAnd[uint32]}.everything,
		"int64":      kind[int64]{small[int64], Sum[int64]}.everything,
		"uint64":     kind[uint64]{small[uint64], Min[uint64]}.everything,
		"int":        kind[int]{small[int], Sum[int]}.everything,
		"float32":    kind[float32]{small[float32], Sum[float32]}.everything,
		"float64":    kind[float64]{small[float64], Max[float64]}.everything,
		"complex64":  kind[complex64]{imaginary[complex64], Sum[complex64]}.everything,
		"complex128": kind[complex128]{imaginary[complex128], Sum[complex128]}.everything,
		"and":        kind[bool]{func(r, i int) bool { return (r+i)%3 > 0 }, And}.everything,
		"or":         kind[bool]{func(r, i int) bool { return (r+i)%7 == 0 }, Or}.everything,
		"minloc":     kind[Loc[float32]]{func(r, i int) Loc[float32] { return Loc[float32]{float32((r + i) % 3), int64(r)} }, MinLoc[float32]}.everything,
		"maxloc":     kind[Loc[int8]]{func(r, i int) Loc[int8] { return Loc[int8]{int8((r + i) % 3), int64(r)} }, MaxLoc[int8]}.everything,
		"struct": kind[pair]{func(r, i int) pair { return pair{int8(r + i), float64(r * i)} }, func(dst, src []pair) {
			for i, s := range src {
				dst[i].a, dst[i].b = dst[i].a+s.a, dst[i].b+s.b
			}
		}}.everything,
		"array": kind[[3]byte]{func(r, i int) [3]byte { return [3]byte{byte(r), byte(i), 1} }, func(dst, src []([3]byte)) {
			for i, s := range src {
				for j := range s {
					dst[i][j] += s[j]
				}
			}
		}}.everything,
		"empty": kind[struct{}]{func(r, i int) struct{} { return struct{}{} }, func(dst, src []struct{}) {}}.everything,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for name, everything := range types {
		t.Run(name, func(t *testing.T) {
			for _, p := range []int{1, 3, sizes[rng.IntN(len(sizes))]} {
				n, root := []int{0, 1, 7, 33}[rng.IntN(4)], rng.IntN(p)
				run(t, p, func(ctx context.Context, w *rt.World) error { return everything(ctx, w, n, root) })
			}
		})
	}
}

func TestTwinEveryLength(t *testing.T) {
	k := kind[int32]{small[int32], Sum[int32]}
	for _, p := range sizes {
		for _, n := range []int{0, 1, 2, 3, 170} {
			root := (n + p/2) % p
			run(t, p, func(ctx context.Context, w *rt.World) error { return k.everything(ctx, w, n, root) })
		}
	}
	run(t, 3, func(ctx context.Context, w *rt.World) error { return k.everything(ctx, w, 18_001, 2) })
}

func TestNinetyThreeRanks(t *testing.T) {
	k := kind[int64]{small[int64], Sum[int64]}
	run(t, 93, func(ctx context.Context, w *rt.World) error { return k.everything(ctx, w, 2, 31) })
}

// An affine is the map v -> a*v+b over integers modulo 2^64; composing two
// does not commute.
type affine struct{ A, B uint64 }

var affines = kind[affine]{
	make: func(r, i int) affine { return affine{uint64(2*r + 3), uint64(r + i)} },
	op: func(dst, src []affine) {
		for i, s := range src {
			dst[i] = affine{dst[i].A * s.A, s.A*dst[i].B + s.B}
		}
	},
}

func TestOrderedDoesNotCommute(t *testing.T) {
	for _, p := range []int{1, 2, 3, 5, 8, 16, 93} {
		lengths := []int{1, 6}
		if p <= 8 {
			lengths = append(lengths, 1500) // too long for gather by choice
		}
		if p == 5 {
			lengths = append(lengths, 9001) // several segments
		}
		run(t, p, func(ctx context.Context, w *rt.World) error {
			r, k := w.Rank(), affines
			var errs []error
			for _, n := range lengths {
				for _, o := range [][]Option{{Ordered()}, {Ordered(), Algorithm("gather")}, {Algorithm("chain"), Ordered()}} {
					root := (n + 1) % p
					x := k.data(r, n)
					errs = append(errs, AllReduce(ctx, w, x, k.op, o...), expect("AllReduce", x, k.fold(0, p, n)))
					x = k.data(r, n)
					errs = append(errs, Reduce(ctx, w, root, x, k.op, o...))
					if r == root {
						errs = append(errs, expect("Reduce", x, k.fold(0, p, n)))
					}
				}
				for _, o := range [][]Option{nil, {Ordered()}} { // scans keep order anyway
					x := k.data(r, n)
					errs = append(errs, Scan(ctx, w, x, k.op, o...), expect("Scan", x, k.fold(0, r+1, n)))
					x = k.data(r, n)
					errs = append(errs, ExScan(ctx, w, x, k.op, o...))
					if r > 0 {
						errs = append(errs, expect("ExScan", x, k.fold(0, r, n)))
					}
				}
				if n < 10 {
					x, part := k.data(r, n*p), make([]affine, n)
					errs = append(errs, ReduceScatter(ctx, w, x, part, k.op, Ordered()), expect("ReduceScatter", part, k.foldFrom(0, p, r*n, n)))
				}
			}
			return errors.Join(errs...)
		})
	}
}

// rough makes up floats whose sum depends on the order of adding.
var rough = kind[float64]{
	make: func(r, i int) float64 {
		if (r+i)%11 == 0 {
			return math.Float64frombits(0x7ff8000000000000 | uint64(r)) // NaNs that differ
		}
		if (r+i)%5 == 0 {
			return math.Copysign(0, float64(1-2*(r%2)))
		}
		return math.Ldexp(float64(r*37+i*101+1), (r*13+i)%90-45)
	},
	op: Sum[float64],
}

func bits(x []float64) []uint64 {
	b := make([]uint64, len(x))
	for i, v := range x {
		b[i] = math.Float64bits(v)
	}
	return b
}

func TestAllReduceSameBitsEverywhere(t *testing.T) {
	// keepFirst is as rude as an operation can be: its result is one operand.
	keepFirst := func(dst, src []float64) {
		for i, s := range src {
			if dst[i] == 0 || math.IsNaN(dst[i]) {
				dst[i] = max(s, dst[i])
			}
		}
	}
	for _, p := range []int{2, 3, 5, 8, 13} {
		for _, n := range []int{1, 10, 301} {
			for _, op := range []Op[float64]{Sum[float64], keepFirst} {
				for _, o := range append(options("AllReduce", p), []Option{Ordered()}) {
					run(t, p, func(ctx context.Context, w *rt.World) error {
						x := rough.data(w.Rank(), n)
						if err := AllReduce(ctx, w, x, op, o...); err != nil {
							return err
						}
						all := make([]uint64, n*p)
						if err := AllGather(ctx, w, bits(x), all); err != nil {
							return err
						}
						for r := range p {
							if err := expect(fmt.Sprint("rank ", r), all[r*n:(r+1)*n], bits(x)); err != nil {
								return err
							}
						}
						return nil
					})
				}
			}
		}
	}
}

func TestOrderedIsTheLoop(t *testing.T) {
	plain := kind[float64]{func(r, i int) float64 { return math.Ldexp(float64(r*37+i*101+1), (r*13+i)%90-45) }, Sum[float64]}
	for _, p := range []int{2, 3, 8, 13} {
		for _, n := range []int{1, 2100} {
			run(t, p, func(ctx context.Context, w *rt.World) error {
				x := plain.data(w.Rank(), n)
				if err := AllReduce(ctx, w, x, plain.op, Ordered()); err != nil {
					return err
				}
				return expect("AllReduce", bits(x), bits(plain.fold(0, p, n)))
			})
		}
	}
}

func TestGroupsAtOnce(t *testing.T) {
	k := kind[int32]{small[int32], Sum[int32]}
	run(t, 12, func(ctx context.Context, w *rt.World) error {
		third, err := rt.Split(ctx, w, w.Rank()%3, -w.Rank())
		if err != nil {
			return err
		}
		twin, err := rt.Dup(ctx, w)
		if err != nil {
			return err
		}
		groups := []rt.Group{w, third, twin}
		errs := make(chan error)
		for i, g := range groups {
			go func() {
				var all error
				for n := range 4 {
					all = errors.Join(all, k.everything(ctx, g, n+i, n%g.Size()))
				}
				errs <- all
			}()
		}
		return errors.Join(<-errs, <-errs, <-errs)
	})
}

func TestValues(t *testing.T) {
	type city struct {
		Name  string
		Winds map[string]float64
	}
	make := func(r int) city { return city{fmt.Sprint("city ", r), map[string]float64{"u": float64(r)}} }
	for _, p := range sizes {
		run(t, p, func(ctx context.Context, w *rt.World) error {
			root := p / 2
			v, err := BcastValue(ctx, w, root, make(w.Rank()))
			if err != nil || !reflect.DeepEqual(v, make(root)) {
				return fmt.Errorf("BcastValue: %v, %v", v, err)
			}
			all, err := GatherValues(ctx, w, root, make(w.Rank()))
			if err != nil {
				return err
			}
			var want []city
			if w.Rank() == root {
				for r := range p {
					want = append(want, make(r))
				}
			}
			if !reflect.DeepEqual(all, want) {
				return fmt.Errorf("GatherValues: %v, want %v", all, want)
			}
			sum, err := AllReduceValue(ctx, w, w.Rank()+1, Sum)
			if err != nil || sum != p*(p+1)/2 {
				return fmt.Errorf("AllReduceValue: %d, %v", sum, err)
			}
			far, err := AllReduceValue(ctx, w, Loc[float64]{float64(w.Rank() % 4), int64(w.Rank())}, MaxLoc)
			if want := (Loc[float64]{float64(min(p-1, 3)), int64(min(p-1, 3))}); err != nil || far != want {
				return fmt.Errorf("AllReduceValue of Loc: %v, %v", far, err)
			}
			return nil
		})
	}
}

func TestLocOps(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name string
		op   Op[Loc[float64]]
		a, b Loc[float64]
		want Loc[float64]
	}{
		{"less", MinLoc[float64], Loc[float64]{1, 5}, Loc[float64]{2, 0}, Loc[float64]{1, 5}},
		{"tie", MinLoc[float64], Loc[float64]{1, 5}, Loc[float64]{1, 3}, Loc[float64]{1, 3}},
		{"more", MaxLoc[float64], Loc[float64]{1, 5}, Loc[float64]{2, 7}, Loc[float64]{2, 7}},
		{"zeros tie", MaxLoc[float64], Loc[float64]{math.Copysign(0, -1), 1}, Loc[float64]{0, 2}, Loc[float64]{0, 1}},
		{"NaN wins", MinLoc[float64], Loc[float64]{nan, 5}, Loc[float64]{-1, 0}, Loc[float64]{nan, 5}},
		{"NaNs tie", MaxLoc[float64], Loc[float64]{nan, 5}, Loc[float64]{nan, 2}, Loc[float64]{nan, 2}},
	} {
		for _, turned := range []bool{false, true} {
			a, b := c.a, c.b
			if turned {
				a, b = b, a
			}
			d := []Loc[float64]{a}
			c.op(d, []Loc[float64]{b})
			same := d[0].Value == c.want.Value || math.IsNaN(d[0].Value) && math.IsNaN(c.want.Value)
			if !same || d[0].Index != c.want.Index {
				t.Errorf("%s, turned %v: got %v, want %v", c.name, turned, d[0], c.want)
			}
		}
	}
}

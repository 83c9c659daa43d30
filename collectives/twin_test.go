package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
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
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
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
	for _, name := range algorithms[strings.TrimSuffix(op, "V")] {
		all = append(all, []Option{Algorithm(name)})
	}
	if os.Getenv(spansNodes) != "" && op != "Scan" && op != "ExScan" && op != "AllToAllV" {
		all = append(all, []Option{Algorithm("hierarchical")})
	}
	return all
}

// spansNodes is set for launched ranks whose groups span nodes of several ranks.
const spansNodes = "COLLECTIVES_SPAN_NODES"

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
	for i, o := range options("GatherV", p) {
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
	for i, o := range options("ScatterV", p) {
		var from []T
		if r == root {
			from = all
		}
		x := make([]T, count(r))
		check(fmt.Sprint("ScatterV ", i), ScatterV(ctx, g, root, from, counts, x, o...), x, k.data(r, count(r)))
	}
	for i, o := range options("AllGatherV", p) {
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

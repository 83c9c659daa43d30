package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

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

package diagnose

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveStuck tries every set of waiting ranks and keeps the largest that holds
// together: the union of all that do.
func naiveStuck(needs [][]need, gone func(int) bool) []bool {
	n := len(needs)
	out := make([]bool, n)
	for set := 1; set < 1<<n; set++ {
		in := func(r int) bool { return set&(1<<r) != 0 || gone(r) }
		ok := true
		for r := range n {
			if set&(1<<r) == 0 {
				continue
			}
			ok = ok && len(needs[r]) > 0
			for _, w := range needs[r] {
				held, all := false, true
				for _, to := range w.of {
					held, all = held || in(to), all && in(to)
				}
				if w.any {
					held = all
				}
				ok = ok && held && !w.outside
			}
		}
		for r := range n {
			out[r] = out[r] || ok && set&(1<<r) != 0
		}
	}
	return out
}

// naiveCircles groups ranks that reach each other, by Warshall's closure.
func naiveCircles(needs [][]need, in []bool) (found [][]int) {
	n := len(needs)
	reach := make([][]bool, n)
	for r := range n {
		reach[r] = make([]bool, n)
		if in[r] {
			for _, w := range needs[r] {
				for _, to := range w.of {
					if to >= 0 && to < n && in[to] {
						reach[r][to] = true
					}
				}
			}
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	done := make([]bool, n)
	for r := range n {
		if done[r] || !reach[r][r] {
			continue
		}
		var part []int
		for s := range n {
			if reach[r][s] && reach[s][r] {
				part = append(part, s)
				done[s] = true
			}
		}
		found = append(found, part)
	}
	return found
}

// length is that of a shortest circle through the members of a part, by trying
// all walks of growing length.
func length(needs [][]need, part []int) int {
	in := make([]bool, len(needs))
	for _, r := range part {
		in[r] = true
	}
	next := edges(needs, in)
	for n := 1; ; n++ {
		for _, start := range part {
			at := map[int]bool{start: true}
			for range n {
				then := map[int]bool{}
				for r := range at {
					for _, to := range next[r] {
						then[to] = true
					}
				}
				at = then
			}
			if at[start] {
				return n
			}
		}
	}
}

func TestRandomGraphs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	deadlocks := 0
	for i := range 4000 {
		n := 1 + rnd.IntN(8)
		needs := make([][]need, n)
		dead := rnd.IntN(1 << n)
		gone := func(r int) bool { return r < 0 || r >= n || len(needs[r]) == 0 && dead&(1<<r) != 0 }
		for r := range n {
			for range rnd.IntN(3) {
				w := need{any: rnd.IntN(4) == 0, outside: rnd.IntN(12) == 0}
				for range 1 + rnd.IntN(3) {
					w.of = append(w.of, rnd.IntN(n))
				}
				needs[r] = append(needs[r], w)
			}
		}
		in := stuck(needs, gone)
		if want := naiveStuck(needs, gone); !slices.Equal(in, want) {
			t.Fatalf("case %d: %+v, gone %b: stuck %v, want %v", i, needs, dead, in, want)
		}
		got := circles(needs, in)
		if want := naiveCircles(needs, in); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("case %d: %+v: circles %v, want %v", i, needs, got, want)
		}
		for _, part := range got {
			deadlocks++
			way := circle(needs, part)
			next := edges(needs, in)
			for j, r := range way {
				if !slices.Contains(part, r) || !slices.Contains(next[r], way[(j+1)%len(way)]) {
					t.Fatalf("case %d: %+v: %v is no circle in %v", i, needs, way, part)
				}
			}
			if want := length(needs, part); len(way) != want {
				t.Fatalf("case %d: %+v: circle %v, the shortest has %d", i, needs, way, want)
			}
		}
	}
	if deadlocks < 500 {
		t.Errorf("only %d circles among the cases", deadlocks)
	}
}

// A ring of many ranks is one circle, and does not take long.
func TestLongRing(t *testing.T) {
	const n = 5000
	needs := make([][]need, n)
	for r := range n {
		needs[r] = []need{{of: []int{(r + 1) % n}}}
	}
	in := stuck(needs, func(int) bool { return false })
	parts := circles(needs, in)
	if len(parts) != 1 || len(parts[0]) != n {
		t.Fatalf("%d parts", len(parts))
	}
}

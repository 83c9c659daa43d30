package onhost

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

// folded is what a tree makes of the members lo to hi-1, whose row begins at lo.
func folded(xs [][]byte, lo, hi int, f algo.Fold) []byte {
	if hi-lo == 1 {
		return bytes.Clone(xs[lo])
	}
	row := 1
	for 2*row < hi-lo {
		row *= 2
	}
	sum := folded(xs, lo, lo+row, f)
	f.Into(sum, folded(xs, lo+row, hi, f))
	return sum
}

// Whatever the order in which members climb, the result is the tree's, to the bit, and
// what is not to be changed is not. None of them waits: one goroutine plays them all.
func TestClimbInAnyOrder(t *testing.T) {
	dice := rand.New(rand.NewPCG(5, 6))
	for _, m := range []int{2, 3, 5, 8, 13, 93} {
		b := board.Make(board.Shape{Members: m, Stage: stage, Pipe: stage})
		parties := make([]*board.Party, m)
		for k := range parties {
			parties[k] = b.Join(k, looker{})
		}
		for turn := range 20 {
			n, root := dice.IntN(stage/24+1)*24, dice.IntN(m+1)-1
			f := []algo.Fold{eights, threes}[turn%2]
			xs, given := make([][]byte, m), make([][]byte, m)
			for k := range xs {
				xs[k] = brings(k, turn, n)
				given[k] = bytes.Clone(xs[k])
			}
			want := folded(xs, 0, m, f)
			for _, k := range dice.Perm(m) {
				p := parties[k]
				if err := p.EnterStage(); err != nil {
					t.Fatal(err)
				}
				if err := climb(p, given[k], f, root < 0 || root == k); err != nil {
					t.Fatal(err)
				}
			}
			for k, p := range parties {
				if root >= 0 && root != k && !bytes.Equal(given[k], xs[k]) {
					t.Fatalf("%d members, turn %d: what member %d brings has changed", m, turn, k)
				}
				if !bytes.Equal(p.Shown(0)[:n], want) {
					t.Fatalf("%d members, turn %d: the result is not what a loop says", m, turn)
				}
				if _, err := p.Arrive(nil, false); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Members that run at once, between collectives of other kinds.
func TestTree(t *testing.T) {
	for _, m := range []int{1, 2, 3, 5, 8, 93} {
		var all []pass
		for turn, n := range []int{24, 0, stage - 24, stage, 2*stage + 48, 5 * stage} {
			for _, f := range []algo.Fold{eights, threes} {
				a, size := pass{f: f}, stage/f.Elem*f.Elem
				for k := range m {
					a.xs = append(a.xs, brings(k, turn, n/24*24))
				}
				for at := 0; at < len(a.xs[0]); at += size {
					piece := make([][]byte, m)
					for k := range piece {
						piece[k] = a.xs[k][at:min(at+size, len(a.xs[k]))]
					}
					a.want = append(a.want, folded(piece, 0, m, f)...)
				}
				all = append(all, a)
			}
		}
		play(t, m, func(p *board.Party) error {
			for turn, a := range all {
				p.Begin(board.NewHead(1, uint16(turn), 0))
				x := bytes.Clone(a.xs[p.Me])
				if err := tree(p, inPlace(p, -1, x), x, a.f); err != nil {
					return err
				}
				if !bytes.Equal(x, a.want) {
					return fmt.Errorf("all-reduce of %d bytes in elements of %d is not what a loop says", len(x), a.f.Elem)
				}
				root := turn * 5 % m
				x = bytes.Clone(a.xs[p.Me])
				if err := tree(p, inPlace(p, root, x), x, a.f); err != nil {
					return err
				}
				if p.Me == root && !bytes.Equal(x, a.want) || p.Me != root && !bytes.Equal(x, a.xs[p.Me]) {
					return fmt.Errorf("reduction of %d bytes to %d is not what a loop says", len(x), root)
				}
				if err := between(p, turn, root); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// By a tree, rings or blocks in stages, everybody gets its own block of the fold, and
// what the ranks bring is unchanged.
func TestReduceScatter(t *testing.T) {
	for _, m := range []int{1, 2, 3, 5, 8, 17, 93} {
		parts := []int{3, 0, 24, 75, 189, 600}
		if m == 93 {
			parts = []int{3, 0, 24}
		}
		xs, wants := make([][][]byte, len(parts)), make([][]byte, len(parts))
		for turn, n := range parts {
			for k := range m {
				xs[turn] = append(xs[turn], brings(k, turn, n*m))
			}
			wants[turn] = make([]byte, n*m)
			for _, x := range xs[turn] {
				threes.Into(wants[turn], x)
			}
		}
		for _, crowded := range []bool{true, false} {
			if !crowded && m == 93 { // an element for each does not fit into a stage
				continue
			}
			play(t, m, func(p *board.Party) error {
				if p.Me == 0 && !crowded {
					p.CPUs = m
				}
				if err := meet(p, nil); err != nil {
					return err
				}
				for turn, n := range parts {
					p.Begin(board.NewHead(1, uint16(turn), 0))
					x, part := bytes.Clone(xs[turn][p.Me]), make([]byte, n)
					if err := ReduceScatter(p, x, part, threes, m < 93 && turn == 4); err != nil {
						return err
					}
					if !bytes.Equal(part, wants[turn][p.Me*n:][:n]) || !bytes.Equal(x, xs[turn][p.Me]) {
						return fmt.Errorf("blocks of %d bytes, crowded %v: not what a loop says", n, crowded)
					}
					if err := between(p, turn, turn%m); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
}

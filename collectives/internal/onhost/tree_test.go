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
		play(t, m, func(p *board.Party) error {
			for turn, n := range []int{24, 0, stage - 24, stage, 2*stage + 48, 5 * stage} {
				for _, f := range []algo.Fold{eights, threes} {
					size := stage / f.Elem * f.Elem
					xs := make([][]byte, m)
					for k := range xs {
						xs[k] = brings(k, turn, n/24*24)
					}
					var want []byte
					for at := 0; at < len(xs[0]); at += size {
						piece := make([][]byte, m)
						for k := range piece {
							piece[k] = xs[k][at:min(at+size, len(xs[k]))]
						}
						want = append(want, folded(piece, 0, m, f)...)
					}
					p.Begin(board.NewHead(1, uint16(turn), 0))
					x := bytes.Clone(xs[p.Me])
					if err := tree(p, -1, x, f); err != nil {
						return err
					}
					if !bytes.Equal(x, want) {
						return fmt.Errorf("all-reduce of %d bytes in elements of %d is not what a loop says", n, f.Elem)
					}
					root := turn * 5 % m
					x = bytes.Clone(xs[p.Me])
					if err := tree(p, root, x, f); err != nil {
						return err
					}
					if p.Me == root && !bytes.Equal(x, want) || p.Me != root && !bytes.Equal(x, xs[p.Me]) {
						return fmt.Errorf("reduction of %d bytes to %d is not what a loop says", n, root)
					}
					if err := between(p, turn, root); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

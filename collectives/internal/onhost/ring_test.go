package onhost

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

const stage = 192

// A looker is a member's Host that never sleeps.
type looker struct{ until time.Time }

func (l looker) Await(w board.Words) error {
	for w.Reached(0) < w.N {
		if time.Now().After(l.until) {
			return fmt.Errorf("waits for ever")
		}
		runtime.Gosched()
	}
	return nil
}

func (looker) Wake(int) {}

// play runs body as every member of a board with short stages, in memory that
// counts as other processes'.
func play(t *testing.T, members int, body func(p *board.Party) error) {
	t.Helper()
	b := board.Make(board.Shape{Members: members, Stage: stage, Pipe: stage})
	b.Own = false
	errs := make(chan error)
	for m := range members {
		go func() { errs <- body(b.Join(m, looker{time.Now().Add(time.Minute)})) }()
	}
	for range members {
		if err := <-errs; err != nil {
			t.Error(members, "members:", err)
		}
	}
}

// threes adds numbers of 3 bytes.
var threes = algo.Fold{Elem: 3, Into: func(dst, src []byte) error {
	for i := 0; i < len(src); i += 3 {
		v := uint32(dst[i]) + uint32(dst[i+1])<<8 + uint32(dst[i+2])<<16 + uint32(src[i]) + uint32(src[i+1])<<8 + uint32(src[i+2])<<16
		dst[i], dst[i+1], dst[i+2] = byte(v), byte(v>>8), byte(v>>16)
	}
	return nil
}}

// eights adds float64, where the order shows.
var eights = algo.Fold{Elem: 8, Into: func(dst, src []byte) error {
	for i := 0; i < len(src); i += 8 {
		v := math.Float64frombits(binary.NativeEndian.Uint64(dst[i:])) + math.Float64frombits(binary.NativeEndian.Uint64(src[i:]))
		binary.NativeEndian.PutUint64(dst[i:], math.Float64bits(v))
	}
	return nil
}}

// brings is member m's bytes in a turn.
func brings(m, turn, n int) []byte {
	dice := rand.New(rand.NewPCG(uint64(m), uint64(turn)))
	x := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		binary.NativeEndian.PutUint64(x[i:], math.Float64bits(dice.NormFloat64()*math.Exp(10*dice.Float64())))
	}
	return x
}

// goesRound is the fold that rings make of a piece, by one loop: within a ring part
// k begins with rank k, then the rings' results one after the other.
func goesRound(r rings, xs [][]byte, f algo.Fold) []byte {
	n := len(xs[0])
	var sum []byte
	for k := range r.n {
		lo, hi := r.members(k)
		acc := make([]byte, n)
		for part := range hi - lo {
			a, b := cut(n, f.Elem, part, hi-lo)
			copy(acc[a:b], xs[lo+part][a:b])
			for i := 1; i < hi-lo; i++ {
				f.Into(acc[a:b], xs[lo+(part+i)%(hi-lo)][a:b])
			}
		}
		if k == 0 {
			sum = acc
		} else {
			f.Into(sum, acc)
		}
	}
	return sum
}

// A pass is one reduction by rings.
type pass struct {
	xs   [][]byte
	want []byte
	f    algo.Fold
}

// passes are reductions of lengths that end within a piece, at its end, and after.
func passes(m int) (all []pass) {
	r := ringsOf(&board.Party{Board: board.Make(board.Shape{Members: m, Stage: stage, Pipe: stage})})
	size := m / r.n * stage
	for turn, n := range []int{0, 240, size / 24 * 24, size/24*24 + 24, 2*(size/24*24) + 72, 48} {
		for _, f := range []algo.Fold{eights, threes} {
			a := pass{f: f}
			for k := range m {
				a.xs = append(a.xs, brings(k, turn, n))
			}
			for at := 0; at < n; at += size / f.Elem * f.Elem {
				piece := make([][]byte, m)
				for k := range piece {
					piece[k] = a.xs[k][at:min(at+size/f.Elem*f.Elem, n)]
				}
				a.want = append(a.want, goesRound(r, piece, f)...)
			}
			all = append(all, a)
		}
	}
	return all
}

// Rings leave everybody, or the root, the fold in their fixed order, to the bit,
// between collectives of other kinds.
func TestRings(t *testing.T) {
	for _, m := range []int{1, 2, 3, 5, 8, 16, 17, 25, 93} {
		all := passes(m)
		play(t, m, func(p *board.Party) error {
			r := ringsOf(p)
			for turn, a := range all {
				p.Begin(board.NewHead(1, uint16(turn), 0))
				x := bytes.Clone(a.xs[p.Me])
				if err := r.around(inPlace(p, -1, x), x, a.f); err != nil {
					return err
				}
				if !bytes.Equal(x, a.want) {
					return fmt.Errorf("all-reduce of %d bytes in elements of %d is not what a loop says", len(x), a.f.Elem)
				}
				root := turn * 5 % m
				x = bytes.Clone(a.xs[p.Me])
				if err := r.around(inPlace(p, root, x), x, a.f); err != nil {
					return err
				}
				want := a.want
				if p.Me != root {
					want = a.xs[p.Me]
				}
				if !bytes.Equal(x, want) {
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

// between uses the stages, too.
func between(p *board.Party, turn, root int) error {
	const n = 300
	all := make([]byte, n*p.Members)
	if err := AllGather(p, brings(p.Me, turn, n), all, nil); err != nil {
		return err
	}
	if p.Me != root {
		all = nil
	}
	x := make([]byte, n)
	if err := Scatter(p, root, all, x); err != nil {
		return err
	}
	if !bytes.Equal(x, brings(p.Me, turn, n)) {
		return fmt.Errorf("what rank %d scatters is not what it has gathered", root)
	}
	x = bytes.Clone(brings(p.Me, turn, 24))
	return slices(p, x, eights, true, -1)
}

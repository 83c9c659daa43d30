package onhost

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"gridrun/internal/board"
	"gridrun/internal/engine"
)

// Operations whose lengths not all ranks know take the board if every rank's data
// fit into its stage, which all learn in the meeting; otherwise all come to know
// that they do not, nothing has happened, and messages are next.

var number = binary.NativeEndian

// offer has every member show n bytes, which fill writes, and tells whether
// everybody's fit.
func offer(p *board.Party, n int, fill func(stage []byte)) (ok bool, err error) {
	if err := p.EnterStage(); err != nil {
		return false, err
	}
	var post [8]byte // the length and 1; 0: does not fit
	if n <= p.Stage {
		number.PutUint64(post[:], uint64(n)+1)
		fill(p.Shown(p.Me)[:n])
	}
	if err := p.Meet(post[:]); err != nil {
		return false, err
	}
	for m := range p.Members {
		if number.Uint64(p.Posted(m)) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// offered is what a member has shown in an offer, or the root told.
func offered(p *board.Party, m int) []byte {
	return p.Shown(m)[:min(number.Uint64(p.Posted(m))-1, uint64(p.Stage))]
}

// GatherV fills root's all, whose blocks off bounds there, with everybody's x.
func GatherV(p *board.Party, root int, x, all []byte, off []int) (ok bool, err error) {
	if ok, err = offer(p, len(x), func(stage []byte) { copy(stage, x) }); !ok || p.Me != root {
		return ok, err
	}
	for m := range p.Members {
		if err := expect(p, m, len(offered(p, m)), off[m+1]-off[m]); err != nil {
			return false, err
		}
		copy(all[off[m]:off[m+1]], offered(p, m))
	}
	return true, nil
}

// GatherBytes gives root everybody's bytes, in memory of their own.
func GatherBytes(p *board.Party, root int, b []byte) (all [][]byte, ok bool, err error) {
	if ok, err = offer(p, len(b), func(stage []byte) { copy(stage, b) }); !ok || p.Me != root {
		return nil, ok, err
	}
	all = make([][]byte, p.Members)
	for m := range all {
		all[m] = bytes.Clone(offered(p, m))
	}
	return all, true, nil
}

// AllToAllV sends each member its block of out. Stages begin with the borders of
// blocks.
func AllToAllV(p *board.Party, out []byte, outOff []int, in []byte, inOff []int) (ok bool, err error) {
	head := 8 * (p.Members + 1)
	ok, err = offer(p, head+outOff[p.Members], func(stage []byte) {
		for i, at := range outOff {
			number.PutUint64(stage[8*i:], uint64(at))
		}
		copy(stage[head:], out)
	})
	if !ok {
		return false, err
	}
	for i := range p.Members {
		m := (p.Me + i) % p.Members
		stage := offered(p, m)
		lo, hi := int(number.Uint64(stage[8*p.Me:])), int(number.Uint64(stage[8*p.Me+8:]))
		if err := expect(p, m, hi-lo, inOff[m+1]-inOff[m]); err != nil {
			return false, err
		}
		copy(in[inOff[m]:inOff[m+1]], stage[head:][lo:hi])
	}
	return true, nil
}

// expect says that a member sends as many bytes as this one expects.
func expect(p *board.Party, m, got, want int) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%w: rank %d sends %d bytes where rank %d expects %d", engine.ErrMismatch, m, got, p.Me, want)
}

// tell has the root say something that the others wait for: how many bytes it has
// shown, or that they do not fit. show writes them.
func tell(p *board.Party, root, n int, fits bool, show func()) (ok bool, err error) {
	if p.Me != root {
		if err := p.Enter(); err != nil {
			return false, err
		}
		if _, err := p.Arrive(nil, false); err != nil {
			return false, err
		}
		if err := p.From(root); err != nil {
			return false, err
		}
		return number.Uint64(p.Posted(root)) != 0, nil
	}
	if err := p.EnterStage(); err != nil {
		return false, err
	}
	if err := p.Agree(); err != nil { // before it writes where others do
		return false, err
	}
	var post [8]byte
	if fits {
		number.PutUint64(post[:], uint64(n)+1)
		show()
	}
	if _, err := p.Arrive(post[:], false); err != nil {
		return false, err
	}
	p.Told()
	return fits, nil
}

// BcastBytes gives every member the root's b.
func BcastBytes(p *board.Party, root int, b []byte) (got []byte, ok bool, err error) {
	ok, err = tell(p, root, len(b), len(b) <= p.Stage, func() { copy(p.Shown(p.Me), b) })
	if !ok || p.Me == root {
		return b, ok, err
	}
	return bytes.Clone(offered(p, root)), true, nil
}

// ScatterV fills everybody's x with its block of root's all, which off bounds
// there; a nil off says that they do not come this way. A stage begins with the
// length of what is in it.
func ScatterV(p *board.Party, root int, all []byte, off []int, x []byte) (ok bool, err error) {
	fits := off != nil
	if p.Me == root && fits {
		for m := range p.Members {
			fits = fits && 8+off[m+1]-off[m] <= p.Stage
		}
	}
	ok, err = tell(p, root, 0, fits, func() {
		for m := range p.Members {
			stage := p.Shown(m)
			number.PutUint64(stage, uint64(off[m+1]-off[m]))
			copy(stage[8:], all[off[m]:off[m+1]])
		}
	})
	if !ok {
		return false, err
	}
	stage := p.Shown(p.Me)
	n := int(number.Uint64(stage))
	if n != len(x) {
		return false, fmt.Errorf("%w: rank %d sends %d bytes where rank %d expects %d", engine.ErrMismatch, root, n, p.Me, len(x))
	}
	copy(x, stage[8:8+n])
	return true, nil
}

// Bundle gives root everybody's x in one piece, after their lengths (see Pack),
// if none is longer than most.
func Bundle(p *board.Party, root int, x []byte, most int) (b []byte, ok bool, err error) {
	n := len(x)
	if n > most {
		n = p.Stage + 1 // nobody's
	}
	if ok, err = offer(p, n, func(stage []byte) { copy(stage, x) }); !ok || p.Me != root {
		return nil, ok, err
	}
	parts := make([][]byte, p.Members)
	for m := range parts {
		parts[m] = offered(p, m)
	}
	return Pack(parts), true, nil
}

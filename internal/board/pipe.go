package board

import (
	"sync/atomic"

	"gridrun/internal/stream"
)

// The pipe carries a root's data to all other members in pieces, through slots
// that everybody copies from. Who puts has been a member of all puts before, so
// it knows that they are over.

// pieceOf is how much of n bytes goes in one piece: a few pieces, so that some
// copy out while the root copies in, and not many, for each may cost a turn of
// the scheduler.
func (p *Party) pieceOf(n int) int {
	return min(p.Pipe, max(align(n/4, line), 16<<10))
}

// Put sends x to all others.
func (p *Party) Put(x []byte) error {
	piece := p.pieceOf(len(x))
	for lo := 0; lo < len(x); lo += piece {
		part := x[lo:min(lo+piece, len(x))]
		uses := uint32(p.piped/pipeSlots) * uint32(p.Members-1)
		if err := p.until(word(p.taken(p.piped), uses)); err != nil {
			return err
		}
		copy(p.slot(p.piped), part)
		p.piped++
		atomic.SwapUint32(p.filled(), uint32(p.piped))
		p.wakeAll()
	}
	return nil
}

// Take fills x with what the root puts.
func (p *Party) Take(x []byte) error {
	piece := p.pieceOf(len(x))
	for lo := 0; lo < len(x); lo += piece {
		part := x[lo:min(lo+piece, len(x))]
		if err := p.until(word(p.filled(), uint32(p.piped+1))); err != nil {
			return err
		}
		stream.Copy(part, p.slot(p.piped)[:len(part)], p.Members*len(x))
		uses := uint32(p.piped/pipeSlots+1) * uint32(p.Members-1)
		if atomic.AddUint32(p.taken(p.piped), 1) == uses {
			p.wakeAll() // the root, or the next one
		}
		p.piped++
	}
	return nil
}

package onhost

import "gridrun/internal/board"

// A target is where the result of a reduction is wanted.
type target struct {
	root int  // who wants it; -1: everybody
	over bool // this member wants all of it, where its own x is
	// take has it copied there, in pieces: one that begins at byte at.
	take func(at int, piece []byte)
}

// mine tells whether a member wants any.
func (to target) mine(p *board.Party) bool { return to.root < 0 || to.root == p.Me }

// inPlace has the result in root's x, or in everybody's for root -1.
func inPlace(p *board.Party, root int, x []byte) target {
	to := target{root: root, take: func(at int, piece []byte) { copyOut(x[at:], piece) }}
	to.over = to.mine(p)
	return to
}

// block has everybody's own part of the result in part.
func block(p *board.Party, part []byte) target {
	lo := p.Me * len(part)
	return target{root: -1, take: func(at int, piece []byte) {
		from, to := max(lo, at), min(lo+len(part), at+len(piece))
		if from < to {
			copyOut(part[from-lo:], piece[from-at:to-at])
		}
	}}
}

// copyOut copies src to the start of dst, not too much at a time: Go's copy of 1 MiB
// and more goes past the cache.
func copyOut(dst, src []byte) {
	const most = 128 << 10
	for len(src) > 0 {
		n := copy(dst, src[:min(most, len(src))])
		dst, src = dst[n:], src[n:]
	}
}

package rt

import (
	"runtime"

	"gridrun/internal/wire"
)

const (
	// maxStacks is how much of its goroutines' stacks a process tells.
	maxStacks = 1 << 20
	// tellPiece is what one packet carries of them.
	tellPiece = 32 << 10
	// maxUnmatched is how many waiting messages a rank tells of.
	maxUnmatched = 64
)

// tell answers the agent's Inspect: the stacks of all goroutines, and for each
// rank the messages that nobody has received. The program stands still only
// while its stacks are written down.
func (a *agentLink) tell(seq uint32) {
	stacks := allStacks()
	var unmatched []wire.Unmatched
	for _, r := range a.proc.Ranks {
		unmatched = append(unmatched, a.proc.Rank(r).Unmatched(maxUnmatched)...)
	}
	for more := true; more; {
		m := &wire.Told{Seq: seq}
		n := min(len(stacks), tellPiece)
		m.Stacks, stacks = stacks[:n], stacks[n:]
		if n < tellPiece { // the rest of this packet is free
			n = min(len(unmatched), maxUnmatched)
			m.Unmatched, unmatched = unmatched[:n], unmatched[n:]
		}
		more = len(stacks) > 0 || len(unmatched) > 0
		m.More = more
		if a.conn.Send(m, nil) != nil {
			return // the agent has gone; listen sees it too
		}
	}
}

func allStacks() []byte {
	for size := 32 << 10; ; size *= 4 {
		buf := make([]byte, min(size, maxStacks))
		if n := runtime.Stack(buf, true); n < len(buf) || len(buf) == maxStacks {
			return buf[:n]
		}
	}
}

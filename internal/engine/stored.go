package engine

import (
	"fmt"

	"gridrun/internal/wire"
)

// Where ranks share processors, a sender that has to wait until its message is taken is
// one more switch to it and back; and who takes it by a system call has the kernel look
// up every page. So up to Proc.storeMax bytes the sender copies the message to memory of both
// processes (transport.Storer) and is done; the receive that matches copies it from
// there. No credit is needed: what is stored is bounded by the store, and where that is
// full the message goes the long way.

const (
	// storeMax is the longest message that is stored, leastStored the same where there are
	// many processes: of longer ones two copies no longer stay in a processor's cache.
	storeMax    = 256 << 10
	leastStored = 64 << 10
	// storeShare is what one message of every process of a host may take together of the
	// cache that the processors share.
	storeShare = 12 << 20
)

// storeMaxOf is the longest message that is stored among so many processes.
func storeMaxOf(procs int) int { return min(max(storeShare/procs, leastStored), storeMax) }

// fetch completes r, which is in no table, with a message that its sender has stored.
func (rk *Rank) fetch(r *Request, h *wire.Header) {
	err := r.accept(h)
	if err == nil {
		if x := rk.proc.stores[rk.proc.Topology.RankProc[h.Src]].Stored(h.Off, h.Len); x != nil {
			copy(r.buf, x)
		} else {
			err = fmt.Errorf("%w: rank %d says that a message of %d bytes is where none can be", ErrPeerLost, h.Src, h.Len)
		}
	}
	rk.proc.unstore(h)
	r.finish(err)
}

// unstore gives back the room of a stored message that nobody will read any more.
func (p *Proc) unstore(h *wire.Header) {
	p.stores[p.Topology.RankProc[h.Src]].Unstore(h.Off, h.Len)
}

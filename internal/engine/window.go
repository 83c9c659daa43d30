package engine

import (
	"sync/atomic"

	"gridrun/internal/trace"
	"gridrun/internal/transport"
)

// Eager messages are bounded by credit. A window is the eager bytes, envelopes
// included, that one rank may have on their way to, or unmatched at, another. What
// does not fit goes as a rendezvous, so a rank that does not receive holds at most a
// window a sender and one envelope for each of the sender's own pending requests.
const (
	// eagerMax is the longest message that travels with its envelope, and window the
	// window, where a rendezvous costs little: in shared memory.
	eagerMax = 8 << 10
	window   = 64 << 10
	// Where it costs a round trip, networks carry longer messages, and the window is
	// farWindow at first.
	farWindow = 256 << 10
	// A receiver doubles the window, by giving back twice what it has got, as long as
	// receives wait for what comes: to mostWindow (mostNear) for one sender, and by
	// mostExtra (mostNearExtra) for all of them. Messages of less than widening bytes
	// do not need it. One that had to be announced for want of credit makes room for
	// two like it even if its receive comes later (announced): its data will have come
	// by then, whatever its sender or receiver does meanwhile.
	mostWindow    = 8 << 20
	mostExtra     = 32 << 20
	mostNear      = 1 << 20
	mostNearExtra = 2 << 20
	widening      = 1 << 10
	// envelope is what an eager message costs beyond its data.
	envelope = 128
)

// reach is what may be sent eagerly to the ranks of a process.
type reach struct {
	eager  int // bytes of a message
	window int // at first
	most   int
	extra  int // of all such peers together, beyond window
}

var near = reach{eager: eagerMax, window: window, most: mostNear, extra: mostNearExtra}

func reachOf(n transport.Network) reach {
	if far, ok := n.(transport.Placer); ok {
		return reach{eager: far.EagerMax(), window: farWindow, most: mostWindow, extra: mostExtra}
	}
	return near
}

// A peer is what a rank knows of another: its way there, and the flow control.
type peer struct {
	reach
	rank  int32
	class trace.Class
	push  transport.Pusher // nil: messages to it take the long way
	put   transport.Putter // nil: it and this rank show each other no receives
	gone  *atomic.Pointer[end]
	store transport.Storer // nil: long messages to it are not left where both see them
	here  bool             // in this process: see deliver
	slips bool             // receives from it may be slips

	held    int    // eager bytes of its that nobody has received, if it is here
	credit  int    // eager bytes we may still send
	owed    uint32 // eager bytes of its that we have consumed and not yet returned
	granted int    // its window here
}

func newPeer(r reach) *peer { return &peer{reach: r, credit: r.window, granted: r.window} }

// affords says whether a message of n bytes may go eagerly, and takes its credit.
func (pe *peer) affords(n int) bool {
	cost := n + envelope
	if n > pe.eager || cost > pe.credit {
		return false
	}
	pe.credit -= cost
	return true
}

// repaid takes credit back.
func (pe *peer) repaid(n uint32) { pe.credit = min(pe.credit+int(n), pe.most) }

// due is the credit to give back at once for a message that has been matched, 0 if
// it can wait for a frame that goes there anyway.
func (pe *peer) due(length uint64) uint32 {
	if pe.here {
		pe.held -= int(length) + envelope
		return 0
	}
	pe.owed += uint32(length) + envelope
	if int(pe.owed) < pe.granted/2 {
		return 0
	}
	owed := pe.owed
	pe.owed = 0
	return owed
}

// widen makes a sender's window larger by the cost of a message that a receive had
// waited for. extra is what all senders of this rank have got so.
func (pe *peer) widen(length uint64, extra *int) {
	more := min(int(length)+envelope, pe.most-pe.granted, pe.extra-*extra)
	if more > 0 {
		pe.granted += more
		pe.owed += uint32(more)
		*extra += more
	}
}

// announced makes the window wider for messages like one that had to be announced,
// though it is short enough to come at once: as widen does if its receive was there
// first, else up to two of them.
func (pe *peer) announced(length uint64, waited bool, extra *int) {
	if length <= uint64(pe.eager) && (waited || pe.granted < 2*(int(length)+envelope)) {
		pe.widen(length, extra)
	}
}

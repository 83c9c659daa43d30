package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/waittable"
)

// Status tells what arrived; Count is in elements of the receive buffer's type.
type Status struct {
	Source int
	Tag    Tag
	Count  int
}

type requestKind uint8

const (
	sending requestKind = iota
	receiving
	probing
)

// A Request is one transfer, or one look for a message. Whoever completes it
// writes the result first and the state last; nobody touches it afterwards but
// its waiter. At most one goroutine at a time waits for it; it may be waited for
// again later.
type Request struct {
	transfer
	frame transport.Frame // the Eager or Data frame of a send
	recv  match.Recv      // of a receive or probe; its Value is the Request

	next *Request // in the rank's list of free ones

	own outcome // what a user's handle points to; never changes
}

// A transfer is what is new each time that a Request is used.
type transfer struct {
	rank *Rank
	comm *Comm
	kind requestKind
	op   Op
	peer int32 // world rank, AnyRank
	tag  Tag
	elem Signature
	size int // bytes of an element; 1 for encoded values
	buf  []byte
	call *Call // the collective it belongs to, or nil

	alloc bool // receive: make buf as long as the message
	sync  bool // send: complete when matched
	// offered is a send whose receiver may copy from buf without asking: only
	// that rank's word, or its end, ends the request.
	offered bool
	shown   transport.Putter // receive: to whose end it is shown, or was
	id      uint64           // key in the rank's tables while a rendezvous is under way
	got     uint64           // bytes of a rendezvous that have arrived
	total   uint64           // bytes of the message received
	began   int64            // for a timeline: when the user's call began, else 0
	msg     uint64           // likewise: the message's number at its sender

	// waiter is nil, who must be woken, or complete. It is armed under rank.mu.
	waiter atomic.Pointer[waiter]
	over   uint64 // 1: complete. After it is set the request may be recycled.
	status Status // Source in the group's ranks
	err    error

	// canceled is set (under rank.mu) when the waiter has asked to take a
	// matched-or-not send back and waits for the peer's verdict.
	canceled error
}

// complete is the waiter of a request that is over.
var complete = new(waiter)

// requests have no transfer.
var requests = sync.Pool{New: func() any {
	r := new(Request)
	r.own.r, r.recv.Value = r, r
	return r
}}

// free recycles a request that nobody else can know any more.
func (r *Request) free() {
	r.clear()
	requests.Put(r)
}

func (r *Request) clear() {
	r.transfer = transfer{}
	if r.frame.Owner != nil {
		r.frame = transport.Frame{}
	}
}

// mostSpares is how many free requests a rank keeps for itself.
const mostSpares = 256

// spare returns a free request. Called with rk.mu held.
func (rk *Rank) spare() *Request {
	r := rk.free
	if r == nil {
		return requests.Get().(*Request)
	}
	rk.free, r.next = r.next, nil
	rk.spares--
	return r
}

// spares are requests of one rank that are to be freed together.
type spares struct {
	rank        *Rank
	first, last *Request
	n           int
}

func (s *spares) add(r *Request) {
	rk := r.rank
	if s.n > 0 && rk != s.rank || s.n == mostSpares {
		r.free()
		return
	}
	r.clear()
	if s.n == 0 {
		s.rank, s.last = rk, r
	}
	r.next, s.first = s.first, r
	s.n++
}

func (s *spares) free() {
	if s.n == 0 {
		return
	}
	rk := s.rank
	rk.mu.Lock()
	if rk.spares+s.n <= mostSpares {
		s.last.next, rk.free = rk.free, s.first
		rk.spares += s.n
		s.first = nil
	}
	rk.mu.Unlock()
	for r := s.first; r != nil; r = s.first {
		s.first, r.next = r.next, nil
		requests.Put(r)
	}
}

func (r *Request) ready() bool { return atomic.LoadUint64(&r.over) != 0 }

// finish completes r, which the caller has taken out of every table, and must
// not touch afterwards.
func (r *Request) finish(err error) {
	r.err = err
	w := r.waiter.Swap(complete)
	spin.Store(&r.over, 1)
	if w != nil {
		w.wake()
	}
}

// end is finish for a holder of rank.mu, who is to wake the waiter it returns, if any.
// It needs no swap, as nobody arms meanwhile.
func (r *Request) end(err error) *waiter {
	r.err = err
	w := r.waiter.Load()
	spin.Store(&r.over, 1)
	return w
}

func (r *Request) arm(w *waiter) {
	r.rank.mu.Lock()
	old := r.waiter.Load()
	for old != complete && !r.waiter.CompareAndSwap(old, w) {
		old = r.waiter.Load()
	}
	r.rank.mu.Unlock()
	for old == complete && !r.ready() { // finish is about to say so, and will not wake w
		runtime.Gosched()
	}
}

// count is the result's length in elements.
func (r *Request) count(bytes uint64) int { return elements(int(bytes), r.size) }

// elements is how many of so many bytes each there are in bytes.
func elements(bytes, size int) int {
	if size <= 1 {
		return bytes
	}
	return bytes / size
}

// wrap says who failed at what.
func (r *Request) wrap(err error) error {
	if err == nil {
		return nil
	}
	peer := AnyRank
	if r.peer >= 0 {
		peer = r.comm.groupRank(int(r.peer))
	}
	tag := r.tag
	op := r.op
	if r.call != nil {
		op, tag = r.call.op, AnyTag
	}
	return &Error{Op: op.String(), Rank: r.comm.me, Peer: peer, Tag: tag, Err: err}
}

func (r *Request) wait() waittable.Wait {
	if r.call != nil {
		return r.call.wait(r.peer)
	}
	return waittable.Wait{Op: uint8(r.op), Peer: r.peer, Tag: int32(r.tag), Group: r.comm.id}
}

// Wait returns when the transfer is over. A ctx that ends first takes a
// transfer back that is not yet matched.
func (r *Request) Wait(ctx context.Context) (Status, error) {
	if r.began != 0 {
		r.waitRecorded(ctx)
	} else if err := r.rank.await(ctx, r); err != nil {
		r.rank.takeBack(r, err)
	}
	return r.status, r.wrap(r.err)
}

// Test says whether the transfer is over, without waiting.
func (r *Request) Test() (st Status, done bool, err error) {
	if !r.ready() {
		r.rank.proc.pollOnce()
		if !r.ready() {
			return Status{}, false, nil
		}
	}
	if r.began != 0 {
		r.began = r.rank.clock()
		r.record()
	}
	return r.status, true, r.wrap(r.err)
}

// anyOf is ready when one of its requests is.
type anyOf []*Request

func (a anyOf) ready() bool { return a.index() >= 0 }
func (a anyOf) index() int {
	for i, r := range a {
		if r != nil && r.ready() {
			return i
		}
	}
	return -1
}
func (a anyOf) arm(w *waiter) {
	for _, r := range a {
		if r != nil {
			r.arm(w)
		}
	}
}

// wait names a peer only when it is the same for all: any other could end the wait.
func (a anyOf) wait() waittable.Wait {
	w := waittable.Wait{Peer: -1, Tag: -1}
	for _, r := range a {
		switch {
		case r == nil:
		case w.Op == 0:
			w = r.wait()
		case w.Peer != r.peer:
			w = waittable.Wait{Op: uint8(OpWait), Peer: -1, Tag: -1, Group: r.comm.id}
		}
	}
	return w
}

// lengthError says what a receive of a collective met.
func (r *Request) lengthError(n uint64) error {
	return fmt.Errorf("%w: a message of %d bytes where %d were expected: lengths differ between the ranks", ErrMismatch, n, len(r.buf))
}

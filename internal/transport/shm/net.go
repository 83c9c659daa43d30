package shm

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// flushTime is how long Close waits for peers that are alive but take nothing.
const flushTime = 3 * time.Second

var (
	// ErrClosed is what frames fail with that are posted after Close.
	ErrClosed = errors.New("shared memory transport is closed")
	// ErrLeft is what frames fail with whose receiver has closed its end.
	ErrLeft = errors.New("process has left the job")
)

// Net is the network between the processes of one host, as one of them sees it.
type Net struct {
	seg   *Segment
	self  int // local index
	own   *slot
	ready []uint64 // the ready words of own
	sink  transport.Sink
	index map[int]int // process number to local index

	peers  []atomic.Pointer[peer] // by local index, made when first needed
	mu     sync.Mutex             // makes peers
	closed bool                   // under mu: new peers are born closed

	closing atomic.Bool
	seen    [2]atomic.Uint32 // bell at the end of the last Sleep
	asleep  [2]atomic.Bool

	// Of the records being delivered; the poller's.
	h      wire.Header
	batch  transport.BatchSink // nil: the sink is none
	heads  [batchMax]wire.Header
	bodies [batchMax][]byte

	watched atomic.Uint64 // peers at whose rings Poll looks, ready bit or not: bits as in ready[0]
	grown   atomic.Int32  // rings that more than a part is used of, where there are many; or more
	base    uint32        // of own.mode: lax or 0
	naps    bool          // the token holder's sleep begins with a nap
	fenced  atomic.Bool   // others' fenceOthers reach this process
	asked   sync.Once     // for that
	joined  sync.WaitGroup

	spread spread
	store  store

	nonce *uint64 // who can read this word can pull
}

// Open joins process proc to the segment's network. Frames that came before
// Open wait in their rings. The segment must stay until the Net is closed.
func Open(seg *Segment, proc int, sink transport.Sink) (*Net, error) {
	n := &Net{seg: seg, self: seg.local(proc), sink: sink, index: make(map[int]int, seg.procs)}
	if n.self < 0 {
		return nil, fmt.Errorf("process %d is not one of the %d that share this segment", proc, seg.procs)
	}
	n.own = seg.slot(n.self)
	if !atomic.CompareAndSwapUint32(&n.own.state, unborn, alive) {
		return nil, fmt.Errorf("process %d is attached to the shared segment already", proc)
	}
	n.batch, _ = sink.(transport.BatchSink)
	n.ready = n.own.words((seg.procs + 63) / 64)
	n.naps = seg.procs > seg.CPUs() && seg.ranks == seg.procs
	n.store.mine, n.store.used = seg.storeOf(n.self), &n.own.stored
	if seg.fewProcs() && canFence() {
		n.base = lax
		atomic.SwapUint32(&n.own.mode, n.base)
	}
	if err := n.offer(); err != nil {
		return nil, err
	}
	for i, p := range seg.numbers {
		n.index[int(p)] = i
	}
	n.peers = make([]atomic.Pointer[peer], seg.procs)
	return n, nil
}

// Link implements transport.Network.
func (n *Net) Link(p int) transport.Link {
	i, ok := n.index[p]
	if !ok {
		return &peer{net: n, proc: p, err: fmt.Errorf("process %d is not on this host", p)}
	}
	return n.peer(i)
}

// peer returns the peer with local index i.
func (n *Net) peer(i int) *peer {
	if p := n.peers[i].Load(); p != nil {
		return p
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[i].Load()
	if p == nil {
		p = &peer{net: n, local: i, slot: n.seg.slot(i), proc: int(n.seg.numbers[i])}
		if n.closed {
			p.err = ErrClosed
		}
		n.peers[i].Store(p)
	}
	return p
}

// Kill implements transport.Network. Posts fail at once; the next Poll delivers
// what is left and calls Down.
func (n *Net) Kill(proc int, err error) {
	i, ok := n.index[proc]
	if !ok {
		return
	}
	if err == nil {
		err = fmt.Errorf("process %d is gone", proc)
	}
	p := n.peer(i)
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.err, ErrClosed) || !p.killed.CompareAndSwap(nil, &err) {
		return
	}
	p.err = err
	p.call()
	n.own.rouse()
}

// Nudge implements transport.Poller.
func (n *Net) Nudge(proc int) {
	i, ok := n.index[proc]
	if !ok {
		return
	}
	bit := n.self
	if n.seg.fewProcs() {
		bit = nudged
	}
	n.seg.slot(i).signal(bit)
}

// Close implements transport.Network. The caller has stopped polling; Close
// polls for itself while peers still take what is queued, so that two that
// close at the same time do not wait for each other. It must not be called
// from a Sink method. The segment stays mapped.
func (n *Net) Close() error {
	if n.closing.Swap(true) {
		return nil
	}
	n.wake()
	n.joined.Wait()
	deadline := time.Now().Add(flushTime)
	for n.work(); n.pending(); n.work() {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		n.sleep(0, int64(left), nil)
	}
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	for i := range n.peers {
		if p := n.peers[i].Load(); p != nil {
			p.fail(ErrClosed)
		}
	}
	atomic.SwapUint32(&n.own.mode, 0)
	atomic.StoreUint64(&n.own.probe, 0)
	atomic.SwapUint32(&n.own.state, left)
	for _, j := range n.seg.partners(n.self) {
		n.seg.slot(j).signal(n.self)
	}
	return nil
}

// pending tells whether frames are queued to anybody.
func (n *Net) pending() bool {
	for i := range n.peers {
		if p := n.peers[i].Load(); p != nil && p.out.blocked.Load() {
			return true
		}
	}
	return false
}

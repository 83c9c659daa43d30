package engine

import (
	"sync"
	"sync/atomic"

	"gridrun/internal/bias"
	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/trace"
	"gridrun/internal/transport"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// A Rank is one rank of this process. mu guards matching, the tables of
// transfers under way and the credits: one lock whatever network is used. It is
// never held while posting to a network, for a network may call straight back.
type Rank struct {
	proc  *Proc
	world int
	table waittable.Table
	rec   *trace.Recorder // nil: nobody wants to know
	// tracing: it wants to know of every message.
	tracing bool
	// given are the table and the recorder that came with the rank.
	given struct {
		table waittable.Table
		rec   *trace.Recorder
	}

	mu     bias.Mutex
	queues *match.Queues
	peers  map[int32]*peer
	extra  int                 // credit given beyond the first windows
	near   [8]*peer            // looked up lately, by rank
	sends  map[uint64]*Request // rendezvous announced, not yet asked for
	recvs  map[uint64]*Request // matched, data on its way
	shown  map[uint64]*Request // receives that their senders see (put.go)
	probes []*Request
	nextID uint64
	groups map[uint64]*groupState
	// agreements outlive their groups: who is late asks how they ended.
	agreements map[agreementKey]*agreement
	forgotten  map[uint64]*forgotten // by group

	waiters *waiter  // that rest
	asleep  *waiter  // that sleep, where the lookout sees to their entries
	sleeps  uint64   // begun
	slept   uint64   // of these, when the lookout last looked
	brisk   bool     // there are many of them: see lookout
	free    *Request // to be used again, spares of them
	spares  int
	slab    []Handle // for the next transfers of users

	standing standing
	lent     lent
	awaited  awaited
	mail     *message // to be used again, mails of them
	mails    int
}

// A groupState is what a rank knows of a group beyond its messages.
type groupState struct {
	parts   []uint64 // groups that are revoked with it: see Adopt
	revoked error
	dead    atomic.Bool      // revoked, for those who do not hold the rank's lock
	members []int32          // nil: this rank has not made the group yet
	acked   map[int32]bool   // dead members that receives from any source may pass over
	calls   map[uint32]*Call // collective calls in progress
}

// A message is one that has arrived and waits for a receive.
type message struct {
	match.Msg
	header wire.Header
	body   []byte // Eager
	lender *lent  // whose body is the sender's own, or nil
	next   *message
}

// messages that a receive has taken; their bodies keep their room.
var messages = sync.Pool{New: func() any { return new(message) }}

// mostMails is how many messages with room for lockedCopy bytes a rank keeps for itself.
const mostMails = 64

// blankMessage returns a message to be filled. Called with rk.mu held.
func (rk *Rank) blankMessage() *message {
	m := rk.mail
	if m == nil {
		return messages.Get().(*message)
	}
	rk.mail, m.next = m.next, nil
	rk.mails--
	return m
}

// drop puts back a message that has been received. Called with rk.mu held.
func (rk *Rank) drop(m *message) {
	if rk.mails == mostMails || cap(m.body) > lockedCopy {
		messages.Put(m)
		return
	}
	m.next, rk.mail = rk.mail, m
	rk.mails++
}

func newRank(p *Proc, world int) *Rank {
	rk := &Rank{
		proc:   p,
		world:  world,
		queues: match.New(),
		peers:  make(map[int32]*peer),
		sends:  make(map[uint64]*Request),
		recvs:  make(map[uint64]*Request),
		shown:  make(map[uint64]*Request),
		groups: make(map[uint64]*groupState),

		agreements: make(map[agreementKey]*agreement),
		forgotten:  make(map[uint64]*forgotten),
	}
	if p.Table != nil {
		rk.table = p.Table(world)
	} else {
		rk.table = waittable.New()
	}
	if p.Record != nil {
		rk.rec = p.Record(world)
		rk.tracing = rk.rec != nil && rk.rec.Tracing()
	}
	rk.queues.Unfold = rk.unfold
	rk.given.table, rk.given.rec = rk.table, rk.rec
	s := &rk.standing
	s.rank, s.kind, s.op, s.recv.Value = rk, receiving, OpRecv, &s.Request
	l := &rk.lent
	l.rank, l.kind, l.size, l.lender = rk, sending, 1, l
	l.w.proc, l.w.slot = p, -1
	return rk
}

func (rk *Rank) peer(r int32) *peer {
	at := &rk.near[uint32(r)%uint32(len(rk.near))]
	if pe := *at; pe != nil && pe.rank == r {
		return pe
	}
	pe := rk.peers[r]
	if pe == nil {
		p := rk.proc
		pe = newPeer(p.reach[p.Topology.RankProc[r]])
		pe.rank, pe.class, pe.gone, pe.here = r, p.class(r), &p.gone[r], p.ranks[r] != nil
		pe.slips = pe.here && p.poller == nil
		pe.push, _ = p.routes[p.Topology.RankProc[r]].(transport.Pusher)
		pe.put, _ = p.routes[p.Topology.RankProc[r]].(transport.Putter)
		if p.crowded {
			pe.store = p.stores[p.Topology.RankProc[r]]
		}
		pe.slips = pe.slips || pe.put != nil
		rk.peers[r] = pe
	}
	*at = pe
	return pe
}

func (rk *Rank) group(id uint64) *groupState {
	g := rk.groups[id]
	if g == nil {
		g = &groupState{calls: make(map[uint32]*Call)}
		rk.groups[id] = g
	}
	return g
}

func (rk *Rank) id() uint64 {
	rk.nextID++
	return rk.nextID
}

// close ends the hold of resting waiters on their ctx.
func (rk *Rank) close() {
	rk.mu.Lock()
	w := rk.waiters
	rk.waiters = nil
	var idle *waiter
	if s := &rk.standing; atomic.LoadUint64(&s.busy) == 0 && s.w != nil {
		idle = s.w
		spin.Store(&s.busy, 1)
	}
	if rk.awaited.handle == nil {
		rk.awaited.w.leave()
	}
	rk.mu.Unlock()
	for ; w != nil; w = w.next {
		w.leave()
	}
	if idle != nil {
		idle.leave()
		spin.Store(&rk.standing.busy, 0)
	}
	if l := &rk.lent; l.to.CompareAndSwap(nil, rk) {
		l.w.leave()
		l.to.Store(nil)
	}
}

// Waits returns what the rank's goroutines are blocked in.
func (rk *Rank) Waits() []waittable.Wait { return rk.table.Read() }

// Unmatched returns the messages that have arrived and that nobody has received
// yet, at most the given number, in no certain order.
func (rk *Rank) Unmatched(most int) []wire.Unmatched {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	n := 0
	msgs := rk.queues.Msgs(func(m *match.Msg) bool {
		n++
		return n <= most
	})
	out := make([]wire.Unmatched, 0, len(msgs))
	for _, m := range msgs {
		h := &m.Value.(*message).header
		u := wire.Unmatched{Rank: rk.world, Src: int(m.Src), Tag: m.Tag, Group: Shown(m.Group &^ collective), Bytes: int64(h.Len)}
		if m.Group&collective != 0 {
			u.Tag, u.Op, u.Seq = -1, Op(h.Op).String(), h.Seq
		}
		out = append(out, u)
	}
	return out
}

// Shown is how reports name a group: 0 is the world.
func Shown(group uint64) uint64 {
	if group == WorldID {
		return 0
	}
	return group
}

// Finish tells the ranks that this one has talked to that it has ended with
// success, and those of its own process whether or not.
func (rk *Rank) Finish() {
	rk.mu.Lock()
	var talked []int32
	for r := range rk.peers {
		if rk.proc.Topology.RankProc[r] != rk.proc.Proc {
			talked = append(talked, r)
		}
	}
	rk.mu.Unlock()
	for _, r := range talked {
		rk.control(&wire.Header{Kind: wire.Bye, Dst: r})
	}
	rk.proc.markGone(rk.world, &end{finished: true, survived: true})
}

// Fail marks this rank as dead to the other ranks of its process.
func (rk *Rank) Fail(err error) { rk.proc.Ended(rk.world, err) }

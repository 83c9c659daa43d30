package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"gridrun/internal/engine/match"
	"gridrun/internal/wire"
)

// collective is the bit of a message space that sets a group's collective
// traffic apart from its users'. Group ids have it clear.
const collective uint64 = 1

// WorldID is the id of the group of all ranks.
const WorldID uint64 = 2

// A Comm is one rank's view of a group: an ordered set of ranks with a message
// space of its own.
//
// The id of a group is computed, not agreed upon: every member derives it from
// the parent's id, the number of the call that made it and its color, which are
// the same on all of them.
type Comm struct {
	rank    *Rank
	id      uint64
	state   *groupState
	members []int32       // world rank of each group rank
	index   map[int32]int // group rank of each world rank; nil: the same
	me      int
	size    int
	calls   atomic.Uint32 // collective calls begun

	agreements  atomic.Uint32 // likewise
	attachments attachments
	outcomes    outcomes
	slipped     outcome // of the handles whose receives are slips
	seat        *seat   // at the board that the members share, or nil
	asked       bool    // whether there is one is known
	levels      *Levels
	level       bool // it is one of another group's levels: its calls are parts of that one's
	layered     bool // levels are known
}

// World returns the group of all ranks as this rank sees it.
func (rk *Rank) World() *Comm {
	rk.mu.Lock()
	state := rk.group(WorldID)
	state.members = rk.proc.world
	rk.mu.Unlock()
	c := &Comm{rank: rk, id: WorldID, state: state, members: rk.proc.world, me: rk.world, size: len(rk.proc.world)}
	c.slipped.slip = c
	return c
}

func (rk *Rank) comm(id uint64, members []int32) *Comm {
	c := &Comm{rank: rk, id: id, members: members, size: len(members), index: make(map[int32]int, len(members))}
	for i, w := range members {
		c.index[w] = i
	}
	c.me, c.slipped.slip = c.index[int32(rk.world)], c
	rk.mu.Lock()
	c.state = rk.group(id)
	c.state.members = members
	rk.mu.Unlock()
	return c
}

// From returns the engine's side of an rt.Group; rt sets it.
var From func(group any) *Comm

func (c *Comm) Rank() int           { return c.me }
func (c *Comm) Size() int           { return c.size }
func (c *Comm) WorldRank(r int) int { return int(c.members[r]) }

// ID names the group's message space; it is the same on every member.
func (c *Comm) ID() uint64 { return c.id }

// Proc returns the process's part of the job.
func (c *Comm) Proc() *Proc { return c.rank.proc }

// groupRank returns the group's rank of a world rank, -1 if it is no member.
func (c *Comm) groupRank(world int) int {
	if c.index == nil {
		return world
	}
	if i, ok := c.index[int32(world)]; ok {
		return i
	}
	return -1
}

var errClosed = errors.New("this rank has closed the group")

// Close forgets the group on this rank: what was buffered and not received is
// dropped, receives and probes that still wait fail. The envelope of a message
// whose data is at its sender stays, so that the sender can take it back. Later
// operations on the group fail.
func (c *Comm) Close() error {
	c.attachments.close()
	if c.id == WorldID {
		return nil
	}
	rk := c.rank
	if c.seat != nil {
		c.seat.close()
		c.seat = nil
	}
	if c.levels != nil {
		c.levels.close()
	}
	rk.mu.Lock()
	rk.dropMissing(c.id)
	ended, envelopes, credit := rk.clear(c.id)
	if len(envelopes) == 0 {
		rk.queues.Drop(c.id)
		rk.queues.Drop(c.id | collective)
	}
	if g := rk.groups[c.id]; g != nil && g.revoked != nil {
		// Members that have not heard of it may still send: see tooLate.
		rk.groups[c.id] = &groupState{revoked: g.revoked}
	} else {
		delete(rk.groups, c.id)
	}
	if c.state.revoked == nil { // what is begun on it from now on fails
		c.state.revoked = errClosed
		c.state.dead.Store(true)
	}
	rk.mu.Unlock()
	for _, r := range ended {
		r.finish(errClosed)
	}
	for peer, owed := range credit {
		rk.repay(peer, owed)
	}
	return nil
}

// clear takes the receives and probes that wait in a group out of the tables,
// for the caller to finish, and drops its eager messages. It returns the
// messages that are left, all RTS, and the credit to repay to whom. Called with
// rk.mu held.
func (rk *Rank) clear(group uint64) (ended []*Request, envelopes []*match.Msg, credit map[int32]uint32) {
	for _, rv := range rk.queues.Recvs(func(rv *match.Recv) bool { return rv.Group&^collective == group }) {
		if r := rv.Value.(*Request); rk.cancel(r) {
			ended = append(ended, r)
		}
	}
	rk.probes = slices.DeleteFunc(rk.probes, func(r *Request) bool {
		if r.comm.id == group {
			ended = append(ended, r)
		}
		return r.comm.id == group
	})
	for _, m := range rk.queues.Msgs(func(m *match.Msg) bool { return m.Group&^collective == group }) {
		h := &m.Value.(*message).header
		if h.Kind == wire.RTS {
			envelopes = append(envelopes, m)
			continue
		}
		rk.queues.Remove(m)
		if h.Kind == wire.Stored {
			rk.proc.unstore(h)
			continue
		}
		if owed := rk.consumed(h); owed > 0 {
			if credit == nil {
				credit = make(map[int32]uint32)
			}
			credit[h.Src] += owed
		}
	}
	return ended, envelopes, credit
}

func (c *Comm) checkPeer(op Op, peer int, tag Tag, any bool) error {
	if peer >= 0 && peer < c.size || any && peer == AnyRank {
		return nil
	}
	return &Error{Op: op.String(), Rank: c.me, Peer: max(peer, AnyRank), Tag: tag, Err: fmt.Errorf("rank %d is not in the group of %d", peer, c.size)}
}

func (c *Comm) checkTag(op Op, tag Tag, any bool) error {
	if tag >= 0 || any && tag == AnyTag {
		return nil
	}
	return &Error{Op: op.String(), Rank: c.me, Peer: AnyRank, Tag: AnyTag, Err: fmt.Errorf("tag %d is negative; user tags are 0 and up", tag)}
}

// Payload is a message's bytes and what they are. It travels in registers, for it
// takes four words: a copy in memory would be read in wider pieces than it was written,
// and wait until all that was stored before it, the last message too, has left the
// processor.
type Payload struct {
	Bytes []byte
	Elem  Signature
	Size  uint32 // bytes of an element
}

// Send starts sending x to rank dst of the group.
func (c *Comm) Send(ctx context.Context, op Op, dst int, tag Tag, x Payload) (*Request, error) {
	if err := c.checkPeer(op, dst, tag, false); err != nil {
		return nil, err
	}
	if err := c.checkTag(op, tag, false); err != nil {
		return nil, err
	}
	r := requests.Get().(*Request)
	r.rank, r.comm, r.kind, r.op, r.peer, r.tag = c.rank, c, sending, op, c.members[dst], tag
	r.elem, r.size, r.buf, r.sync, r.began = x.Elem, int(x.Size), x.Bytes, op == OpSSend, c.rank.clock()
	if ctx.Err() != nil {
		err := r.wrap(errEnded(ctx))
		r.free()
		return nil, err
	}
	r.start()
	if r.began != 0 && op == OpISend {
		r.record()
	}
	return r, nil
}

// Recv starts receiving into x.Bytes from rank src, or AnyRank. alloc has the
// buffer made as long as the message.
func (c *Comm) Recv(ctx context.Context, op Op, src int, tag Tag, x Payload, alloc bool) (*Request, error) {
	if err := c.checkPeer(op, src, tag, true); err != nil {
		return nil, err
	}
	if err := c.checkTag(op, tag, true); err != nil {
		return nil, err
	}
	r := requests.Get().(*Request)
	r.receive(c, op, src, tag, x)
	r.alloc, r.began = alloc, c.rank.clock()
	if ctx.Err() != nil {
		err := r.wrap(errEnded(ctx))
		r.free()
		return nil, err
	}
	r.post()
	return r, nil
}

// receive makes r a receive into x.Bytes.
func (r *Request) receive(c *Comm, op Op, src int, tag Tag, x Payload) {
	r.rank, r.comm, r.kind, r.op, r.peer, r.tag = c.rank, c, receiving, op, AnyRank, tag
	r.elem, r.size, r.buf = x.Elem, int(x.Size), x.Bytes
	if src >= 0 {
		r.peer = c.members[src]
	}
}

// Finish waits for a request that nobody else knows and recycles it.
func (r *Request) Finish(ctx context.Context) (Status, error) {
	st, err := r.Wait(ctx)
	r.free()
	return st, err
}

// FinishBytes is Finish for a receive that made its own buffer.
func (r *Request) FinishBytes(ctx context.Context) ([]byte, Status, error) {
	st, err := r.Wait(ctx)
	b := r.buf
	r.free()
	return b, st, err
}

// Probe waits for a matching message, or only looks. Count is in elements of the
// type that the sender has sent, 1 for an encoded value.
func (c *Comm) Probe(ctx context.Context, src int, tag Tag, wait bool) (st Status, found bool, err error) {
	if err := c.checkPeer(OpProbe, src, tag, true); err != nil {
		return st, false, err
	}
	if err := c.checkTag(OpProbe, tag, true); err != nil {
		return st, false, err
	}
	r := &Request{transfer: transfer{rank: c.rank, comm: c, kind: probing, op: OpProbe, peer: AnyRank, tag: tag}}
	if src >= 0 {
		r.peer = c.members[src]
	}
	if !wait {
		c.rank.proc.pollOnce()
		c.rank.mu.Lock()
		defer c.rank.mu.Unlock()
		m := c.rank.queues.Peek(c.id, r.peer, int32(tag))
		if m == nil {
			return st, false, r.wrap(c.rank.hopeless(r))
		}
		h := &m.Value.(*message).header
		if err := c.rank.missing(h); err != nil {
			return st, false, r.wrap(err)
		}
		r.see(h)
		return r.status, true, nil
	}
	r.post()
	st, err = r.Wait(ctx)
	return st, err == nil, err
}

// Split makes a group of the callers with the same color, ordered by key, then
// rank; nil for those with a negative color. Rank 0 gathers every color and key
// and a binomial tree spreads the table: 16 bytes a rank, 2 log2(n) steps.
func (c *Comm) Split(ctx context.Context, color, key int) (*Comm, error) {
	k, err := c.Begin(ctx, OpSplit, 0)
	if err != nil {
		return nil, err
	}
	table := make([]byte, 16*c.size)
	put := func(b []byte) {
		binary.LittleEndian.PutUint64(b, uint64(int64(color)))
		binary.LittleEndian.PutUint64(b[8:], uint64(int64(key)))
	}
	put(table[16*c.me:])
	if err := k.End(k.spread(table)); err != nil {
		return nil, err
	}
	if color < 0 {
		return nil, nil
	}
	type member struct{ key, rank int }
	var in []member
	for r := range c.size {
		if int(int64(binary.LittleEndian.Uint64(table[16*r:]))) == color {
			in = append(in, member{int(int64(binary.LittleEndian.Uint64(table[16*r+8:]))), r})
		}
	}
	slices.SortStableFunc(in, func(a, b member) int { return cmp.Compare(a.key, b.key) })
	members := make([]int32, len(in))
	for i, m := range in {
		members[i] = c.members[m.rank]
	}
	return c.rank.comm(mix(c.id, k.seq, int64(color)), members), nil
}

// spread makes table, of 16 bytes a rank, whole on every rank: each has its own row.
func (k *Call) spread(table []byte) error {
	me, n := k.Rank(), k.Size()
	// Binomial gather: rank me collects the rows [me, me+mask).
	mask := 1
	for ; mask < n; mask <<= 1 {
		if me&mask != 0 {
			if err := k.Send(me-mask, 0, table[16*me:16*min(me+mask, n)]); err != nil {
				return err
			}
			break
		}
		if me+mask < n {
			if err := k.Recv(me+mask, 0, table[16*(me+mask):16*min(me+2*mask, n)]); err != nil {
				return err
			}
		}
	}
	// Binomial broadcast from rank 0.
	if me != 0 {
		if err := k.Recv(me-mask, 1, table); err != nil {
			return err
		}
	}
	for mask >>= 1; mask > 0; mask >>= 1 {
		if me+mask < n {
			if err := k.Send(me+mask, 1, table); err != nil {
				return err
			}
		}
	}
	return nil
}

// Dup makes a group of the same ranks with a message space of its own. It needs
// no message: the id follows from the call's number.
func (c *Comm) Dup(ctx context.Context) (*Comm, error) {
	k, err := c.Begin(ctx, OpDup, 0)
	if err != nil {
		return nil, err
	}
	return c.rank.comm(mix(c.id, k.seq, -1), c.members), k.End(nil)
}

package engine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"gridrun/internal/engine/agree"
	"gridrun/internal/transport"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// An agreement is one rank's part of one Shrink or Agree. Package agree says how
// members come to the same outcome; here its messages are carried, as frames
// that a revoked group lets pass, and the rank waits. It is kept when it is over,
// for a member whose coordinator has died asks the others how it ended.
type agreement struct {
	comm    *Comm
	machine *agree.Machine   // nil: this rank has not begun it
	early   []earlyAgreement // what came before it had
	number  uint32
	op      Op

	over   atomic.Bool
	waiter atomic.Pointer[waiter]
}

type agreementKey struct {
	group  uint64
	number uint32 // of the agreements on the group, from 1
}

type earlyAgreement struct {
	from int32
	body []byte
}

// condition of await.
func (a *agreement) ready() bool { return a.over.Load() }

func (a *agreement) arm(w *waiter) {
	a.waiter.Store(w)
	if a.over.Load() {
		w.wake()
	}
}

func (a *agreement) wait() waittable.Wait {
	return waittable.Wait{Op: uint8(a.op), Peer: -1, Tag: -1, Group: a.comm.id, Seq: a.number}
}

// An Outcome is what the survivors of a group have agreed on.
type Outcome struct {
	Flag bool  // every survivor's was true
	Dead []int // ranks of the group, ascending
}

// Agree has all members that live agree on who is dead and on the conjunction
// of their flags, on a revoked group too. All call their agreements in the same
// order. ctx ends the caller's wait, not its part.
func (c *Comm) Agree(ctx context.Context, flag bool) (Outcome, error) {
	return c.agree(ctx, c.beginAgreement(OpAgree, flag))
}

func (c *Comm) agree(ctx context.Context, a *agreement) (Outcome, error) {
	fail := func(err error) (Outcome, error) {
		return Outcome{}, &Error{Op: a.op.String(), Rank: c.me, Peer: AnyRank, Tag: AnyTag, Err: err}
	}
	err := c.rank.await(ctx, a)
	a.waiter.Store(nil)
	if err != nil {
		return fail(err)
	}
	c.rank.mu.Lock()
	defer c.rank.mu.Unlock()
	value, decided := a.machine.Decision()
	if !decided {
		return fail(fmt.Errorf("%w: the others have gone on without this rank, which they cannot reach", ErrRevoked))
	}
	out := Outcome{Flag: value.Flag}
	for r := range c.size {
		if value.Dead.Has(r) {
			out.Dead = append(out.Dead, r)
		}
	}
	return out, nil
}

// shrunk sets the ids of groups made by Shrink apart from those of Split and Dup.
const shrunk = -2

// Shrink makes a group of the members that live, in their order.
func (c *Comm) Shrink(ctx context.Context) (*Comm, error) {
	a := c.beginAgreement(OpShrink, true)
	out, err := c.agree(ctx, a)
	if err != nil {
		return nil, err
	}
	var members []int32
	for r, w := range c.members {
		if !slices.Contains(out.Dead, r) {
			members = append(members, w)
		}
	}
	return c.rank.comm(mix(c.id, a.number, shrunk), members), nil
}

// Failed lists the members that have died as far as this rank knows; those that
// have finished well are not among them.
func (c *Comm) Failed() (dead []int) {
	if c.rank.proc.goneN.Load() == 0 {
		return nil
	}
	for r, w := range c.members {
		if e := c.rank.proc.gone[w].Load(); e != nil && !e.finished {
			dead = append(dead, r)
		}
	}
	return dead
}

// AckFailed is Failed, after which receives from any source no longer fail on
// account of those ranks.
func (c *Comm) AckFailed() []int {
	dead := c.Failed()
	rk := c.rank
	rk.mu.Lock()
	defer rk.mu.Unlock()
	g := rk.group(c.id)
	acked := make(map[int32]bool, len(dead))
	for _, r := range dead {
		acked[c.members[r]] = true
	}
	g.acked = acked
	rk.dropMissing(c.id)
	return dead
}

// Lost says why nothing more will come from a member; nil while something may.
// A wait that the engine knows nothing of, in shared memory say, looks at this
// and at Revoked from time to time.
func (c *Comm) Lost(r int) error {
	if c.rank.proc.goneN.Load() == 0 {
		return nil
	}
	return c.rank.proc.lostError(c.WorldRank(r))
}

// Revoked returns the cause if the group has been revoked, else nil.
func (c *Comm) Revoked() error {
	c.rank.mu.Lock()
	defer c.rank.mu.Unlock()
	if g := c.rank.groups[c.id]; g != nil {
		return g.revoked
	}
	return nil
}

// beginAgreement takes part in the group's next agreement.
func (c *Comm) beginAgreement(op Op, flag bool) *agreement {
	rk := c.rank
	number := c.agreements.Add(1)
	rk.mu.Lock()
	rk.forgetAgreements(c, number)
	a := rk.agreement(agreementKey{c.id, number})
	dead := agree.NewSet(c.size)
	for r, w := range c.members {
		if rk.proc.gone[w].Load() != nil {
			dead.Add(r)
		}
	}
	a.comm, a.op, a.number = c, op, number
	var out outgoing
	var sends []agree.Send
	a.machine, sends = agree.New(c.me, c.size, flag, dead)
	out.add(a, sends)
	for _, e := range a.early {
		out.receive(a, e.from, e.body)
	}
	a.early = nil
	rk.mu.Unlock()
	out.carryOut()
	return a
}

// forgetAgreements forgets those that nobody will ask about when the given one
// begins. Once the last has been decided everybody has begun it, or is called dead
// by it, and so waits for none before it. (A rank may have begun the last and left
// it, undecided, as its ctx had ended.) Called with rk.mu held.
func (rk *Rank) forgetAgreements(c *Comm, number uint32) {
	last := rk.agreements[agreementKey{c.id, number - 1}]
	if last == nil || last.machine == nil {
		return
	}
	if _, decided := last.machine.Decision(); !decided {
		return
	}
	f := rk.forgotten[c.id]
	if f == nil {
		f = &forgotten{comm: c}
		rk.forgotten[c.id] = f
	}
	for f.upTo < number-2 {
		f.upTo++
		delete(rk.agreements, agreementKey{c.id, f.upTo})
	}
}

// forgotten are the agreements of a group that are kept no more.
type forgotten struct {
	comm *Comm
	upTo uint32
}

// answer is for who still sends something about a forgotten agreement: one that
// the others have gone on without is told so. What says the same of this rank is
// such an answer itself.
func (f *forgotten) answer(h *wire.Header, body []byte) *transport.Frame {
	c := f.comm
	r := c.groupRank(int(h.Src))
	m, err := agree.Decode(body, c.size)
	if err != nil || r < 0 || m.Kind == agree.Commit || m.Dead.Has(c.me) {
		return nil
	}
	reply := agree.Message{Kind: agree.Prepare, Dead: agree.NewSet(c.size), Accepted: -1}
	reply.Dead.Add(r)
	return agreeFrame(c, h.Src, h.Op, h.Seq, &reply)
}

func agreeFrame(c *Comm, to int32, op uint8, number uint32, m *agree.Message) *transport.Frame {
	body := m.Encode()
	return &transport.Frame{Header: wire.Header{
		Kind: wire.Agree, Op: op, Src: int32(c.rank.world), Dst: to, Group: c.id,
		Seq: number, Len: uint64(len(body)), Body: uint32(len(body)),
	}, Body: body}
}

// agreement returns the one with the key, which may not have begun here. Called
// with rk.mu held.
func (rk *Rank) agreement(key agreementKey) *agreement {
	a := rk.agreements[key]
	if a == nil {
		a = new(agreement)
		rk.agreements[key] = a
	}
	return a
}

// maxEarly bounds what is kept of an agreement that this rank has not begun: a
// vote and a Prepare of each member for each of some coordinators.
const maxEarly = 1 << 16

// agreed takes an Agree frame.
func (rk *Rank) agreed(h *wire.Header, body []byte) {
	if rk.proc.disowned(h.Src) && !agree.IsCommit(body) {
		return
	}
	var out outgoing
	rk.mu.Lock()
	if f := rk.forgotten[h.Group]; f != nil && h.Seq <= f.upTo {
		rk.mu.Unlock()
		if reply := f.answer(h, body); reply != nil && rk.proc.gone[h.Src].Load() == nil {
			rk.proc.post(reply)
		}
		return
	}
	a := rk.agreement(agreementKey{h.Group, h.Seq})
	if a.machine != nil {
		out.receive(a, h.Src, body)
	} else if len(a.early) < maxEarly {
		a.early = append(a.early, earlyAgreement{h.Src, slices.Clone(body)})
	}
	rk.mu.Unlock()
	out.carryOut()
}

// disowned says that a rank counts as dead by the supervisor's word, though its
// process may live for a moment and see its links end: whom it calls dead is alive.
func (p *Proc) disowned(w int32) bool {
	if w < 0 || int(w) >= len(p.gone) {
		return true
	}
	e := p.gone[w].Load()
	if e == nil {
		e = p.notes[p.Topology.RankProc[w]].Load()
	}
	return e != nil && !e.finished
}

// tellAgreements lets those under way know that world rank w has ended. Called
// with rk.mu held.
func (rk *Rank) tellAgreements(w int) (out outgoing) {
	for _, a := range rk.agreements {
		if a.machine != nil && !a.machine.Over() {
			if r := a.comm.groupRank(w); r >= 0 {
				out.add(a, a.machine.Lost(r))
			}
		}
	}
	return out
}

// outgoing is what agreements have to send and whom they wake, gathered under
// rk.mu and carried out without it.
type outgoing struct {
	frames []*transport.Frame
	posts  *Proc
	wakes  []*agreement
}

// receive gives a member's message to the agreement; what is none is dropped.
func (o *outgoing) receive(a *agreement, from int32, body []byte) {
	r := a.comm.groupRank(int(from))
	m, err := agree.Decode(body, a.comm.size)
	if err != nil || r < 0 {
		return
	}
	o.add(a, a.machine.Receive(r, m))
}

func (o *outgoing) add(a *agreement, sends []agree.Send) {
	rk := a.comm.rank
	o.posts = rk.proc
	if rk.proc.disowned(int32(rk.world)) {
		sends = nil // this rank has failed, and the others close their links to it: they are not dead
	}
	for i := range sends {
		to := a.comm.members[sends[i].To]
		if rk.proc.gone[to].Load() != nil {
			continue
		}
		o.frames = append(o.frames, agreeFrame(a.comm, to, uint8(a.op), a.number, &sends[i].Message))
	}
	if a.machine.Over() {
		o.wakes = append(o.wakes, a)
	}
}

func (o *outgoing) carryOut() {
	for _, f := range o.frames {
		o.posts.post(f)
	}
	for _, a := range o.wakes {
		a.over.Store(true)
		if w := a.waiter.Load(); w != nil {
			w.wake()
		}
	}
}

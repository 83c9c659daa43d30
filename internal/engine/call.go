package engine

import (
	"context"
	"errors"
	"fmt"

	"gridrun/internal/engine/match"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// A Call is one collective operation in progress on a group. Its messages have
// a space of their own: the group, the call's number and a step, so that calls
// on different groups, and several on one, never meet. Every frame carries the
// operation, its root, the call's number and the element's signature (into
// which collectives mix what else must agree); a rank that meets others than
// its own fails with ErrMismatch, and the group with it, whether or not the
// message was the one it waited for.
type Call struct {
	comm  *Comm
	ctx   context.Context
	op    Op
	seq   uint32
	flags uint16 // root + 1, modulo 65536; 0 for calls without a root
	elem  Signature
	count int64 // elements this rank brings, for the wait table; -1: unknown

	// What is recorded of it; see record.go.
	began     int64
	algorithm string
	bytes     int
	seated    bool // it holds the seat's turn
	listed    bool // it is in the group's table, for the messages that come
}

// Brings says how many elements this rank's part of the call has, all ranks'
// alike: whoever looks for the cause of a hang compares.
func (k *Call) Brings(elements int) { k.count = int64(elements) }

const (
	stepBits = 11
	// MaxStep bounds the step of a call's messages. Messages of one step between
	// two ranks arrive in the order they were sent.
	MaxStep = 1<<stepBits - 1
)

// Begin starts this rank's next collective call on the group: every member
// begins the same calls in the same order. elem is the element type of what
// will be sent, 0 for none. It fails when ctx is done or the group is revoked.
func (c *Comm) Begin(ctx context.Context, op Op, elem Signature) (*Call, error) {
	return c.begin(ctx, op, elem, 0)
}

// BeginRooted is Begin for an operation with a root, on which all must agree.
func (c *Comm) BeginRooted(ctx context.Context, op Op, elem Signature, root int) (*Call, error) {
	return c.begin(ctx, op, elem, uint16(root+1))
}

func (c *Comm) begin(ctx context.Context, op Op, elem Signature, flags uint16) (*Call, error) {
	k := &Call{comm: c, ctx: ctx, op: op, flags: flags, elem: elem, count: -1, began: c.rank.clock()}
	if c.seat != nil {
		c.seat.turn.Lock()
		k.seated = true
	}
	k.number()
	if ctx.Err() != nil {
		return nil, k.End(errEnded(ctx))
	}
	if err := k.List(); err != nil {
		return nil, k.End(err)
	}
	if k.seated {
		c.seat.begin(k)
		if err := k.Announce(); err != nil {
			return nil, k.End(err)
		}
	}
	return k, nil
}

// number gives the call its place among those of the group.
func (k *Call) number() {
	k.seq = k.comm.calls.Add(1)
	if rk := k.comm.rank; rk.rec != nil && !k.comm.level {
		rk.mu.Lock()
		rk.rec.Called(uint8(k.op))
		rk.mu.Unlock()
	}
}

// List enters the call where messages that contradict it are noticed. A call that
// sends or receives any must be listed.
func (k *Call) List() error {
	if k.listed {
		return nil
	}
	c, rk := k.comm, k.comm.rank
	rk.mu.Lock()
	if err := c.state.revoked; err != nil { // or closed: then the rank knows no such group
		rk.mu.Unlock()
		return err
	}
	g := rk.group(c.id)
	if g.revoked != nil {
		rk.mu.Unlock()
		return g.revoked
	}
	g.calls[k.seq] = k
	k.listed = true
	var early []*match.Msg
	if rk.queues.Unexpected > 0 {
		early = rk.queues.Msgs(func(m *match.Msg) bool {
			h := &m.Value.(*message).header
			return m.Group == c.id|collective && h.Seq == k.seq && !k.agrees(h)
		})
	}
	rk.mu.Unlock()
	if len(early) > 0 {
		return k.contradiction(&early[0].Value.(*message).header)
	}
	return nil
}

// Levels are those of the call's group, Context is what ends the call.
func (k *Call) Levels() *Levels          { return k.comm.Levels() }
func (k *Call) Context() context.Context { return k.ctx }

// Group is the group that the call is on.
func (k *Call) Group() *Comm { return k.comm }

func (k *Call) Rank() int { return k.comm.me }
func (k *Call) Size() int { return k.comm.size }

// wait is what this rank is blocked in, for world rank peer or nobody in particular.
func (k *Call) wait(peer int32) waittable.Wait {
	return waittable.Wait{Op: uint8(k.op), Peer: peer, Tag: -1, Seq: k.seq, Group: k.comm.id,
		Root: int32(k.flags) - 1, Elem: uint32(k.elem), Count: k.count, Members: uint32(k.comm.size)}
}

// agrees says whether h belongs to the same operation with the same root and elements.
func (k *Call) agrees(h *wire.Header) bool {
	return h.Seq == k.seq && Op(h.Op) == k.op && h.Flags == k.flags && Signature(h.Elem) == k.elem
}

func (k *Call) contradiction(h *wire.Header) error {
	return k.differs(k.comm.groupRank(int(h.Src)), Op(h.Op), h.Flags, Signature(h.Elem))
}

// differs says in what peer's call is not this one.
func (k *Call) differs(peer int, op Op, flags uint16, elem Signature) error {
	if op != k.op {
		return fmt.Errorf("%w: rank %d is in %v, rank %d in %v (collective call %d of the group)", ErrMismatch, k.comm.me, k.op, peer, op, k.seq)
	}
	if flags != k.flags {
		return fmt.Errorf("%w: rank %d calls %v with root %d, rank %d with root %d", ErrMismatch, k.comm.me, k.op, int(k.flags)-1, peer, int(flags)-1)
	}
	return fmt.Errorf("%w or %w: ranks %d and %d call %v with different lengths, options or element types", ErrMismatch, ErrType, k.comm.me, peer, k.op)
}

func (k *Call) request(kind requestKind, peer, step int, x []byte) *Request {
	r := requests.Get().(*Request)
	r.rank, r.comm, r.kind, r.op, r.call, r.peer, r.tag = k.comm.rank, k.comm, kind, k.op, k, k.comm.members[peer], k.tag(step)
	r.elem, r.size, r.buf = k.elem, 1, x
	return r
}

// tag is that of the call's messages in a step.
func (k *Call) tag(step int) Tag { return Tag(k.seq<<stepBits&0x7fffffff | uint32(step)) }

// ISend and IRecv start a transfer with a rank of the group; Wait ends it. A send
// that is complete at once is nil.
func (k *Call) ISend(dst, step int, x []byte) *Request {
	if k.sendShort(dst, k.tag(step), x) {
		return nil
	}
	r := k.request(sending, dst, step, x)
	r.start()
	return r
}

// IRecv fills x; a message of any other length is ErrMismatch.
func (k *Call) IRecv(src, step int, x []byte) *Request {
	r := k.request(receiving, src, step, x)
	r.post()
	return r
}

// Wait waits for all and recycles them: they must not be used again. It returns
// the first error in their order; nil requests are passed over.
func (k *Call) Wait(reqs ...*Request) error {
	var first error
	for _, r := range reqs {
		if r == nil {
			continue
		}
		if _, err := r.Finish(k.ctx); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Send sends x and returns when x may be changed.
func (k *Call) Send(dst, step int, x []byte) error { return k.Wait(k.ISend(dst, step, x)) }

// Recv fills x with the next message of rank src in this step.
func (k *Call) Recv(src, step int, x []byte) error { return k.Wait(k.IRecv(src, step, x)) }

// SendRecv does both at once, without deadlock.
func (k *Call) SendRecv(dst int, out []byte, src int, in []byte, step int) error {
	rr := k.IRecv(src, step, in)
	sr := k.ISend(dst, step, out)
	return k.Wait(rr, sr)
}

// RecvBytes receives a message of any length.
func (k *Call) RecvBytes(src, step int) ([]byte, error) {
	r := k.request(receiving, src, step, nil)
	r.alloc = true
	r.post()
	b, _, err := r.FinishBytes(k.ctx)
	return b, err
}

// End ends the call. A call that has failed, err != nil, revokes the group:
// every member's pending and later operations on it fail with the same cause.
// It returns err as the *Error that the caller hands to the user.
func (k *Call) End(err error) error {
	if k.seated {
		defer k.comm.seat.turn.Unlock()
		k.seated = false
		if err == nil && !k.listed && k.began == 0 {
			return nil
		}
		err = k.told(err)
	}
	return k.over(err)
}

// Fail ends the call for the other members, as End does with an error, while this
// rank still waits for what it has started. The caller goes on to End.
func (k *Call) Fail(err error) error {
	if k.seated {
		err = k.told(err)
	}
	return k.over(err)
}

func (k *Call) over(err error) error {
	rk := k.comm.rank
	rk.mu.Lock()
	if g := rk.groups[k.comm.id]; g != nil {
		if k.listed {
			delete(g.calls, k.seq)
		}
		if err != nil && g.revoked != nil {
			err = g.revoked // the cause that all members see, not this rank's share of it
		}
	}
	rk.mu.Unlock()
	if k.began != 0 {
		k.record()
	}
	if err == nil {
		return nil
	}
	k.comm.Revoke(k.shared(err))
	var e *Error
	if errors.As(err, &e) && e.Op == k.op.String() {
		return e
	}
	return &Error{Op: k.op.String(), Rank: k.comm.me, Peer: AnyRank, Tag: AnyTag, Err: err}
}

// shared is the cause of a failed call as all members get it. Where the job
// goes on, the death of a member is the same cause whoever has met it, and says
// nothing of the step of the operation in which that was.
func (k *Call) shared(err error) error {
	var e *Error
	if k.comm.rank.proc.Continue && errors.Is(err, ErrPeerLost) && errors.As(err, &e) {
		return e.Err
	}
	return err
}

package engine

import "context"

// A Call is one collective operation in progress on a group. Its messages have
// a space of their own: the group, the call's number and a step, so that calls
// on different groups, and several on one, never meet. Every frame carries the
// operation's name, its number and the element's signature; a receiver that
// meets another operation or type fails with ErrMismatch or ErrType.
type Call struct {
	comm *Comm
	ctx  context.Context
	op   Op
	seq  uint32
	elem Signature
}

// MaxStep bounds the step of a call's messages. Messages of one step between
// two ranks arrive in the order they were sent.
const MaxStep = 1<<11 - 1

// Begin starts this rank's next collective call on the group: every member
// begins the same calls in the same order. elem is the element type of what
// will be sent, 0 for none. It fails when ctx is done or the group is revoked.
func (c *Comm) Begin(ctx context.Context, op Op, elem Signature) (*Call, error) {
	panic("stub")
}

func (k *Call) Rank() int { return k.comm.Rank() }
func (k *Call) Size() int { return k.comm.Size() }

// Send sends x to rank dst of the group and returns when x may be changed.
func (k *Call) Send(dst, step int, x []byte) error { panic("stub") }

// Recv fills x with the next message of rank src in this step; any other
// length than len(x) is ErrMismatch.
func (k *Call) Recv(src, step int, x []byte) error { panic("stub") }

// SendRecv does both at once, without deadlock.
func (k *Call) SendRecv(dst int, out []byte, src int, in []byte, step int) error { panic("stub") }

// ISend and IRecv start a transfer; Wait ends it. IRecv checks the length as Recv does.
func (k *Call) ISend(dst, step int, x []byte) *Request { panic("stub") }
func (k *Call) IRecv(src, step int, x []byte) *Request { panic("stub") }
func (k *Call) Wait(reqs ...*Request) error            { panic("stub") }

// RecvBytes receives a message of any length (values encoded by the caller).
func (k *Call) RecvBytes(src, step int) ([]byte, error) { panic("stub") }

// End ends the call. A call that failed, err != nil, revokes the group: every
// member's pending and later operations on it fail with the same cause. It
// returns err as the *Error that the caller hands to the user.
func (k *Call) End(err error) error { panic("stub") }

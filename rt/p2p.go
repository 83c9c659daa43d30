package rt

import (
	"context"
	"math"
	"unsafe"

	"gridrun/internal/engine"
)

// payload views x for the engine.
func payload[T any](x []T) (engine.Payload, error) {
	sig, err := engine.SignatureOf[T]()
	if err != nil {
		return engine.Payload{}, err
	}
	var zero T
	return engine.Payload{Bytes: engine.Bytes(x), Elem: sig, Size: uint32(min(unsafe.Sizeof(zero), math.MaxUint32))}, nil
}

// typeError is payload's error in the runtime's form.
func typeError(op engine.Op, g Group, peer int, tag Tag, err error) error {
	return &Error{Op: op.String(), Rank: g.Rank(), Peer: max(peer, AnyRank), Tag: max(tag, AnyTag), Err: err}
}

// isend starts a send that only its caller knows; nil: it is complete.
func isend[T any](ctx context.Context, op engine.Op, g Group, dst int, tag Tag, x []T) (*engine.Request, error) {
	sig, err := engine.SignatureOf[T]()
	if err != nil {
		return nil, typeError(op, g, dst, tag, err)
	}
	c := g.group().c
	if ctx.Err() == nil && c.SendShort(op, dst, tag, sig, engine.Bytes(x)) {
		return nil, nil
	}
	p, _ := payload(x)
	return c.Send(ctx, op, dst, tag, p)
}

func irecv[T any](ctx context.Context, op engine.Op, g Group, src int, tag Tag, x []T) (*engine.Request, error) {
	p, err := payload(x)
	if err != nil {
		return nil, typeError(op, g, src, tag, err)
	}
	return g.group().c.Recv(ctx, op, src, tag, p, false)
}

// Send returns when x may be changed. Elements must hold no pointers (SendValue
// carries those); the element type travels along and a mismatch is an error at
// the receiver.
func Send[T any](ctx context.Context, g Group, dst int, tag Tag, x []T) error {
	return send(ctx, engine.OpSend, g, dst, tag, x)
}

// SSend returns when the receiver has matched the message.
func SSend[T any](ctx context.Context, g Group, dst int, tag Tag, x []T) error {
	return send(ctx, engine.OpSSend, g, dst, tag, x)
}

func send[T any](ctx context.Context, op engine.Op, g Group, dst int, tag Tag, x []T) error {
	p, err := payload(x)
	if err != nil {
		return typeError(op, g, dst, tag, err)
	}
	return g.group().c.SendWait(ctx, op, dst, tag, p)
}

// Recv fills x with the next matching message; a longer message is ErrTruncated
// (and consumed).
func Recv[T any](ctx context.Context, g Group, src int, tag Tag, x []T) (Status, error) {
	sig, err := engine.SignatureOf[T]()
	if err != nil {
		return Status{}, typeError(engine.OpRecv, g, src, tag, err)
	}
	var zero T
	return g.group().c.Receive(ctx, src, tag, sig.Sized(int(unsafe.Sizeof(zero))), engine.Bytes(x))
}

// SendRecv does both at once, without deadlock. out and in may be the same
// slice: out is then sent from a copy.
func SendRecv[T any](ctx context.Context, g Group, dst int, out []T, src int, in []T, tag Tag) (Status, error) {
	if overlap(out, in) {
		out = append([]T(nil), out...)
	}
	rr, err := irecv(ctx, engine.OpSendRecv, g, src, tag, in)
	if err != nil {
		return Status{}, err
	}
	sr, err := isend(ctx, engine.OpSendRecv, g, dst, tag, out)
	if err != nil {
		// The receive must not stay behind, waiting into the caller's buffer.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		rr.Finish(ended)
		return Status{}, err
	}
	var serr error
	if sr != nil {
		_, serr = sr.Finish(ctx)
	}
	st, rerr := rr.Finish(ctx)
	if serr != nil {
		return st, serr
	}
	return st, rerr
}

func overlap[T any](a, b []T) bool {
	x, y := engine.Bytes(a), engine.Bytes(b)
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	xp, yp := uintptr(unsafe.Pointer(&x[0])), uintptr(unsafe.Pointer(&y[0]))
	return xp < yp+uintptr(len(y)) && yp < xp+uintptr(len(x))
}

// ISend starts a send; x must not be changed before the request is complete.
func ISend[T any](ctx context.Context, g Group, dst int, tag Tag, x []T) (*Request, error) {
	p, err := payload(x)
	if err != nil {
		return nil, typeError(engine.OpISend, g, dst, tag, err)
	}
	return g.group().c.ISend(ctx, engine.OpISend, dst, tag, p)
}

// IRecv starts a receive into x.
func IRecv[T any](ctx context.Context, g Group, src int, tag Tag, x []T) (*Request, error) {
	p, err := payload(x)
	if err != nil {
		return nil, typeError(engine.OpIRecv, g, src, tag, err)
	}
	return g.group().c.IRecv(ctx, engine.OpIRecv, src, tag, p)
}

// WaitAll waits for every request, nil ones passed over, and returns the first
// error in their order.
func WaitAll(ctx context.Context, reqs ...*Request) error { return engine.WaitAll(ctx, reqs...) }

// WaitAny waits until one request is complete and returns its index; -1 when
// all are nil or ctx has ended.
func WaitAny(ctx context.Context, reqs ...*Request) (index int, st Status, err error) {
	return engine.WaitAny(ctx, reqs...)
}

// Probe waits for a matching message without receiving it. Count is in elements of
// the sender's type, so that a slice of st.Count elements takes the message, and 1
// for what SendValue has sent. Elements of more than 127 bytes may be beyond
// counting, -1, if this process has never used their type.
func Probe(ctx context.Context, g Group, src int, tag Tag) (Status, error) {
	st, _, err := g.group().c.Probe(ctx, src, tag, true)
	return st, err
}

// IProbe looks for a matching message; Count is as in Probe.
func IProbe(g Group, src int, tag Tag) (st Status, found bool, err error) {
	return g.group().c.Probe(context.Background(), src, tag, false)
}

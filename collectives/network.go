package collectives

import (
	"errors"
	"fmt"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/engine"
)

// A network is an engine.Call as the algorithms see it. All messages have step
// 0: two ranks match them by order alone, so a message that does not belong to
// this rank's plan is noticed and not kept for later.
type network struct {
	*engine.Call
	loan
	part  part
	board bool // the group has one
}

const step = 0

func (n *network) Send(dst int, x []byte) error { return n.Call.Send(dst, step, x) }

func (n *network) Recv(src int, x []byte) error { return n.explain(n.Call.Recv(src, step, x)) }

func (n *network) RecvBytes(src int) ([]byte, error) {
	b, err := n.Call.RecvBytes(src, step)
	return b, n.explain(err)
}

func (n *network) SendRecv(dst int, out []byte, src int, in []byte) error {
	r := n.IRecv(src, step, in)
	s := n.ISend(dst, step, out)
	err := n.settle(nil, r)
	return n.settle(err, s)
}

func (n *network) Exchange(out, in []algo.Part) error {
	reqs := make([]*engine.Request, 0, len(out)+len(in))
	for _, p := range in {
		reqs = append(reqs, n.IRecv(p.Peer, step, p.Bytes))
	}
	for _, p := range out {
		reqs = append(reqs, n.ISend(p.Peer, step, p.Bytes))
	}
	var err error
	for _, r := range reqs {
		err = n.settle(err, r)
	}
	return err
}

// ended gives back what was borrowed, unless the collective has failed.
func (n *network) ended(err error) error {
	if err == nil {
		n.giveBack()
	}
	return err
}

// settle waits for r and returns the first error. On an error the call
// fails for all at once: otherwise the remaining transfers might wait for peers
// that wait for this rank.
func (n *network) settle(before error, r *engine.Request) error {
	err := n.explain(n.Wait(r))
	if before != nil || err == nil {
		return before
	}
	return n.Fail(err)
}

// explain adds what this rank has brought to an error about ranks that differ.
func (n *network) explain(err error) error {
	var e *engine.Error
	if !errors.Is(err, engine.ErrMismatch) || !errors.Is(err, engine.ErrType) || !errors.As(err, &e) {
		return err
	}
	told := *e
	told.Err = fmt.Errorf("%w; rank %d has %v", e.Err, n.Rank(), n.part)
	return &told
}

package message

import (
	"context"

	"gridrun/collectives"
	"gridrun/rt"
	"gridrun/rt/cart"
)

// tests are all there are; those of two ranks come first.
var tests = []test{
	{name: "latency", unit: microseconds, messages: 2, sized: true, call: latency},
	{name: "bandwidth", unit: gigabytes, messages: window, sized: true, call: bandwidth},
	{name: "bidirectional", unit: gigabytesBoth, messages: window, sized: true, call: bidirectional},
	{name: "rate", unit: messagesOfPairs, messages: window, sized: true, call: rate},
	{name: "busyreceiver", unit: microseconds, messages: 1, held: true, sized: true, call: busyReceiver},
	{name: "busysender", unit: microseconds, messages: 1, held: true, sized: true, call: busySender},

	{name: "barrier", unit: microseconds, messages: 1, call: func(ctx context.Context, m *rank) error {
		return collectives.Barrier(ctx, m.w, m.opts...)
	}},
	{name: "bcast", unit: microseconds, messages: 1, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.Bcast(ctx, m.w, m.root, m.in, m.opts...)
	}},
	{name: "allreduce", unit: microseconds, messages: 1, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.AllReduce(ctx, m.w, m.inF, collectives.Sum[float64], m.opts...)
	}},
	{name: "reduce", unit: microseconds, messages: 1, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.Reduce(ctx, m.w, m.root, m.inF, collectives.Sum[float64], m.opts...)
	}},
	{name: "reducescatter", unit: microseconds, messages: 1, parts: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.ReduceScatter(ctx, m.w, m.outF, m.inF[:m.bytes/8], collectives.Sum[float64], m.opts...)
	}},
	{name: "gather", unit: microseconds, messages: 1, parts: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.Gather(ctx, m.w, m.root, m.out[:m.bytes], m.in, m.opts...)
	}},
	{name: "scatter", unit: microseconds, messages: 1, parts: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.Scatter(ctx, m.w, m.root, m.out, m.in[:m.bytes], m.opts...)
	}},
	{name: "allgather", unit: microseconds, messages: 1, parts: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.AllGather(ctx, m.w, m.out[:m.bytes], m.in, m.opts...)
	}},
	{name: "alltoall", unit: microseconds, messages: 1, parts: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.AllToAll(ctx, m.w, m.out, m.in, m.opts...)
	}},
	{name: "scan", unit: microseconds, messages: 1, sized: true, call: func(ctx context.Context, m *rank) error {
		return collectives.Scan(ctx, m.w, m.inF, collectives.Sum[float64], m.opts...)
	}},
	{name: "halo", unit: microseconds, messages: 1, grid: true, sized: true, call: func(ctx context.Context, m *rank) error {
		return cart.Halo(ctx, m.grid, m.cube, m.shape, 1)
	}},
	{name: "exchange", unit: microseconds, messages: 1, plain: true, sized: true, call: exchange},
	{name: "ring", unit: microseconds, messages: 1, plain: true, sized: true, call: ring},

	// What gridrun bench calibrate measures besides; the peers have none of it.
	{name: "copy", unit: gigabytes, messages: 1, sized: true, ours: true, call: func(ctx context.Context, m *rank) error {
		copy(m.in, m.out)
		return nil
	}},
	{name: "fold", unit: gigabytes, messages: 1, sized: true, ours: true, call: func(ctx context.Context, m *rank) error {
		collectives.Sum(m.inF, m.outF)
		return nil
	}},
}

// Tags of the tests of two ranks.
const (
	tagEcho rt.Tag = 1 + iota
	tagWindow
	tagAck
	tagBusy
	tagExchange
)

// latency is a round trip between ranks 0 and 1: two messages.
func latency(ctx context.Context, m *rank) error {
	switch m.w.Rank() {
	case 0:
		if err := rt.Send(ctx, m.w, 1, tagEcho, m.out); err != nil {
			return err
		}
		_, err := rt.Recv(ctx, m.w, 1, tagEcho, m.in)
		return err
	case 1:
		if _, err := rt.Recv(ctx, m.w, 0, tagEcho, m.in); err != nil {
			return err
		}
		return rt.Send(ctx, m.w, 0, tagEcho, m.out)
	}
	return nil
}

func bandwidth(ctx context.Context, m *rank) error { return m.window(ctx, 0, 1) }

// exchange has every rank send to the one half the group away, and receive.
func exchange(ctx context.Context, m *rank) error {
	p, r := m.w.Size(), m.w.Rank()
	_, err := rt.SendRecv(ctx, m.w, (r+p/2)%p, m.out, (r+p-p/2)%p, m.in, tagExchange)
	return err
}

// ring has every rank send to the next one, and receive from the one before.
func ring(ctx context.Context, m *rank) error {
	p, r := m.w.Size(), m.w.Rank()
	_, err := rt.SendRecv(ctx, m.w, (r+1)%p, m.out, (r+p-1)%p, m.in, tagExchange)
	return err
}

// rate has every rank of the lower half send a window to its partner in the upper.
func rate(ctx context.Context, m *rank) error {
	pairs := m.w.Size() / 2
	switch r := m.w.Rank(); {
	case r < pairs:
		return m.window(ctx, r, r+pairs)
	case r < 2*pairs:
		return m.window(ctx, r-pairs, r)
	}
	return nil
}

// window is many messages from one rank to another, then an acknowledgement.
func (m *rank) window(ctx context.Context, from, to int) error {
	switch m.w.Rank() {
	case from:
		if err := m.send(ctx, to); err != nil {
			return err
		}
		if err := m.wait(ctx); err != nil {
			return err
		}
		_, err := rt.Recv(ctx, m.w, to, tagAck, m.ack)
		return err
	case to:
		if err := m.receive(ctx, from); err != nil {
			return err
		}
		if err := m.wait(ctx); err != nil {
			return err
		}
		return rt.Send(ctx, m.w, from, tagAck, m.ack)
	}
	return nil
}

// bidirectional is a window each way at once.
func bidirectional(ctx context.Context, m *rank) error {
	peer := 1 - m.w.Rank()
	if peer < 0 {
		return nil
	}
	if err := m.receive(ctx, peer); err != nil {
		return err
	}
	if err := m.send(ctx, peer); err != nil {
		return err
	}
	return m.wait(ctx)
}

// send and receive start the requests of a window, wait ends all that were started.
func (m *rank) send(ctx context.Context, to int) error {
	for range window {
		r, err := rt.ISend(ctx, m.w, to, tagWindow, m.out)
		if err != nil {
			return err
		}
		m.reqs = append(m.reqs, r)
	}
	return nil
}

func (m *rank) receive(ctx context.Context, from int) error {
	for range window {
		r, err := rt.IRecv(ctx, m.w, from, tagWindow, m.in)
		if err != nil {
			return err
		}
		m.reqs = append(m.reqs, r)
	}
	return nil
}

func (m *rank) wait(ctx context.Context) error {
	err := rt.WaitAll(ctx, m.reqs...)
	m.reqs = m.reqs[:0]
	return err
}

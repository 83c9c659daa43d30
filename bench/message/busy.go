package message

import (
	"context"
	"sync"
	"time"

	"gridrun/rt"
)

// How long a rank is held up by a peer that computes and never calls in: the rank of
// the upper half has started its end of a transfer, says so, and computes, on some
// goroutines at once; its partner in the lower half begins its end after 0 to 2 ms of
// that, a little later each time, and only that end is timed.
const (
	computing  = 4 * time.Millisecond
	latest     = computing / 2
	beginnings = 16
)

type (
	starting = func(ctx context.Context, g rt.Group, peer int, tag rt.Tag, x []byte) (*rt.Request, error)
	whole    = func(ctx context.Context, g rt.Group, peer int, tag rt.Tag, x []byte) error
)

func busyReceiver(ctx context.Context, m *rank) error {
	return m.held(ctx, rt.IRecv[byte], rt.Send[byte])
}

func busySender(ctx context.Context, m *rank) error {
	return m.held(ctx, rt.ISend[byte], func(ctx context.Context, g rt.Group, src int, tag rt.Tag, x []byte) error {
		_, err := rt.Recv(ctx, g, src, tag, x)
		return err
	})
}

func (m *rank) held(ctx context.Context, start starting, whole whole) error {
	pairs := m.w.Size() / 2
	switch r := m.w.Rank(); {
	case r < pairs:
		if _, err := rt.Recv(ctx, m.w, r+pairs, tagAck, m.ack); err != nil {
			return err
		}
		compute(latest * time.Duration(m.turn%beginnings) / beginnings)
		m.turn++
		began := time.Now()
		err := whole(ctx, m.w, r+pairs, tagBusy, m.out)
		m.took += time.Since(began)
		return err
	case r < 2*pairs:
		req, err := start(ctx, m.w, r-pairs, tagBusy, m.in)
		if err != nil {
			return err
		}
		if err := rt.Send(ctx, m.w, r-pairs, tagAck, m.ack); err != nil {
			return err
		}
		var others sync.WaitGroup
		for range m.threads - 1 {
			others.Go(func() { compute(computing) })
		}
		compute(computing)
		others.Wait()
		_, err = req.Wait(ctx)
		return err
	}
	return nil
}

// compute keeps the processor busy.
func compute(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

package message

import (
	"context"
	"time"

	"gridrun/rt"
)

// How long rank 0 is held up by a peer that computes and never calls in: rank 1 has
// started its end of a transfer, says so, and computes; rank 0 begins its end after
// 0 to 2 ms of that, a little later each time, and only that end is timed.
const (
	computing  = 4 * time.Millisecond
	latest     = computing / 2
	beginnings = 16
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

func (m *rank) held(ctx context.Context,
	start func(ctx context.Context, g rt.Group, peer int, tag rt.Tag, x []byte) (*rt.Request, error),
	whole func(ctx context.Context, g rt.Group, peer int, tag rt.Tag, x []byte) error) error {
	switch m.w.Rank() {
	case 0:
		if _, err := rt.Recv(ctx, m.w, 1, tagAck, m.ack); err != nil {
			return err
		}
		compute(latest * time.Duration(m.turn%beginnings) / beginnings)
		m.turn++
		began := time.Now()
		err := whole(ctx, m.w, 1, tagBusy, m.out)
		m.took += time.Since(began)
		return err
	case 1:
		r, err := start(ctx, m.w, 0, tagBusy, m.in)
		if err != nil {
			return err
		}
		if err := rt.Send(ctx, m.w, 0, tagAck, m.ack); err != nil {
			return err
		}
		compute(computing)
		_, err = r.Wait(ctx)
		return err
	}
	return nil
}

// compute keeps the processor busy.
func compute(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

package rt

import (
	"context"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"gridrun/internal/engine"
)

// SendValue sends any one value, encoded with msgpack; RecvValue receives it.
// For slices of numbers Send is many times faster.
func SendValue[T any](ctx context.Context, g Group, dst int, tag Tag, v T) error {
	b, err := msgpack.Marshal(v)
	if err != nil {
		return typeError(engine.OpSendValue, g, dst, tag, fmt.Errorf("a %T cannot be encoded: %w", v, err))
	}
	r, err := g.group().c.Send(ctx, engine.OpSendValue, dst, tag, engine.Payload{Bytes: b, Size: 1})
	if err != nil {
		return err
	}
	_, err = r.Finish(ctx)
	return err
}

// RecvValue receives what SendValue sent. Status.Count is 1.
func RecvValue[T any](ctx context.Context, g Group, src int, tag Tag) (v T, st Status, err error) {
	r, err := g.group().c.Recv(ctx, engine.OpRecvValue, src, tag, engine.Payload{Size: 1}, true)
	if err != nil {
		return v, st, err
	}
	b, st, err := r.FinishBytes(ctx)
	if err != nil {
		return v, st, err
	}
	st.Count = 1
	if err := msgpack.Unmarshal(b, &v); err != nil {
		return v, st, &Error{Op: engine.OpRecvValue.String(), Rank: g.Rank(), Peer: st.Source, Tag: st.Tag,
			Err: fmt.Errorf("%w: the value sent is no %T: %v", ErrType, v, err)}
	}
	return v, st, nil
}

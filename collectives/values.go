package collectives

import (
	"context"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// BcastValue returns root's v on every rank. v may be of any type that msgpack
// encodes: of structs, the exported fields.
func BcastValue[T any](ctx context.Context, g rt.Group, root int, v T, opts ...Option) (T, error) {
	j := newValueJob(g, engine.OpBcastValue, opts)
	j.unordered()
	j.rooted(root)
	j.only("binomial")
	var b []byte
	if j.isRoot() {
		b = encode(&j, v)
	}
	take := func(got []byte) error {
		if j.isRoot() {
			return nil
		}
		var fresh T
		v = fresh
		return decode(root, got, &v)
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		got, done, err := onhost.BcastBytes(p, root, b)
		if done {
			err = take(got)
		}
		return done, err
	}}
	err := j.run(ctx, on, func(c algo.Net) error {
		got, err := algo.BcastBytes(c, root, b)
		if err != nil {
			return err
		}
		return take(got)
	})
	return v, err
}

// AllReduceValue returns the fold of all v, of a type without pointers, the
// same to the bit on every rank. op sees slices of one element.
func AllReduceValue[T any](ctx context.Context, g rt.Group, v T, op Op[T], opts ...Option) (T, error) {
	x := []T{v}
	err := allReduce(ctx, g, engine.OpAllReduceValue, x, op, opts)
	return x[0], err
}

// GatherValues returns every rank's v in rank order on root and nil on the
// others. v may be of any type that msgpack encodes, as in [BcastValue].
func GatherValues[T any](ctx context.Context, g rt.Group, root int, v T, opts ...Option) ([]T, error) {
	j := newValueJob(g, engine.OpGatherValues, opts)
	j.unordered()
	j.rooted(root)
	j.only("linear")
	var b []byte
	if j.err == nil && !j.isRoot() {
		b = encode(&j, v)
	}
	var all []T
	take := func(messages [][]byte) error {
		if messages == nil {
			return nil
		}
		all = make([]T, len(messages))
		for r, m := range messages {
			if r == root {
				all[r] = v
			} else if err := decode(r, m, &all[r]); err != nil {
				return err
			}
		}
		return nil
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		messages, done, err := onhost.GatherBytes(p, root, b)
		if done {
			err = take(messages)
		}
		return done, err
	}}
	err := j.run(ctx, on, func(c algo.Net) error {
		messages, err := algo.GatherBytes(c, root, b)
		if err != nil {
			return err
		}
		return take(messages)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func encode[T any](j *job, v T) []byte {
	b, err := msgpack.Marshal(v)
	if err != nil {
		j.failf("a value of type %T cannot be encoded: %w", v, err)
	}
	return b
}

func decode[T any](from int, b []byte, v *T) error {
	if err := msgpack.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: the value of rank %d is no %T: %w", engine.ErrType, from, *v, err)
	}
	return nil
}

// only refuses another algorithm than the one there is.
func (j *job) only(name string) {
	if j.want.Name != "" && j.want.Name != name {
		j.failf("no algorithm is named %q here; there is: %s", j.want.Name, name)
	}
}

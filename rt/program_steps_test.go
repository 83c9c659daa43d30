package rt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"gridrun/collectives"
	"gridrun/rt"
)

// A stage is a step of a group's work: all members draw the same one from seed.
type stage struct {
	rt.Group
	number int
	seed   uint64
	deaths bool
	rng    *rand.Rand // the same on all members
}

// own is a rank's part of chance.
func (s *stage) own(what int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, uint64(1+s.Rank())<<8|uint64(what)))
}

func (s *stage) play(ctx context.Context) error {
	s.rng = rand.New(rand.NewPCG(s.seed, 0))
	kinds := []struct {
		name  string
		share int
		play  func(context.Context) error
	}{
		{"traffic", 4, s.traffic},
		{"collective", 6, func(ctx context.Context) error { return s.collective(ctx, s, s.rng) }},
		{"started", 2, s.started},
		{"cancelled", 2, s.cancelled},
		// With groups of their own, of which nobody tells who is still there when
		// another member has given up for a death.
		{"cancelled collective", 1, s.cancelledCollective},
		{"revoked", 1, s.revoked},
		{"parts", 1, s.parts},
	}
	if s.deaths {
		kinds = kinds[:4]
	}
	total := 0
	for _, k := range kinds {
		total += k.share
	}
	for at, i := s.rng.IntN(total), 0; ; i++ {
		if at -= kinds[i].share; at < 0 {
			if err := kinds[i].play(ctx); err != nil {
				return fmt.Errorf("%s (try %d of %d ranks): %w", kinds[i].name, s.number, s.Size(), err)
			}
			return nil
		}
	}
}

// tag is one of 64 of this stage.
func (s *stage) tag(i int) rt.Tag { return rt.Tag(s.number<<6 | i) }

// fill makes what one rank sends or brings: the same numbers wherever they are made.
func fill(n, salt int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(salt*1_000_003 + i*7919)
	}
	return x
}

func same(what string, got, want []int32) error {
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				return fmt.Errorf("%s: element %d of %d is %d, want %d", what, i, len(want), got[i], want[i])
			}
		}
		return fmt.Errorf("%s: %d elements, want %d", what, len(got), len(want))
	}
	return nil
}

// Lengths around the limits of eager messages, pieces and pulls.
var programLengths = []int{0, 1, 3, 257, 2048, 2049, 5000, 16_384, 16_385, 40_000, 300_000}

// traffic is a number of messages between random members. What a receive gets follows
// from the order of each source.
func (s *stage) traffic(ctx context.Context) error {
	type message struct{ src, dst, length, tag, how int }
	const exact, bySource, anybody = 0, 1, 2
	mode, early := s.rng.IntN(3), s.rng.IntN(2) == 0
	all := make([]message, 1+s.rng.IntN(16))
	for i := range all {
		all[i] = message{s.rng.IntN(s.Size()), s.rng.IntN(s.Size()), programLengths[s.rng.IntN(len(programLengths))], i, s.rng.IntN(3)}
	}
	me := s.Rank()
	next := make([]int, s.Size()) // by source: its messages that have been received
	take := func(st rt.Status, x []int32) error {
		for i := next[st.Source]; i < len(all); i++ {
			if m := all[i]; m.src == st.Source && m.dst == me {
				next[st.Source] = i + 1
				if want := (rt.Status{Source: m.src, Tag: s.tag(m.tag), Count: m.length}); st != want {
					return fmt.Errorf("%+v came, expected %+v", st, want)
				}
				return same("message", x[:st.Count], fill(m.length, s.number+i))
			}
		}
		return fmt.Errorf("%+v is one message too many", st)
	}
	var reqs, sends []*rt.Request
	var bufs [][]int32
	receive := func(post bool) error {
		for _, m := range all {
			if m.dst != me {
				continue
			}
			src, tag, x := m.src, s.tag(m.tag), make([]int32, m.length)
			if mode != exact {
				tag = rt.AnyTag
			}
			if mode == anybody {
				src, x = rt.AnyRank, make([]int32, slices.Max(programLengths))
			}
			if post {
				r, err := rt.IRecv(ctx, s, src, tag, x)
				if err != nil {
					return err
				}
				reqs, bufs = append(reqs, r), append(bufs, x)
				continue
			}
			if m.how == 1 {
				st, err := rt.Probe(ctx, s, src, tag)
				if err != nil {
					return err
				}
				src, tag = st.Source, st.Tag
			}
			st, err := rt.Recv(ctx, s, src, tag, x)
			if err == nil {
				err = take(st, x)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	send := func(wait bool) error {
		for i, m := range all {
			if m.src != me {
				continue
			}
			x, err := fill(m.length, s.number+i), error(nil)
			switch {
			case wait && m.how == 1:
				err = rt.SSend(ctx, s, m.dst, s.tag(m.tag), x)
			case wait && m.how == 2:
				err = rt.Send(ctx, s, m.dst, s.tag(m.tag), x)
				clear(x)
			default:
				var r *rt.Request
				if r, err = rt.ISend(ctx, s, m.dst, s.tag(m.tag), x); err == nil {
					sends = append(sends, r)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	if early {
		// A receive that a death has ended does not show before it is waited for:
		// then nobody may wait for it in a Send.
		err = errors.Join(receive(true), send(!s.deaths))
	} else {
		err = errors.Join(send(false), receive(false))
	}
	if s.deaths && err != nil {
		if ctx.Err() != nil { // the dead take nothing back
			return err
		}
		rt.Revoke(s, err) // nobody is to receive past what is taken back
	}
	if err != nil { // what is under way is in nobody's way
		ended, cancel := context.WithCancel(ctx)
		cancel()
		rt.WaitAll(ended, append(reqs, sends...)...)
		return err
	}
	for i, r := range reqs {
		st, err := r.Wait(ctx)
		if err == nil {
			err = take(st, bufs[i])
		}
		if err != nil {
			return err
		}
	}
	if err := rt.WaitAll(ctx, sends...); err != nil || mode != anybody {
		return err
	}
	return collectives.Barrier(ctx, s) // who goes on would be received from here
}

// started has collectives under way beside messages and each other.
func (s *stage) started(ctx context.Context) error {
	var under []*collectives.Pending
	for i := range 1 + s.rng.IntN(4) {
		rng := rand.New(rand.NewPCG(s.seed, uint64(1<<40+i)))
		under = append(under, collectives.Start(ctx, s, func(ctx context.Context, g rt.Group) error { return s.collective(ctx, g, rng) }))
	}
	err := s.traffic(ctx)
	if err != nil { // others may wait for this rank there, and this one here for them
		rt.Revoke(s, err)
	}
	return errors.Join(err, collectives.WaitAll(ctx, under...))
}

// cancelled has deadlines cut transfers short. What has come and what has gone must
// agree, and a buffer that is the caller's again is nobody else's.
func (s *stage) cancelled(ctx context.Context) error {
	const tries, data, count = 12, 0, 1
	n, me := s.Size(), s.Rank()
	next, prev := (me+1)%n, (me+n-1)%n
	lengths := []int{1, 2049, 5000, 40_000}
	var sent, got int
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := s.own(0)
		for i := range tries {
			short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
			x := make([]int32, lengths[rng.IntN(len(lengths))])
			for j := range x {
				x[j] = int32(i)
			}
			send := rt.Send[int32]
			if rng.IntN(3) == 0 {
				send = rt.SSend[int32]
			}
			err := send(short, s, next, s.tag(data), x)
			cancel()
			for j := range x {
				x[j] = -1
			}
			switch {
			case err == nil:
				sent++
			case !errors.Is(err, context.DeadlineExceeded):
				errs[0] = err
				return
			}
		}
	})
	last := -1
	receive := func(ctx context.Context, src int) error {
		x := make([]int32, slices.Max(lengths))
		st, err := rt.Recv(ctx, s, src, s.tag(data), x)
		if err == nil {
			for _, v := range x[:st.Count] {
				if v != x[0] || int(v) <= last {
					return fmt.Errorf("%+v holds %d and %d after %d", st, v, x[0], last)
				}
			}
			last = int(x[0])
			got++
			return nil
		}
		for range 3 {
			time.Sleep(20 * time.Microsecond)
			if x[0] != 0 || x[len(x)-1] != 0 {
				return errors.New("a receive that was taken back has written")
			}
		}
		return err
	}
	wg.Go(func() {
		rng := s.own(1)
		for range tries {
			short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
			err := receive(short, []int{prev, rt.AnyRank}[rng.IntN(2)])
			cancel()
			if errors.Is(err, rt.ErrPeerLost) { // prev may have finished; a death shows below
				return
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				errs[1] = err
				return
			}
		}
	})
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	expected := []int{0}
	if _, err := rt.SendRecv(ctx, s, next, []int{sent}, prev, expected, s.tag(count)); err != nil {
		return err
	}
	for got < expected[0] {
		if err := receive(ctx, prev); err != nil {
			return fmt.Errorf("%d of %d messages came: %w", got, expected[0], err)
		}
	}
	st, found, err := rt.IProbe(s, prev, s.tag(data))
	if errors.Is(err, rt.ErrPeerLost) { // it has finished, with nothing more to receive
		err = nil
	}
	if found || err != nil || got != expected[0] {
		return fmt.Errorf("%d came, %d were sent; what is there: %v %+v %w", got, expected[0], found, st, err)
	}
	return nil
}

// cancelledCollective has one member's ctx end in a collective: all get an error.
func (s *stage) cancelledCollective(ctx context.Context) error {
	d, err := rt.Dup(ctx, s)
	if err != nil {
		return err
	}
	defer d.Close()
	who, after := s.rng.IntN(s.Size()), time.Duration(s.rng.IntN(500))*time.Microsecond
	x := make([]int32, programLengths[s.rng.IntN(len(programLengths))])
	short := ctx
	if s.Rank() == who {
		var cancel context.CancelFunc
		short, cancel = context.WithTimeout(ctx, after)
		defer cancel()
	}
	for err == nil {
		if err = collectives.Bcast(short, d, 0, x); err == nil {
			err = collectives.AllReduce(short, d, x, collectives.Sum)
		}
	}
	if ctx.Err() != nil {
		return err
	}
	if !errors.Is(err, context.DeadlineExceeded) && !lost(err) {
		return fmt.Errorf("the collective that one has cancelled: %w", err)
	}
	return collectives.Barrier(ctx, s)
}

// revoked has one member revoke a group in the middle of its traffic. What is over
// with an error is not written to any more, what is over without has all its data.
func (s *stage) revoked(ctx context.Context) error {
	d, err := rt.Dup(ctx, s)
	if err != nil {
		return err
	}
	defer d.Close()
	n, me := s.Size(), s.Rank()
	who, rng := s.rng.IntN(n), s.own(0)
	const count = 6
	var reqs []*rt.Request
	var bufs [][]int32
	for i := range count {
		length := programLengths[(s.number+i)%len(programLengths)]
		x, y := make([]int32, length), fill(length, i)
		if r, err := rt.IRecv(ctx, d, (me+n-1)%n, rt.Tag(i), x); err == nil {
			reqs, bufs = append(reqs, r), append(bufs, x)
		}
		if r, err := rt.ISend(ctx, d, (me+1)%n, rt.Tag(i), y); err == nil {
			reqs, bufs = append(reqs, r), append(bufs, y)
		}
		if me == who && rng.IntN(count) == 0 {
			rt.Revoke(d, errors.New("by chance"))
		}
	}
	if me == who {
		rt.Revoke(d, errors.New("at last"))
	}
	over := make([]error, len(reqs))
	for i, r := range reqs {
		_, over[i] = r.Wait(ctx)
		if over[i] == nil {
			continue
		}
		if ctx.Err() == nil && !lost(over[i]) {
			return fmt.Errorf("a transfer in a revoked group: %w", over[i])
		}
		for j := range bufs[i] {
			bufs[i][j] = -5
		}
	}
	if err := collectives.Barrier(ctx, s); err != nil {
		return err
	}
	for i, x := range bufs {
		for j := range x {
			if over[i] != nil && x[j] != -5 {
				return fmt.Errorf("a transfer that ended with %w has written later", over[i])
			}
		}
		if over[i] == nil {
			tag := slices.IndexFunc(programLengths, func(n int) bool { return n == len(x) })
			salt := (tag - s.number%len(programLengths) + len(programLengths)) % len(programLengths)
			if err := same("message in a revoked group", x, fill(len(x), salt)); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts makes smaller groups, uses and closes them.
func (s *stage) parts(ctx context.Context) error {
	color := s.own(0).IntN(4) - 1
	g, err := rt.Split(ctx, s, color, -s.Rank())
	if err != nil || color < 0 {
		return err
	}
	part := &stage{Group: g, number: 0, seed: s.seed ^ uint64(color)<<50}
	part.rng = rand.New(rand.NewPCG(part.seed, 7))
	err = errors.Join(part.traffic(ctx), s.collective(ctx, g, part.rng))
	return errors.Join(err, g.Close())
}

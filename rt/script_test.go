package rt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gridrun/rt"
)

// A script is random traffic whose outcome is known beforehand. All ranks go
// through the same messages in the same order, each doing its part, so that the
// earliest unfinished message can always go on; what is not blocking is waited
// for at the end of a batch.
//
// Messages travel in five groups with rules of their own:
//
//	everybody, halves  every kind of send and receive; exact source and tag
//	tags           receives may leave the tag open: the naive rule says what they get
//	taken          only transfers that are taken back before they match
//	sources        receives leave source and tag open: each source in its order
type script struct {
	n        int
	messages []message
}

const (
	everybody = iota
	halves
	tags
	taken
	sources
	groups
)

const batch = 24

type message struct {
	group    int
	src, dst int // world ranks
	tag      rt.Tag
	length   int
	send     int  // how it is sent, below
	recv     int  // how it is received
	anyTag   bool // the receive leaves the tag open
	gets     int  // the message that the receive will get; -1: nobody knows
}

const (
	nonblocking = iota
	blocking
	synchronous // receive: after a Probe
	value       // receive: after IProbes; values are received as such
)

var lengths = []int{0, 1, 3, 257, 2048, 2049, 5000, 40_000}

func newScript(seed uint64, n, count int) *script {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	s := &script{n: n}
	for range count {
		m := message{group: rng.IntN(groups), src: rng.IntN(n), dst: rng.IntN(n), tag: rt.Tag(rng.IntN(3)),
			length: lengths[rng.IntN(len(lengths))], send: rng.IntN(4), recv: rng.IntN(4)}
		switch m.group {
		case halves:
			m.dst = (m.src&1 + 2*rng.IntN((n+1-m.src&1)/2)) // of the same half
		case tags:
			m.send, m.anyTag = nonblocking, rng.IntN(2) == 0
		case sources:
			m.send, m.recv, m.anyTag = nonblocking, blocking, true
		}
		if m.send == value {
			m.recv = value
		} else if m.recv == value {
			m.recv = synchronous
		}
		if m.src == m.dst { // a rank cannot block for itself
			m.send = nonblocking
			if m.recv == value {
				m.recv = blocking
			}
		}
		s.messages = append(s.messages, m)
	}
	s.match()
	return s
}

// match is the naive rule: in their order, receives take the oldest message of
// their source and group that fits.
func (s *script) match() {
	matched := make([]bool, len(s.messages))
	for i := range s.messages {
		r := &s.messages[i]
		r.gets = -1
		if r.group == sources || r.group == taken {
			continue
		}
		for j, m := range s.messages {
			if !matched[j] && m.group == r.group && m.src == r.src && m.dst == r.dst && (r.anyTag || m.tag == r.tag) {
				r.gets, matched[j] = j, true
				break
			}
		}
	}
}

// without is s less the messages of a group.
func (s *script) without(group int) *script {
	out := &script{n: s.n}
	for _, m := range s.messages {
		if m.group != group {
			out.messages = append(out.messages, m)
		}
	}
	out.match()
	return out
}

// data is what message i carries.
func (s *script) data(i int) []int32 {
	x := make([]int32, s.messages[i].length)
	for j := range x {
		x[j] = int32(i<<8 + j%251)
	}
	return x
}

// A player plays one rank's part of a script.
type player struct {
	*script
	w      *rt.World
	groups [groups]rt.Group
	last   map[int]int // sources: the last message of each source
	reqs   []*rt.Request
	after  []func(rt.Status) error // checks a receive of reqs
}

// play goes through the script; before each message it calls step.
func (s *script) play(ctx context.Context, w *rt.World, step func(i int) error) error {
	p := &player{script: s, w: w, last: map[int]int{}}
	for g := range p.groups {
		var c *rt.Comm
		var err error
		switch g {
		case everybody:
			p.groups[g] = w
			continue
		case halves:
			c, err = rt.Split(ctx, w, w.Rank()&1, -w.Rank())
		default:
			c, err = rt.Dup(ctx, w)
		}
		if err != nil {
			return err
		}
		defer c.Close()
		p.groups[g] = c
	}
	for i := range s.messages {
		if err := step(i); err != nil {
			return err
		}
		if err := p.message(ctx, i); err != nil {
			return fmt.Errorf("message %d %+v: %w", i, s.messages[i], err)
		}
		if i%batch == batch-1 || i == len(s.messages)-1 {
			if err := p.settle(ctx, i%2 == 0); err != nil {
				return fmt.Errorf("batch of message %d: %w", i, err)
			}
			// Nobody runs ahead: a message of the next batch could take the place
			// of one that its sender waits for.
			if _, err := rt.Split(ctx, w, -1, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// in returns the rank in the message's group of a world rank.
func (p *player) in(m *message, world int) int {
	if m.group == halves { // ordered by descending world rank
		return (p.n-1-world&1)/2 - world/2
	}
	return world
}

func (p *player) message(ctx context.Context, i int) error {
	m := &p.messages[i]
	if m.src == p.w.Rank() {
		if err := p.send(ctx, i, m); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	if m.dst == p.w.Rank() {
		if err := p.receive(ctx, m); err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
	}
	return nil
}

func (p *player) send(ctx context.Context, i int, m *message) error {
	g, dst, x := p.groups[m.group], p.in(m, m.dst), p.data(i)
	if m.group == taken {
		return takenBack(ctx, func(ctx context.Context) error { return rt.SSend(ctx, g, dst, m.tag, x) })
	}
	switch m.send {
	case blocking:
		return rt.Send(ctx, g, dst, m.tag, x)
	case synchronous:
		return rt.SSend(ctx, g, dst, m.tag, x)
	case value:
		return rt.SendValue(ctx, g, dst, m.tag, x)
	}
	r, err := rt.ISend(ctx, g, dst, m.tag, x)
	p.reqs, p.after = append(p.reqs, r), append(p.after, nil)
	return err
}

// takenBack runs a transfer that cannot happen and checks that its ctx ends it.
func takenBack(ctx context.Context, f func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, 20*time.Microsecond)
	defer cancel()
	switch err := f(short); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	default:
		return fmt.Errorf("a transfer that nobody meets: %w", err)
	}
}

func (p *player) receive(ctx context.Context, m *message) error {
	g, src, tag := p.groups[m.group], p.in(m, m.src), m.tag
	if m.anyTag {
		tag = rt.AnyTag
	}
	switch {
	case m.group == taken: // tags from 100 are never sent
		return takenBack(ctx, func(ctx context.Context) error {
			_, err := rt.Recv(ctx, g, src, tag+100, make([]int32, 1))
			return err
		})
	case m.group == sources:
		return p.fromAny(ctx, g)
	}
	want := &p.messages[m.gets]
	check := func(st rt.Status, x []int32) error {
		if st != (rt.Status{Source: src, Tag: want.tag, Count: want.length}) {
			return fmt.Errorf("%+v, expected message %d %+v", st, m.gets, *want)
		}
		for j, v := range p.data(m.gets) {
			if x[j] != v {
				return fmt.Errorf("element %d of message %d is %x, expected %x", j, m.gets, x[j], v)
			}
		}
		return nil
	}
	x := make([]int32, want.length+1)
	switch m.recv {
	case nonblocking:
		r, err := rt.IRecv(ctx, g, src, tag, x)
		p.reqs, p.after = append(p.reqs, r), append(p.after, func(st rt.Status) error { return check(st, x) })
		return err
	case synchronous:
		if st, err := rt.Probe(ctx, g, src, tag); err != nil || st.Count != want.length || st.Tag != want.tag {
			return fmt.Errorf("Probe: %+v, expected %+v: %w", st, *want, err)
		}
	case value:
		for found := false; !found; {
			var err error
			if _, found, err = rt.IProbe(g, src, tag); err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return err
			}
		}
		x, st, err := rt.RecvValue[[]int32](ctx, g, src, tag)
		if err != nil {
			return err
		}
		st.Count = len(x)
		return check(st, x)
	}
	st, err := rt.Recv(ctx, g, src, tag, x)
	if err != nil {
		return err
	}
	return check(st, x)
}

// fromAny receives whatever comes in the sources group. Messages name
// themselves; those of one source come in their order.
func (p *player) fromAny(ctx context.Context, g rt.Group) error {
	st, err := rt.Probe(ctx, g, rt.AnyRank, rt.AnyTag)
	if err != nil {
		return err
	}
	x := make([]int32, st.Count)
	got, err := rt.Recv(ctx, g, rt.AnyRank, rt.AnyTag, x)
	if err != nil {
		return err
	}
	// The next one of this source in the script.
	next := p.last[got.Source]
	for m := p.messages[next]; m.group != sources || m.src != got.Source || m.dst != p.w.Rank(); m = p.messages[next] {
		if next++; next == len(p.messages) {
			return fmt.Errorf("%+v: rank %d has sent fewer messages", got, got.Source)
		}
	}
	p.last[got.Source] = next + 1
	if m := p.messages[next]; got.Tag != m.tag || got.Count != m.length || st.Source == got.Source && st.Tag == got.Tag && st.Count != got.Count {
		return fmt.Errorf("%+v (probed %+v), expected message %d %+v", got, st, next, m)
	}
	for j, v := range p.data(next) {
		if x[j] != v {
			return fmt.Errorf("element %d of message %d is %x, expected %x", j, next, x[j], v)
		}
	}
	return nil
}

// settle waits for all requests, one by one as they come or all at once.
func (p *player) settle(ctx context.Context, oneByOne bool) error {
	done := func(i int, st rt.Status) error {
		if p.after[i] == nil {
			return nil
		}
		return p.after[i](st)
	}
	if !oneByOne {
		if err := rt.WaitAll(ctx, p.reqs...); err != nil {
			return err
		}
		for i, r := range p.reqs {
			st, over, err := r.Test()
			if !over || err != nil {
				return fmt.Errorf("Test after WaitAll: %v %w", over, err)
			}
			if err := done(i, st); err != nil {
				return err
			}
		}
	}
	for oneByOne {
		i, st, err := rt.WaitAny(ctx, p.reqs...)
		if err != nil {
			return err
		}
		if i < 0 {
			break
		}
		p.reqs[i] = nil
		if err := done(i, st); err != nil {
			return err
		}
	}
	p.reqs, p.after = p.reqs[:0], p.after[:0]
	return nil
}

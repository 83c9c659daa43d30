package collectives

import (
	"context"
	"errors"
	"sync"

	"gridrun/internal/engine"
	"gridrun/rt"
)

// Lanes is how many operations that were begun with [Start] a group carries at
// the same time; later ones wait for their turn.
const Lanes = 8

// A Pending is what [Start] has begun.
type Pending struct {
	done chan struct{}
	err  error
}

// Start has f's collectives run beside what the rank does next, so that
// communication overlaps with computing:
//
//	sum := collectives.Start(ctx, w, func(ctx context.Context, g rt.Group) error {
//		return collectives.AllReduce(ctx, g, x, collectives.Sum[float64])
//	})
//	compute()
//	err := sum.Wait(ctx)
//
// f gets a group of the same ranks with a message space of its own and may call
// any collectives on it, one after the other. All ranks of g start the same in the
// same order among their other collectives on g. What f's buffers hold belongs to
// f until it is done. A failure revokes g, as that of any collective does; when g is
// revoked, or closed while f is under way, f's collectives fail.
func Start(ctx context.Context, g rt.Group, f func(ctx context.Context, g rt.Group) error) *Pending {
	c := engine.From(g)
	lanes := c.Attached(lanesKey{}, func() any { return new(lanes) }).(*lanes)
	p := &Pending{done: make(chan struct{})}
	i, lane, before, err := lanes.take(ctx, g, p)
	if err != nil {
		p.err = err
		close(p.done)
		return p
	}
	go func() {
		defer lanes.leave(i, p)
		defer close(p.done)
		if before != nil {
			select {
			case <-before.done:
			case <-ctx.Done(): // f fails with that, and so do all members
			}
		}
		if p.err = f(ctx, lane); p.err != nil {
			c.Revoke(p.err)
			lanes.revoke(p.err)
		}
	}()
	return p
}

// Wait waits until f has ended and returns its error. A ctx that ends first ends
// only the waiting.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Test says whether f has ended, and with which error.
func (p *Pending) Test() (done bool, err error) {
	select {
	case <-p.done:
		return true, p.err
	default:
		return false, nil
	}
}

// WaitAll waits for all, nil ones passed over, and returns the first error in
// their order.
func WaitAll(ctx context.Context, all ...*Pending) error {
	var errs []error
	for _, p := range all {
		if p != nil {
			errs = append(errs, p.Wait(ctx))
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lanes are the groups that a group's started operations run on, in turn. Which
// lane an operation gets follows from its number alone, so all ranks agree.
type lanes struct {
	mu     sync.Mutex
	begun  int
	closed bool
	group  [Lanes]*rt.Comm
	last   [Lanes]*Pending // begun last on each
}

type lanesKey struct{}

// take gives p the next lane, and whom it must wait for there.
func (l *lanes) take(ctx context.Context, g rt.Group, p *Pending) (i int, lane *rt.Comm, before *Pending, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i = l.begun % Lanes
	if l.group[i] == nil {
		if l.group[i], err = rt.Dup(ctx, g); err != nil {
			l.group[i] = nil
			return 0, nil, nil, err
		}
		engine.From(g).Adopt(engine.From(l.group[i]))
	}
	l.begun++
	lane, before = l.group[i], l.last[i]
	l.last[i] = p
	return i, lane, before, nil
}

// leave closes lane i after its last operation, p, if the group was closed before
// that was over.
func (l *lanes) leave(i int, p *Pending) {
	l.mu.Lock()
	var lane *rt.Comm
	if l.closed && l.last[i] == p {
		lane, l.group[i] = l.group[i], nil
	}
	l.mu.Unlock()
	if lane != nil {
		lane.Close()
	}
}

// revoke ends what is under way on all lanes.
func (l *lanes) revoke(cause error) {
	l.mu.Lock()
	groups := l.group
	l.mu.Unlock()
	for _, c := range groups {
		if c != nil {
			engine.From(c).Revoke(cause)
		}
	}
}

var errClosed = errors.New("the group has been closed")

// Close closes the lanes with their group. On those with an operation under way that
// fails, and closes the lane.
func (l *lanes) Close() error {
	l.mu.Lock()
	l.closed = true
	var over, busy []*rt.Comm
	for i, c := range l.group {
		if c == nil {
			continue
		}
		if done, _ := l.last[i].Test(); done {
			over, l.group[i] = append(over, c), nil
		} else {
			busy = append(busy, c)
		}
	}
	l.mu.Unlock()
	for _, c := range busy {
		engine.From(c).Revoke(errClosed)
	}
	var errs []error
	for _, c := range over {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"gridrun/internal/board"
)

// Groups whose ranks are all on one host have a board: shared memory by which
// collectives avoid messages. A rank's place at it is a seat.

// Boards is where the boards of groups with ranks in several processes of the
// host come from.
type Boards interface {
	// World is the board of the group of all ranks.
	World() (*board.Board, error)
	// Take reserves a board, Board shows it to a member, Give takes it back.
	Take() (id int, ok bool)
	Board(id, members int) (*board.Board, error)
	Give(id int)
}

// A seat is this rank's place at its group's board. It is the Host that the board
// waits through, and the condition of that wait.
type seat struct {
	comm  *Comm
	group *groupState
	party *board.Party
	free  func() // after the last member has closed
	turn  sync.Mutex
	call  Call // the one in progress, under turn

	patience spins
	lingers  bool // see linger
	siblings bool // other goroutines of this process may be waited for
	polled   bool // other processes may
	words    board.Words
	from     atomic.Int32 // words before it have been reached
	waits    int          // that have outlived the first looks
	gone     int32        // ranks that had ended when the wait began
	armed    *waiter
}

// ownBoards are the boards of groups within this process, by group.
type ownBoards struct {
	mu sync.Mutex
	of map[uint64]*board.Board
}

// maxOwnStage is a stage in ordinary memory, and ownBudget all stages of a board:
// what does not fit is copied from rank to rank anyway, without a buffer between.
const (
	maxOwnStage = 4 << 10
	ownBudget   = 1 << 20
)

func (p *Proc) ownBoard(c *Comm) *board.Board {
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	b := p.own.of[c.id]
	if b == nil {
		stage := max(min(maxOwnStage, ownBudget/(2*c.size))&^63, 64)
		b = board.Make(board.Shape{Members: c.size, Stage: stage, Pipe: stage})
		b.CPUs = p.CPUs
		if p.own.of == nil {
			p.own.of = make(map[uint64]*board.Board)
		}
		p.own.of[c.id] = b
	}
	return b
}

// sitDown gives c its seat, or notes that there is none. k is the first call that
// asks, on all members.
func (c *Comm) sitDown(k *Call) error {
	p := c.rank.proc
	c.asked = true
	within, host := true, p.Topology.ProcHost[p.Proc]
	for _, w := range c.members {
		q := p.Topology.RankProc[w]
		within = within && q == p.Proc
		if p.Topology.ProcHost[q] != host {
			return nil
		}
	}
	var b *board.Board
	var err error
	free := func() {}
	switch {
	case c.size == 1:
		return nil
	case within:
		b = p.ownBoard(c)
		free = func() {
			p.own.mu.Lock()
			defer p.own.mu.Unlock()
			delete(p.own.of, c.id)
		}
	case p.Boards == nil:
		return nil
	case c.id == WorldID:
		b, err = p.Boards.World()
	default:
		var id int
		if id, err = c.agreeOnBoard(k); err != nil || id < 0 {
			return err
		}
		b, err = p.Boards.Board(id, c.size)
		free = func() { p.Boards.Give(id) }
	}
	if err != nil {
		return fmt.Errorf("the group's shared memory: %w", err)
	}
	if !within {
		b.CPUs = p.CPUs // of the host: the same for all
	}
	s := &seat{comm: c, free: free, patience: spins{looks: boardLooks, time: yieldFor}, siblings: p.siblings, polled: p.poller != nil}
	if p.frugal {
		s.patience.time = crowdedYieldFor
	}
	if c.size > p.CPUs {
		s.patience.looks, s.patience.yields = 1, boardYields
		s.lingers = !s.siblings
	}
	c.rank.mu.Lock()
	s.group = c.rank.group(c.id)
	c.rank.mu.Unlock()
	s.party = b.Join(c.me, s)
	c.seat = s
	return nil
}

// agreeOnBoard has the group's first rank reserve a board and tell the others
// down a binomial tree; -1: there is none left.
func (c *Comm) agreeOnBoard(k *Call) (int, error) {
	var told [8]byte
	mask := 1
	if c.me == 0 {
		id, ok := c.rank.proc.Boards.Take()
		if !ok {
			id = -1
		}
		binary.LittleEndian.PutUint64(told[:], uint64(int64(id)))
		for mask < c.size {
			mask <<= 1
		}
	} else {
		for c.me&mask == 0 {
			mask <<= 1
		}
		if err := k.Recv(c.me-mask, boardStep, told[:]); err != nil {
			return 0, err
		}
	}
	for mask >>= 1; mask > 0; mask >>= 1 {
		if c.me+mask < c.size {
			if err := k.Send(c.me+mask, boardStep, told[:]); err != nil {
				return 0, err
			}
		}
	}
	return int(int64(binary.LittleEndian.Uint64(told[:]))), nil
}

// boardStep is the step of the messages that found a board.
const boardStep = MaxStep

// Party returns this rank's part of the board that the group's ranks share, with
// the call's head, or nil: then there are messages only. All members ask for it
// in the same calls. Who does not use it says Announce.
func (k *Call) Party() (*board.Party, error) {
	c := k.comm
	if !c.asked {
		if err := c.sitDown(k); err != nil {
			return nil, err
		}
		if c.seat != nil {
			c.seat.turn.Lock()
			k.seated = true
			c.seat.begin(k)
		}
	}
	if c.seat == nil {
		return nil, nil
	}
	return c.seat.party, nil
}

func (s *seat) begin(k *Call) {
	if k != &s.call {
		s.call = *k
	}
	s.party.Begin(board.NewHead(uint8(k.op), k.flags, uint32(k.elem)))
}

// Announce shows a call that goes on by messages on the board, where others that
// are in another call may wait for this rank.
func (k *Call) Announce() error {
	if !k.seated {
		return nil
	}
	p := k.comm.seat.party
	if err := p.Enter(); err != nil {
		return k.told(err)
	}
	_, err := p.Arrive(nil, false)
	return k.told(err)
}

// told turns a board's mismatch into the error that the user sees.
func (k *Call) told(err error) error {
	var m *board.Mismatch
	if !errors.As(err, &m) {
		return err
	}
	return k.differs(m.Member, Op(m.Head.Op()), m.Head.Root(), Signature(m.Head.Elem()))
}

// close leaves the board; the last member gives it back.
func (s *seat) close() {
	if s.party.Close() {
		s.free()
	}
}

// BeginShared begins a call whose ranks may share a board: Party says so. root is
// -1 for operations without one.
func (c *Comm) BeginShared(ctx context.Context, op Op, elem Signature, root int) (*Call, error) {
	s := c.seat
	if s == nil {
		return c.begin(ctx, op, elem, uint16(root+1))
	}
	s.turn.Lock()
	k := &s.call
	*k = Call{comm: c, ctx: ctx, op: op, flags: uint16(root + 1), elem: elem, seated: true, began: c.rank.clock()}
	k.number()
	s.begin(k)
	if ctx.Err() != nil {
		return nil, k.End(errEnded(ctx))
	}
	if s.group.dead.Load() {
		return nil, k.End(s.verdict())
	}
	return k, nil
}

// Seated tells whether the group has a board, which an earlier call has found out.
func (c *Comm) Seated() bool { return c.seat != nil }

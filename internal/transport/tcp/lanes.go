package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// Lanes are further connections of a link, which carry the pieces of long Data frames
// in one direction: from the end that has opened them. They pay where one connection
// is held back by its window, which is what the kernel lends it or what its congestion
// control dares after a loss, and not by the link: on long links. So a link opens
// its lanes when it is first posted a long frame and its round trips take Config.Far.
// Until they are there, and when they cannot be had, everything goes over the first
// connection.
//
//  1. Each lane is a connection as any other, authenticated as "GRTl" instead of
//     "GRTh". It is a link of its own, whose parent is the process's link.
//  2. A long frame is cut into pieces. A lane that has sent one takes the next, so
//     a slow one does not hold up the others. The frame is sent when all pieces are.
//  3. The receiver takes each piece to its place, whatever came before it: a Data
//     frame says where it belongs. A lane that breaks takes the whole link with it. A
//     peer has left when its first connection and all its lanes have said farewell.
//
// Lanes are for polled connections: their frames are delivered by who polls, one at a
// time.
type lanes struct {
	mu      sync.Mutex
	begun   bool // opening has been tried
	closed  bool // the link goes down
	looks   int  // long frames since the round trip was looked at
	out, in []*link
	pending []*bulk // not yet cut up to the end, in order
}

const (
	// laneFrom is the shortest Data frame that is spread over lanes: longer than a
	// message that goes without asking.
	laneFrom = longEager + 1
	// laneAhead pieces are queued on a lane.
	laneAhead = 2
	// mostLanes bounds the lanes that a peer may open.
	mostLanes = 16
	// lookEvery long frames the round trip of a link without lanes is looked at.
	lookEvery = 16
)

// A bulk is a frame under way on lanes.
type bulk struct {
	f       *transport.Frame
	next    int // bytes that pieces have been made of
	waiting int // pieces that are not sent
	err     error
}

// A laneSink takes what a lane brings.
type laneSink struct{ parent *link }

func (s laneSink) Arrived(_ int, h *wire.Header, _ []byte) {
	s.parent.broken(fmt.Errorf("%w: %v on a connection for data", wire.ErrFrame, h.Kind))
}
func (s laneSink) Place(from int, h *wire.Header) []byte {
	if h.Kind != wire.Data {
		s.parent.broken(fmt.Errorf("%w: %v on a connection for data", wire.ErrFrame, h.Kind))
		return nil
	}
	return s.parent.n.sink.Place(from, h)
}
func (s laneSink) Placed(from int, h *wire.Header)    { s.parent.n.sink.Placed(from, h) }
func (s laneSink) Sent(f *transport.Frame, err error) { s.parent.pieceSent(f, err) }
func (s laneSink) Down(int, error)                    {}

// spreads says that f is to go by lanes. Called with l.mu held, when l is up.
func (l *link) spreads(f *transport.Frame) bool {
	if f.Kind != wire.Data || len(f.Body) < laneFrom || l.parent != nil || !l.conn.polled || l.conn.sealed || l.n.cfg.Streams < 2 {
		return false
	}
	n := &l.lanes
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.begun && !n.closed {
		if n.looks%lookEvery == 0 && l.conn.roundTrip() >= l.n.cfg.Far {
			n.begun = true
			l.n.wg.Go(l.openLanes)
		}
		n.looks++
	}
	return len(n.out) > 0 && !n.closed
}

// spread posts f by lanes.
func (l *link) spread(f *transport.Frame) {
	n := &l.lanes
	n.mu.Lock()
	if n.closed { // since spreads looked: nobody would take it from pending any more
		n.mu.Unlock()
		l.n.sink.Sent(f, ErrBroken)
		return
	}
	n.pending = append(n.pending, &bulk{f: f})
	out := slices.Clone(n.out)
	n.mu.Unlock()
	for range laneAhead {
		for _, lane := range out {
			l.feed(lane)
		}
	}
}

// feed gives lane the next piece, if it has no more than laneAhead already.
func (l *link) feed(lane *link) {
	n := &l.lanes
	n.mu.Lock()
	if lane.ahead >= laneAhead || len(n.pending) == 0 {
		n.mu.Unlock()
		return
	}
	lane.ahead++
	f := n.cut(lane)
	n.mu.Unlock()
	lane.Post(f)
}

// cut makes the next piece. Called with mu held, when something is pending.
func (n *lanes) cut(lane *link) *transport.Frame {
	b := n.pending[0]
	size := min(pieceSize, len(b.f.Body)-b.next)
	f := &transport.Frame{Header: b.f.Header, Body: b.f.Body[b.next : b.next+size], Owner: &piece{b, lane}}
	f.Off += uint64(b.next)
	b.next += size
	b.waiting++
	if b.next == len(b.f.Body) {
		n.pending = n.pending[1:]
	}
	return f
}

type piece struct {
	of   *bulk
	lane *link
}

// pieceSent takes a piece back.
func (l *link) pieceSent(f *transport.Frame, err error) {
	p := f.Owner.(*piece)
	n := &l.lanes
	n.mu.Lock()
	p.lane.ahead--
	b := p.of
	b.waiting--
	b.err = errors.Join(b.err, err)
	over := b.waiting == 0 && (b.next == len(b.f.Body) || b.err != nil && !slices.Contains(n.pending, b))
	n.mu.Unlock()
	if over {
		l.n.sink.Sent(b.f, b.err)
	}
	if err == nil {
		l.feed(p.lane)
	}
}

// flush has all that is pending queued on the lanes: Close is about to end them.
func (l *link) flush() {
	n := &l.lanes
	for i := 0; ; i++ {
		n.mu.Lock()
		if len(n.pending) == 0 || len(n.out) == 0 {
			n.mu.Unlock()
			return
		}
		lane := n.out[i%len(n.out)]
		lane.ahead++
		f := n.cut(lane)
		n.mu.Unlock()
		lane.Post(f)
	}
}

// openLanes connects them. Those that cannot be had are done without.
func (l *link) openLanes() {
	ctx, cancel := context.WithTimeout(l.n.ctx, l.n.cfg.Connect)
	defer cancel()
	var all sync.WaitGroup
	for range l.n.cfg.Streams {
		all.Go(func() {
			c, err := l.n.cfg.Dial(ctx, l.peer)
			if err != nil {
				return
			}
			a := l.open(ctx, c, laneMagic)
			if a.err != nil || a.verdict != use || !l.addLane(a.conn, nil) {
				c.Close()
			}
		})
	}
	all.Wait()
}

// addLane makes c a lane: one for the peer's data when first has the verdict that it
// waits for.
func (l *link) addLane(c net.Conn, first []byte) bool {
	lane := newLink(l.n, l.peer)
	lane.parent, lane.sink, lane.inward = l, laneSink{l}, first != nil
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	n := &l.lanes
	n.mu.Lock()
	defer n.mu.Unlock()
	list := &n.out
	if first != nil {
		list = &n.in
	}
	if l.n.closed || n.closed || len(*list) >= mostLanes {
		return false
	}
	lane.mu.Lock()
	defer lane.mu.Unlock()
	lane.attach(c, first)
	l.n.lanes = append(l.n.lanes, lane)
	if lane.conn.polled {
		*list = append(*list, lane)
	} else { // no descriptor was left: its reader ends it
		lane.err = ErrClosed
		lane.conn.expire(0, true)
	}
	return true
}

// offerLane takes a connection that the peer has opened for its data.
func (l *link) offerLane(c net.Conn) {
	l.mu.Lock()
	fine := l.state == up && l.err == nil && l.conn.polled
	l.mu.Unlock()
	if !fine || !l.addLane(c, []byte{byte(use)}) {
		refuse(c, gone)
	}
}

// laneEnded is a lane's last word, with how it ended.
func (l *link) laneEnded(lane *link, err error) {
	n := &l.lanes
	gone := func(x *link) bool { return x == lane }
	lane.mu.Lock()
	leaving := lane.leaving // the peer then closes it without a farewell
	lane.mu.Unlock()
	n.mu.Lock()
	n.in, n.out = slices.DeleteFunc(n.in, gone), slices.DeleteFunc(n.out, gone)
	closed := n.closed
	n.mu.Unlock()
	if !closed && !leaving && !errors.Is(err, transport.ErrLeft) && !errors.Is(err, ErrClosed) {
		l.broken(err)
	}
	l.n.attend(l)
}

// awaitsLanes says that a peer that has left may still have data on its lanes, or this
// process, as it leaves too, on its own.
func (l *link) awaitsLanes(leaving bool) bool {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	return len(l.lanes.in) > 0 || leaving && len(l.lanes.out) > 0
}

// closeLanes ends them, since the link goes down with err.
func (l *link) closeLanes(err error) {
	n := &l.lanes
	n.mu.Lock()
	n.closed = true
	all := slices.Concat(n.in, n.out)
	pending := n.pending
	n.pending = nil
	var back []*transport.Frame
	for _, b := range pending {
		b.err = err
		if b.waiting == 0 {
			back = append(back, b.f)
		}
	}
	n.mu.Unlock()
	for _, lane := range all {
		lane.mu.Lock()
		over := lane.state == down
		lane.mu.Unlock()
		if !over {
			lane.finish(err)
		}
	}
	for _, f := range back {
		l.n.sink.Sent(f, err)
	}
}

// farRoundTrip is that of a link on which lanes pay: beyond a building.
const farRoundTrip = 2 * time.Millisecond

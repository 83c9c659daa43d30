package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"runtime/debug"
	"sync"
	"syscall"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

const (
	// maxRequests bounds the Gets of a session that are not over.
	maxRequests = 256
	// maxTasks is how many Opens and Coords of a session run at once.
	maxTasks = 8
	// maxShare bounds the bytes that a session pins or waits for.
	maxShare = 64 << 20
)

// A session serves one rank, or the server of another host.
type session struct {
	house *house
	link  link.Link
	peer  net.Conn // the stream to another host, nil for a rank
	share int64    // bytes it may pin or wait for; one block always may
	slots chan struct{}
	tasks sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	arrays   map[uint32]*book
	last     uint32 // number of the array opened last
	requests map[uint32]*request
	queue    []*request // with blocks not asked for yet
	held     int64      // bytes asked for or pinned
	pumping  bool
	out      []byte    // frames to write
	payloads []payload // blocks to write among them
	written  sync.Cond
}

// A payload is a block on its way to another host. The writer unpins it.
type payload struct {
	at    int // bytes of out before it
	block *cache.Block
}

// A request is one Get.
type request struct {
	number uint32
	book   *book
	blocks []int64
	next   int                     // position not asked for yet
	asked  int                     // asked for and not answered
	dead   bool                    // failed or cancelled
	pins   map[uint32]*cache.Block // granted and not released, by position
}

// over says that nothing of the request is left.
func (r *request) over() bool {
	return r.asked == 0 && len(r.pins) == 0 && (r.dead || r.next == len(r.blocks))
}

func newSession(h *house, l link.Link, peer net.Conn) *session {
	s := &session{
		house: h, link: l, peer: peer,
		share:    min(h.memory/8, maxShare),
		slots:    make(chan struct{}, maxTasks),
		arrays:   map[uint32]*book{},
		requests: map[uint32]*request{},
	}
	s.written.L = &s.mu
	return s
}

// ended takes the ways in which a stream ends for granted.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// run reads frames until the stream ends, then gives everything back.
func (s *session) run(ctx context.Context) error {
	tasks, cancel := context.WithCancel(ctx)
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(s.write)
	r := bufio.NewReader(s.link)
	var err error
	for err == nil {
		var f proto.Frame
		if f, err = proto.Read(r); err == nil {
			err = s.take(tasks, f)
		}
	}
	cancel()
	s.link.Close()
	s.tasks.Wait()
	s.close()
	writer.Wait()
	s.sent(s.payloads) // closed: nobody adds to them any more
	return ended(ctx, err)
}

// close unpins what the rank has not released and puts its arrays back. Answers still to come find closed set.
func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	var pins []*cache.Block
	for _, r := range s.requests {
		for _, b := range r.pins {
			pins = append(pins, b)
		}
	}
	books := s.arrays
	s.arrays, s.requests, s.queue = nil, nil, nil
	s.written.Signal()
	s.mu.Unlock()
	for _, b := range pins {
		b.Unpin()
	}
	for _, b := range books {
		s.putBack(b)
	}
}

// putBack ends the session's use of an array.
func (s *session) putBack(b *book) {
	if s.peer == nil {
		b.part()
	}
	b.put()
}

// write sends what send has queued. A stream that takes no more is closed, which ends the reader.
func (s *session) write() {
	for {
		s.mu.Lock()
		for len(s.out) == 0 && !s.closed {
			s.written.Wait()
		}
		frames, payloads := s.out, s.payloads
		s.out, s.payloads = nil, nil
		closed := s.closed
		s.mu.Unlock()
		if !closed {
			if err := s.put(frames, payloads); err != nil {
				s.link.Close()
				closed = true
			}
		}
		s.sent(payloads)
		if closed {
			return
		}
	}
}

// put writes frames with the blocks among them, from where they stand.
func (s *session) put(frames []byte, payloads []payload) error {
	if len(payloads) == 0 {
		_, err := s.link.Write(frames)
		return err
	}
	var all net.Buffers
	from := 0
	for _, p := range payloads {
		all = append(all, frames[from:p.at], p.block.Bytes())
		from = p.at
	}
	all = append(all, frames[from:])
	_, err := all.WriteTo(s.peer)
	return err
}

// sent gives back blocks that have been written, or never will be.
func (s *session) sent(payloads []payload) {
	if len(payloads) == 0 {
		return
	}
	s.mu.Lock()
	for _, p := range payloads {
		s.held -= int64(p.block.Size)
	}
	s.mu.Unlock()
	for _, p := range payloads {
		p.block.Unpin()
	}
	s.pump()
}

// send queues a frame and never blocks. The lock is held.
func (s *session) send(f proto.Frame) {
	out, err := proto.Append(s.out, f)
	if err != nil {
		s.link.Close() // a frame of ours that is too long: the rank must not wait for it
		return
	}
	s.out = out
	s.written.Signal()
}

// maxText bounds an error's text in bytes: enough for a stack.
const maxText = 16 << 10

// fail answers a request with an error. The lock is held.
func (s *session) fail(number uint32, err error) {
	kind := proto.Other
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = proto.NotExist
	case errors.Is(err, store.ErrChanged):
		kind = proto.Changed
	case errors.Is(err, array.ErrNoCoord):
		kind = proto.NoCoord
	case errors.Is(err, array.ErrNoVariable):
		kind = proto.NoVariable
	case errors.Is(err, client.ErrLost):
		kind = proto.Lost
	}
	text := err.Error()
	s.send(&proto.Failed{Request: number, Kind: kind, Text: text[:min(len(text), maxText)]})
}

// take acts on one frame. An error is something that no gridrun would send.
func (s *session) take(ctx context.Context, f proto.Frame) error {
	switch f := f.(type) {
	case *proto.Open:
		s.task(ctx, f.Request, func() error { return s.open(ctx, f) })
	case *proto.Coord:
		s.task(ctx, f.Request, func() error { return s.coord(ctx, f) })
	case *proto.Close:
		s.mu.Lock()
		b := s.arrays[f.Array]
		delete(s.arrays, f.Array)
		s.mu.Unlock()
		if b == nil {
			return fmt.Errorf("%w: Close of array %d, which is not open", proto.ErrMalformed, f.Array)
		}
		s.putBack(b)
	case *proto.Get:
		return s.get(f)
	case *proto.Release:
		return s.release(f)
	case *proto.Cancel:
		s.mu.Lock()
		if r := s.requests[f.Request]; r != nil {
			r.dead = true
			s.settle(r)
		}
		s.mu.Unlock()
		s.pump()
	case *proto.Prefetch:
		return s.prefetch(f)
	case *proto.Count:
		counted := s.house.counted(f.Request)
		s.mu.Lock()
		s.send(counted)
		s.mu.Unlock()
	default:
		return fmt.Errorf("%w: a rank sent %T", proto.ErrMalformed, f)
	}
	return nil
}

// task runs what may take long beside the reader. A panic fails that request only.
func (s *session) task(ctx context.Context, number uint32, do func() error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	s.tasks.Go(func() {
		defer func() { <-s.slots }()
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("the cache's server failed: %v\n%s", p, debug.Stack())
				}
			}()
			return do()
		}()
		if err != nil {
			s.mu.Lock()
			s.fail(number, err)
			s.mu.Unlock()
		}
	})
}

func (s *session) open(ctx context.Context, f *proto.Open) error {
	room := f.Room
	if room <= 0 || room > s.house.memory {
		room = s.house.memory
	}
	b, err := s.house.shelf.open(ctx, f.Ref, room)
	if err != nil {
		return err
	}
	if s.peer == nil {
		b.join()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.arrays[s.last] = b
	s.send(&proto.Opened{Request: f.Request, Array: s.last, Description: b.desc})
	return nil
}

func (s *session) coord(ctx context.Context, f *proto.Coord) error {
	s.mu.Lock()
	b := s.arrays[f.Array]
	s.mu.Unlock()
	if b == nil {
		return fmt.Errorf("array %d is not open", f.Array)
	}
	if int64(f.Dim) >= int64(len(b.dims)) {
		return fmt.Errorf("dimension %d of an array of %d", f.Dim, len(b.dims))
	}
	values, unit, err := b.coord(ctx, int(f.Dim), s.peer != nil)
	if err != nil {
		return err
	}
	total := int64(len(values))
	if f.From < 0 || f.From > total {
		return fmt.Errorf("value %d of a coordinate of %d", f.From, total)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(&proto.Values{Request: f.Request, Total: total, Unit: unit, Values: values[f.From:min(total, f.From+proto.MaxValues)]})
	return nil
}

// known checks that all blocks are blocks of the array. The lock is held.
func (s *session) known(number uint32, blocks []int64) (*book, error) {
	b := s.arrays[number]
	if b == nil {
		return nil, fmt.Errorf("%w: array %d is not open", proto.ErrMalformed, number)
	}
	for _, k := range blocks {
		if k < 0 || k >= b.grid.Blocks() {
			return nil, fmt.Errorf("%w: block %d of an array of %d", proto.ErrMalformed, k, b.grid.Blocks())
		}
		if s.peer != nil && s.house.home(b, k) != s.house.site.Host {
			return nil, fmt.Errorf("%w: another host asks for block %d, which is not kept here", proto.ErrMalformed, k)
		}
	}
	return b, nil
}

func (s *session) prefetch(f *proto.Prefetch) error {
	s.mu.Lock()
	b, err := s.known(f.Array, f.Blocks)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for _, k := range f.Blocks {
		c, load := s.house.find(b, k)
		c.Prefetch(cache.Key{Array: b.id, Block: k}, b.grid.Size(k), load)
	}
	return nil
}

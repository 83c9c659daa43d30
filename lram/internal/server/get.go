package server

import (
	"fmt"

	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/proto"
)

// get queues a Get.
func (s *session) get(f *proto.Get) error {
	s.mu.Lock()
	b, err := s.known(f.Array, f.Blocks)
	switch {
	case err != nil:
	case s.requests[f.Request] != nil:
		err = fmt.Errorf("%w: request %d is not over", proto.ErrMalformed, f.Request)
	case len(s.requests) >= maxRequests:
		err = fmt.Errorf("%w: more than %d requests at once", proto.ErrMalformed, maxRequests)
	case len(f.Blocks) == 0:
		err = fmt.Errorf("%w: a Get of no blocks", proto.ErrMalformed)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	r := &request{number: f.Request, book: b, blocks: f.Blocks, pins: map[uint32]*cache.Block{}}
	s.requests[r.number] = r
	s.queue = append(s.queue, r)
	s.mu.Unlock()
	s.pump()
	return nil
}

// release unpins blocks that the rank has copied.
func (s *session) release(f *proto.Release) error {
	var pins []*cache.Block
	s.mu.Lock()
	r := s.requests[f.Request]
	for _, at := range f.Positions {
		if r == nil || r.pins[at] == nil {
			s.mu.Unlock()
			return fmt.Errorf("%w: Release of block %d of request %d, which is not granted", proto.ErrMalformed, at, f.Request)
		}
		b := r.pins[at]
		delete(r.pins, at)
		s.held -= int64(b.Size)
		pins = append(pins, b)
	}
	if r != nil {
		s.settle(r)
	}
	s.mu.Unlock()
	for _, b := range pins {
		b.Unpin()
	}
	s.pump()
	return nil
}

// settle forgets a request that is over. The lock is held.
func (s *session) settle(r *request) {
	if r.over() {
		delete(s.requests, r.number)
	}
}

// pump asks the block cache for the next blocks, as far as the session's share goes. It may be called from an answer that
// the block cache gives at once; the call that is at it already then goes on.
func (s *session) pump() {
	s.mu.Lock()
	if s.pumping {
		s.mu.Unlock()
		return
	}
	s.pumping = true
	for {
		r, size := s.pick()
		if r == nil {
			s.pumping = false
			s.mu.Unlock()
			return
		}
		at := r.next
		r.next++
		r.asked++
		s.held += int64(size)
		s.mu.Unlock()
		k := r.blocks[at]
		c, load := s.house.find(r.book, k)
		c.Get(cache.Key{Array: r.book.id, Block: k}, size, load, func(b *cache.Block, how cache.How, err error) {
			s.answer(r, uint32(at), size, b, how, err)
		})
		s.mu.Lock()
	}
}

// pick finds the request whose next block may be asked for now. The lock is held.
func (s *session) pick() (*request, int) {
	for !s.closed && len(s.queue) > 0 {
		r := s.queue[0]
		if r.dead || r.next == len(r.blocks) {
			s.queue = s.queue[1:]
			continue
		}
		size := r.book.grid.Size(r.blocks[r.next])
		if s.held > 0 && s.held+int64(size) > s.share {
			return nil, 0
		}
		return r, size
	}
	return nil, 0
}

// answer passes on what became of one block.
func (s *session) answer(r *request, at uint32, size int, b *cache.Block, how cache.How, err error) {
	s.mu.Lock()
	r.asked--
	switch {
	case b != nil && !s.closed && !r.dead && s.peer != nil:
		s.send(&proto.Block{Request: r.number, Position: at, Size: int64(b.Size), How: uint8(how)})
		s.payloads = append(s.payloads, payload{len(s.out), b})
		s.settle(r)
		s.mu.Unlock()
		return
	case b != nil && !s.closed && !r.dead:
		r.pins[at] = b
		s.send(&proto.Granted{Request: r.number, Position: at, Off: b.Off, Size: int64(b.Size), How: uint8(how)})
		s.mu.Unlock()
		return
	case err != nil && !s.closed && !r.dead:
		r.dead = true
		s.fail(r.number, err)
	}
	s.held -= int64(size)
	if !s.closed {
		s.settle(r)
	}
	s.mu.Unlock()
	if b != nil {
		b.Unpin()
	}
	s.pump()
}

package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"sync"

	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

const (
	// minMemory is the least a cache can work with, in bytes.
	minMemory = 64 << 10
	// unknownMemory is the default budget where the system does not say what it has.
	unknownMemory = 512 << 20
	// blockTarget is the size in bytes aimed at where the file leaves the choice.
	blockTarget = 256 << 10
)

// Server has the caches of one host.
type Server struct {
	name   string
	stores store.Store

	mu     sync.Mutex
	houses map[string]*house
}

// New makes a server that opens what stores knows.
func New(stores store.Store) *Server {
	return &Server{name: rand.Text(), stores: stores, houses: make(map[string]*house)}
}

// A house is one cache of the job on this host.
type house struct {
	server    *Server
	hello     proto.Hello // of the rank that came first
	memory    int64
	blockSize int
	region    *memory.Region
	blocks    *cache.Cache
	sessions  int // guarded by Server.mu
	shelf     *shelf
}

// enter finds or makes the house that a rank names.
func (s *Server) enter(hello *proto.Hello) (*house, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.houses[hello.Cache]
	if h == nil {
		var err error
		if h, err = s.build(hello); err != nil {
			return nil, err
		}
		s.houses[hello.Cache] = h
	}
	if h.hello.Memory != hello.Memory || h.hello.BlockSize != hello.BlockSize {
		return nil, fmt.Errorf("rank %d asks for memory %d and block size %d, rank %d for %d and %d", hello.Rank, hello.Memory, hello.BlockSize,
			h.hello.Rank, h.hello.Memory, h.hello.BlockSize)
	}
	h.sessions++
	return h, nil
}

func (s *Server) build(hello *proto.Hello) (*house, error) {
	available, known := memory.Available(os.DirFS("/"))
	budget, err := budget(hello.Memory, available, known)
	if err != nil {
		return nil, err
	}
	h := &house{server: s, hello: *hello, memory: budget, blockSize: int(hello.BlockSize)}
	if h.blockSize == 0 {
		h.blockSize = blockTarget
	}
	if h.region, err = memory.New(budget); err != nil {
		return nil, err
	}
	h.blocks = cache.New(h.region, max(2, runtime.GOMAXPROCS(0)))
	h.shelf = newShelf(s.stores, h.plan)
	return h, nil
}

// budget settles how many bytes a cache gets on a host where so many are available.
func budget(asked, available int64, known bool) (int64, error) {
	switch {
	case asked < 0:
		return 0, fmt.Errorf("a cache of %d bytes was asked for", asked)
	case asked > 0 && asked < minMemory:
		return 0, fmt.Errorf("a cache of %s was asked for, the least is %s", memory.FormatBytes(asked), memory.FormatBytes(minMemory))
	case known && asked > available:
		return 0, fmt.Errorf("a cache of %s was asked for, but this host may use only %s; ask for less memory",
			memory.FormatBytes(asked), memory.FormatBytes(available))
	case asked > 0:
		return asked, nil
	case !known:
		return unknownMemory, nil
	case available/4 < minMemory:
		return 0, fmt.Errorf("this host may use only %s more, a quarter of it is too little for a cache", memory.FormatBytes(available))
	}
	return available / 4, nil
}

// leave ends a session's stay; the last one closes the house.
func (s *Server) leave(h *house) {
	s.mu.Lock()
	h.sessions--
	last := h.sessions == 0
	if last {
		delete(s.houses, h.hello.Cache)
	}
	s.mu.Unlock()
	if last {
		h.blocks.Close()
		h.shelf.close()
		h.region.Close()
	}
}

// counted is what the house has done so far.
func (h *house) counted(request uint32) *proto.Counted {
	s := h.blocks.Stats()
	return &proto.Counted{Request: request, Decodes: s.Loads, Evictions: s.Evictions, Read: h.shelf.bytesRead(), Unused: s.BytesUnused}
}

// Serve is one rank's session. It returns when the rank or ctx ends it; only what a rank should not have done is an error.
func (s *Server) Serve(ctx context.Context, l link.Link) error {
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	f, region, err := l.Receive()
	if region != nil {
		region.Close()
	}
	if err != nil {
		return ended(ctx, err)
	}
	hello, ok := f.(*proto.Hello)
	if !ok {
		return fmt.Errorf("%w: the first frame is %T", proto.ErrMalformed, f)
	}
	welcome := &proto.Welcome{Version: proto.Version, Server: s.name}
	var h *house
	if hello.Version != proto.Version {
		err = fmt.Errorf("the program's cache speaks version %d, the server's %d", hello.Version, proto.Version)
	} else {
		h, err = s.enter(hello)
	}
	if err != nil {
		welcome.Error = err.Error()
		frame, err := proto.Append(nil, welcome)
		if err == nil {
			_, err = l.Write(frame)
		}
		return ended(ctx, err)
	}
	defer s.leave(h)
	welcome.Memory = h.memory
	frame, err := proto.Append(nil, welcome)
	if err == nil {
		err = l.Share(frame, h.region)
	}
	if err != nil {
		return ended(ctx, err)
	}
	return newSession(h, l).run(ctx)
}

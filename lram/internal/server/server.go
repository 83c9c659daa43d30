package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gridrun/lram/internal/arena"
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
	site      *Site
	hello     proto.Hello // of who came first
	hosts     []int       // of the cache, ascending
	memory    int64
	blockSize int
	region    *memory.Region
	blocks    *cache.Cache // whose home is here
	copies    *cache.Cache // of those whose home is another host, nil if there are no others
	sessions  int          // guarded by Server.mu
	shelf     *shelf

	ctx    context.Context // ends with the house
	cancel context.CancelFunc
	calls  sync.WaitGroup // connections and arrays being opened at peers
	peers  map[int]*peer  // by host
	moved  atomic.Int64   // bytes brought from other hosts
}

// fetchers is how many blocks a house has on their way from other hosts at once.
const fetchers = 32

// enter finds or makes the house that a rank, or another host's server, names.
func (s *Server) enter(site *Site, hello *proto.Hello) (*house, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.houses[hello.Cache]
	if h == nil {
		var err error
		if h, err = s.build(site, hello); err != nil {
			return nil, err
		}
		s.houses[hello.Cache] = h
	}
	if h.hello.Memory != hello.Memory || h.hello.BlockSize != hello.BlockSize {
		return nil, fmt.Errorf("rank %d asks for memory %d and block size %d, rank %d for %d and %d", hello.Rank, hello.Memory, hello.BlockSize,
			h.hello.Rank, h.hello.Memory, h.hello.BlockSize)
	}
	if !slices.Equal(h.hello.Hosts, hello.Hosts) {
		return nil, fmt.Errorf("rank %d names hosts %v, rank %d named %v", hello.Rank, hello.Hosts, h.hello.Rank, h.hello.Hosts)
	}
	h.sessions++
	return h, nil
}

func (s *Server) build(site *Site, hello *proto.Hello) (*house, error) {
	hosts, err := site.settle(hello)
	if err != nil {
		return nil, err
	}
	available, known := memory.Available(os.DirFS("/"))
	budget, err := budget(hello.Memory, available, known)
	if err != nil {
		return nil, err
	}
	h := &house{server: s, site: site, hello: *hello, hosts: hosts, memory: budget, blockSize: int(hello.BlockSize)}
	if h.blockSize == 0 {
		h.blockSize = blockTarget
	}
	if h.region, err = memory.New(budget); err != nil {
		return nil, err
	}
	own := budget
	if len(hosts) > 1 {
		// Fixed halves: a block that another host waits for never waits for memory that is kept for a block of another host.
		own = budget / 2 / arena.Unit * arena.Unit
		h.copies = cache.New(h.region, own, budget-own, fetchers)
	}
	h.blocks = cache.New(h.region, 0, own, max(2, runtime.GOMAXPROCS(0)))
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.peers = make(map[int]*peer)
	for _, host := range hosts {
		if host != site.Host {
			h.peers[host] = &peer{house: h, host: host}
		}
	}
	h.shelf = newShelf(h)
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
		h.close()
	}
}

func (h *house) close() {
	h.cancel()
	for _, p := range h.peers {
		p.close()
	}
	if h.copies != nil {
		h.copies.Close()
	}
	h.calls.Wait()
	h.blocks.Close()
	h.shelf.close()
	h.region.Close()
}

// counted is what the house has done so far.
func (h *house) counted(request uint32) *proto.Counted {
	s := h.blocks.Stats()
	c := &proto.Counted{Request: request, Decodes: s.Loads, Evictions: s.Evictions, Read: h.shelf.bytesRead(), Unused: s.BytesUnused, Moved: h.moved.Load()}
	if h.copies != nil {
		s := h.copies.Stats()
		c.Evictions += s.Evictions
		c.Unused += s.BytesUnused
	}
	return c
}

// Serve is one rank's session. It returns when the rank or ctx ends it; only what a rank should not have done is an error.
func (s *Server) Serve(ctx context.Context, site *Site, l link.Link) error {
	return s.serve(ctx, site, l, nil)
}

// ServePeer is the session of another host's server.
func (s *Server) ServePeer(ctx context.Context, site *Site, c net.Conn) error {
	return s.serve(ctx, site, link.Stream(c), c)
}

// serve is one session; peer is the stream to another host, nil for a rank.
func (s *Server) serve(ctx context.Context, site *Site, l link.Link, peer net.Conn) error {
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
		h, err = s.enter(site, hello)
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
	switch {
	case err != nil:
	case peer == nil:
		err = l.Share(frame, h.region)
	default:
		_, err = l.Write(frame)
	}
	if err != nil {
		return ended(ctx, err)
	}
	return newSession(h, l, peer).run(ctx)
}

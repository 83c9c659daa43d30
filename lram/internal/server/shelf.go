package server

import (
	"context"
	"fmt"
	"sync"

	"gridrun/lram/format"
	"gridrun/lram/format/array"
	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/grid"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// maxIdle is how many arrays that nobody has open a shelf remembers.
const maxIdle = 1000

// A shelf has the arrays of a house, each opened once however many ranks have it open.
type shelf struct {
	house *house

	mu      sync.Mutex
	last    uint64            // id given last
	byKey   map[string]*book  // by what the file is
	byRef   map[string]*book  // by the reference that led there last
	opening map[string]*visit // by reference
	read    int64             // bytes read from files that are closed, as bytesRead counts
}

// A book is an array that has been opened. Its id names its blocks in the cache for ever.
type book struct {
	shelf *shelf
	id    uint64
	key   string
	ref   string
	room  int64  // least memory of the cache's hosts
	place uint64 // with a block's index it gives the block's home
	desc  []byte // encoded Description
	files []proto.File
	dims  []string
	grid  *grid.Grid

	coords []coordinate // by dimension

	// guarded by shelf.mu
	readers int             // see join
	agreed  bool            // another host has the same file, or there is none to ask
	users   int             // sessions that have it open, and loads under way
	data    *format.Dataset // nil when nobody uses it
	head    int64           // bytes that opening data read: header, description
}

// A coordinate is that of one dimension. Each has its own lock, held while it is read, so that it is read once: two hosts may
// ask each other at the same time, never for the same dimension.
type coordinate struct {
	reading sync.Mutex
	known   bool
	values  []float64
	unit    string
}

// A visit is an Open under way; others with the same reference wait for it.
type visit struct {
	done      chan struct{}
	book      *book
	err       error
	cancelled bool // err is the opener's own end, not the array's
}

func newShelf(h *house) *shelf {
	return &shelf{house: h, byKey: map[string]*book{}, byRef: map[string]*book{}, opening: map[string]*visit{}}
}

// plan chooses the blocks of an array so that at least four fit each of the caches of a host that has room bytes: all hosts
// must choose the same.
func (h *house) plan(a *array.Array, room int64) []int {
	_, rows := a.Reader.(*array.Strided)
	l := grid.Layout{Shape: a.Shape, Elem: a.DType.Size(), Chunk: a.Chunk, Divisible: rows}
	if len(h.hosts) > 1 {
		room /= 2
	}
	return grid.Plan(l, h.blockSize, int(min(room/4, 1<<30)))
}

// open gives the array that ref leads to now; the caller must put it back.
func (s *shelf) open(ctx context.Context, ref string, room int64) (*book, error) {
	for {
		s.mu.Lock()
		if v := s.opening[ref]; v != nil {
			s.mu.Unlock()
			select {
			case <-v.done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			if v.err != nil && !v.cancelled {
				return nil, v.err
			}
			if b := s.take(v.book); b != nil {
				return b, nil
			}
			continue // it was closed again meanwhile, or its opener has gone
		}
		v := &visit{done: make(chan struct{})}
		s.opening[ref] = v
		known := s.byRef[ref]
		s.mu.Unlock()
		func() {
			defer func() {
				if p := recover(); p != nil {
					v.err = fmt.Errorf("open %s: the format's reader failed: %v", ref, p)
				}
				v.cancelled = v.err != nil && ctx.Err() != nil
				s.mu.Lock()
				delete(s.opening, ref)
				s.mu.Unlock()
				close(v.done)
			}()
			if v.book, v.err = s.visit(ctx, ref, room, known); v.err == nil {
				if v.err = s.compare(ctx, v.book); v.err != nil {
					v.book.put()
					v.book = nil
				}
			}
		}()
		return v.book, v.err
	}
}

// take counts one more user of a book whose file is open.
func (s *shelf) take(b *book) *book {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b == nil || b.data == nil {
		return nil
	}
	b.users++
	return b
}

// compare makes sure that the hosts of the cache mean the same file: each asks one and the same of them.
func (s *shelf) compare(ctx context.Context, b *book) error {
	s.mu.Lock()
	agreed := b.agreed
	s.mu.Unlock()
	host := s.house.witness(b.ref)
	if agreed || host == s.house.site.Host {
		return nil
	}
	if err := s.house.peers[host].visit(ctx, b); err != nil {
		return fmt.Errorf("host %s: %w", s.house.site.Name(host), err)
	}
	s.mu.Lock()
	b.agreed = true
	s.mu.Unlock()
	return nil
}

// visit opens ref, or finds it open and unchanged.
func (s *shelf) visit(ctx context.Context, ref string, room int64, known *book) (*book, error) {
	if b := s.take(known); b != nil {
		if b.data.File.Check() == nil {
			return b, nil
		}
		b.put()
	}
	d, err := format.Open(ctx, s.house.server.stores, ref)
	if err != nil {
		return nil, err
	}
	fresh, err := s.describe(ref, room, d)
	if err != nil {
		d.Close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.byKey[fresh.key]
	switch {
	case b == nil:
		s.forget()
		s.last++
		fresh.id = s.last
		b = fresh
		s.byKey[b.key] = b
	case b.data == nil:
		b.data, b.head = d, fresh.head
	default:
		d.Close()
	}
	s.byRef[ref] = b
	b.users++
	return b, nil
}

// forget makes room for one more book. Blocks of a forgotten one grow old in the cache. The lock is held.
func (s *shelf) forget() {
	if len(s.byKey) < maxIdle {
		return
	}
	for key, b := range s.byKey {
		if b.users == 0 {
			delete(s.byKey, key)
		}
	}
	for ref, b := range s.byRef {
		if b.users == 0 {
			delete(s.byRef, ref)
		}
	}
}

// describe makes a book of an opened array.
func (s *shelf) describe(ref string, room int64, d *format.Dataset) (*book, error) {
	block := s.house.plan(d.Array, room)
	g, err := grid.New(d.Shape, block, d.DType.Size())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", ref, err)
	}
	desc := proto.Description{
		File: d.File.Name, Name: d.Name, DType: string(d.DType), Shape: d.Shape, Dims: d.Dims, Block: block,
		Packed: d.Packed, Scale: d.Scale, Offset: d.Offset,
	}
	if desc.Missing, err = missing(d.DType, d.Missing); err != nil {
		return nil, fmt.Errorf("open %s: %w", ref, err)
	}
	for _, f := range d.File.Stores {
		id := f.ID()
		desc.Files = append(desc.Files, proto.File{Name: id.Name, Size: id.Size, MTime: id.MTime})
	}
	for name, value := range d.Attrs {
		desc.Attrs = append(desc.Attrs, proto.MakeAttr(name, value))
	}
	b := &book{shelf: s, key: d.Key(), ref: ref, room: room, place: placeOf(desc.Files, d.Name), files: desc.Files, grid: g, data: d, head: d.File.BytesRead(), dims: d.Dims, coords: make([]coordinate, len(d.Dims))}
	if b.desc, err = desc.Encode(); err != nil {
		return nil, fmt.Errorf("open %s: %w", ref, err)
	}
	return b, nil
}

// put ends one use; the file is closed after the last.
func (b *book) put() {
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	if b.users--; b.users == 0 && b.data != nil {
		b.shelf.read += b.data.File.BytesRead() - b.head
		b.data.Close()
		b.data = nil
	}
}

// join and part count those readers of this host that may need other hosts for it: its ranks, and blocks on their way. Without
// one the other hosts need not keep it open for this one. Their own use of it here does not count.
func (b *book) join() {
	b.shelf.mu.Lock()
	b.readers++
	b.shelf.mu.Unlock()
}

func (b *book) part() {
	b.shelf.mu.Lock()
	b.readers--
	last := b.readers == 0
	b.shelf.mu.Unlock()
	if last {
		for _, p := range b.shelf.house.peers {
			p.forget(b)
		}
	}
}

// use makes sure that the file is open for a load: one that was prefetched may begin when nobody has the array open any more.
func (b *book) use(ctx context.Context) (*format.Dataset, error) {
	if b.shelf.take(b) != nil {
		return b.data, nil
	}
	again, err := b.shelf.open(ctx, b.ref, b.room)
	if err != nil {
		return nil, err
	}
	if again != b {
		again.put()
		return nil, fmt.Errorf("%s: %w", b.ref, store.ErrChanged)
	}
	return b.data, nil
}

// coord gives the coordinate of a dimension, from its home unless local is set. The values are shared.
func (b *book) coord(ctx context.Context, dim int, local bool) (values []float64, unit string, err error) {
	c := &b.coords[dim]
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.known {
		return c.values, c.unit, nil
	}
	d, err := b.use(ctx)
	if err != nil {
		return nil, "", err
	}
	defer b.put()
	h := b.shelf.house
	if home := h.homeOfCoord(b, dim); local || home == h.site.Host {
		if values, unit, err = d.Coord(ctx, b.dims[dim]); err == nil {
			err = d.File.Check()
		}
	} else {
		values, unit, err = h.peers[home].coord(ctx, b, dim)
	}
	if err != nil {
		return nil, "", err
	}
	c.values, c.unit, c.known = values, unit, true
	return values, unit, nil
}

// load reads one block from the file.
func (b *book) load(block int64) cache.Load {
	return func(ctx context.Context, dst []byte) (cache.How, error) {
		d, err := b.use(ctx)
		if err != nil {
			return 0, err
		}
		defer b.put()
		start, count := b.grid.Box(block)
		readErr := d.ReadBox(ctx, start, count, dst)
		// A file that changed explains a failed read better than the failure does.
		if err := d.File.Check(); err != nil {
			return 0, err
		}
		return cache.Missed, readErr
	}
}

// gridOf is the grid that another host has laid over an array.
func gridOf(d *proto.Description) (*grid.Grid, error) {
	return grid.New(d.Shape, d.Block, array.DType(d.DType).Size())
}

// bytesRead is what came from storage so far, for blocks and coordinates: not what opening files took.
func (s *shelf) bytesRead() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.read
	for _, b := range s.byKey {
		if b.data != nil {
			n += b.data.File.BytesRead() - b.head
		}
	}
	return n
}

// close closes what is still open; nobody uses it any more.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.byKey {
		if b.data != nil {
			b.data.Close()
			b.data = nil
		}
	}
}

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
	stores store.Store
	plan   func(*array.Array) []int

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
	desc  []byte // encoded Description
	dims  []string
	grid  *grid.Grid

	reading sync.Mutex // held while a coordinate is read, so that it is read once
	coords  map[string]coordinate

	// guarded by shelf.mu
	users int             // sessions that have it open, and loads under way
	data  *format.Dataset // nil when nobody uses it
	head  int64           // bytes that opening data read: header, description
}

type coordinate struct {
	values []float64
	unit   string
}

// A visit is an Open under way; others with the same reference wait for it.
type visit struct {
	done      chan struct{}
	book      *book
	err       error
	cancelled bool // err is the opener's own end, not the array's
}

func newShelf(stores store.Store, plan func(*array.Array) []int) *shelf {
	return &shelf{stores: stores, plan: plan, byKey: map[string]*book{}, byRef: map[string]*book{}, opening: map[string]*visit{}}
}

// plan chooses the blocks of an array so that at least four fit the budget.
func (h *house) plan(a *array.Array) []int {
	_, rows := a.Reader.(*array.Strided)
	l := grid.Layout{Shape: a.Shape, Elem: a.DType.Size(), Chunk: a.Chunk, Divisible: rows}
	return grid.Plan(l, h.blockSize, int(min(h.memory/4, 1<<30)))
}

// open gives the array that ref leads to now; the caller must put it back.
func (s *shelf) open(ctx context.Context, ref string) (*book, error) {
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
			v.book, v.err = s.visit(ctx, ref, known)
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

// visit opens ref, or finds it open and unchanged.
func (s *shelf) visit(ctx context.Context, ref string, known *book) (*book, error) {
	if b := s.take(known); b != nil {
		if b.data.File.Check() == nil {
			return b, nil
		}
		b.put()
	}
	d, err := format.Open(ctx, s.stores, ref)
	if err != nil {
		return nil, err
	}
	fresh, err := s.describe(ref, d)
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
func (s *shelf) describe(ref string, d *format.Dataset) (*book, error) {
	block := s.plan(d.Array)
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
	for name, value := range d.Attrs {
		desc.Attrs = append(desc.Attrs, proto.MakeAttr(name, value))
	}
	b := &book{shelf: s, key: d.Key(), ref: ref, grid: g, data: d, head: d.File.BytesRead(), dims: d.Dims, coords: map[string]coordinate{}}
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

// use makes sure that the file is open for a load: one that was prefetched may begin when nobody has the array open any more.
func (b *book) use(ctx context.Context) (*format.Dataset, error) {
	if b.shelf.take(b) != nil {
		return b.data, nil
	}
	again, err := b.shelf.open(ctx, b.ref)
	if err != nil {
		return nil, err
	}
	if again != b {
		again.put()
		return nil, fmt.Errorf("%s: %w", b.ref, store.ErrChanged)
	}
	return b.data, nil
}

// coord gives the coordinate of a dimension. The values are shared.
func (b *book) coord(ctx context.Context, dim string) (coordinate, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if c, known := b.coords[dim]; known {
		return c, nil
	}
	d, err := b.use(ctx)
	if err != nil {
		return coordinate{}, err
	}
	defer b.put()
	var c coordinate
	if c.values, c.unit, err = d.Coord(ctx, dim); err == nil {
		err = d.File.Check()
	}
	if err != nil {
		return coordinate{}, err
	}
	b.coords[dim] = c
	return c, nil
}

// load reads one block.
func (b *book) load(block int64) cache.Load {
	return func(ctx context.Context, dst []byte) error {
		d, err := b.use(ctx)
		if err != nil {
			return err
		}
		defer b.put()
		start, count := b.grid.Box(block)
		readErr := d.ReadBox(ctx, start, count, dst)
		// A file that changed explains a failed read better than the failure does.
		if err := d.File.Check(); err != nil {
			return err
		}
		return readErr
	}
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

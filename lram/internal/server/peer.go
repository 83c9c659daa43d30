package server

import (
	"context"
	"fmt"
	"sync"

	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
)

// A peer is the server of another host, as a house asks it for what it keeps.
type peer struct {
	house *house
	host  int

	mu     sync.Mutex
	closed bool
	line   *line // the last connection: on its way, up, or gone; nil: none yet
}

// A line is one connection to a peer.
type line struct {
	up     chan struct{} // closed when client or err is set
	client *client.Client
	err    error

	mu     sync.Mutex
	guests map[*book]*guest
}

// A guest is an array of this house that is open at a peer.
type guest struct {
	ready  chan struct{} // closed when number or err is set
	number uint32
	err    error

	// guarded by line.mu
	users int  // calls under way
	left  bool // no reader here has the book open any more: the last user closes the guest
}

// connect gives the connection to the peer, a new one if there is none or the last has gone.
func (p *peer) connect(ctx context.Context) (*line, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, cache.ErrClosed
	}
	l := p.line
	if last := l; last == nil || last.gone() {
		l = &line{up: make(chan struct{}), guests: map[*book]*guest{}}
		p.line = l
		p.house.calls.Go(func() {
			last.close()
			l.client, l.err = p.dial()
			close(l.up)
		})
	}
	p.mu.Unlock()
	select {
	case <-l.up:
		return l, l.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *peer) dial() (*client.Client, error) {
	h := p.house
	conn, err := h.site.Dial(h.ctx, p.host)
	if err != nil {
		return nil, err
	}
	hello := h.hello
	hello.Rank = uint32(h.site.Host)
	return client.DialPeer(h.ctx, link.Stream(conn), hello)
}

// gone says that the connection has failed, or has ended.
func (l *line) gone() bool {
	select {
	case <-l.up:
		return l.err != nil || l.client.Err() != nil
	default:
		return false
	}
}

// close ends the connection, if there is one, and all calls on it.
func (l *line) close() {
	if l == nil {
		return
	}
	if <-l.up; l.client != nil {
		l.client.Close()
	}
}

// close ends all calls; there will be no more.
func (p *peer) close() {
	p.mu.Lock()
	p.closed = true
	l := p.line
	p.mu.Unlock()
	l.close()
}

// open opens b at the peer, if it is not open there yet. The caller must leave the guest.
func (p *peer) open(ctx context.Context, l *line, b *book) (*guest, error) {
	l.mu.Lock()
	g := l.guests[b]
	if g == nil {
		g = &guest{ready: make(chan struct{})}
		l.guests[b] = g
		p.house.calls.Go(func() {
			p.enter(l, b, g)
			close(g.ready)
		})
	}
	g.users++
	l.mu.Unlock()
	var err error
	select {
	case <-g.ready:
		err = g.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		l.leave(g)
		return nil, err
	}
	return g, nil
}

// enter opens b at the peer and compares what the two hosts have.
func (p *peer) enter(l *line, b *book, g *guest) {
	number, theirs, err := l.client.Open(p.house.ctx, b.ref, b.room)
	if err == nil {
		if err = p.house.agree(b, theirs, p.host); err != nil {
			l.client.CloseArray(number)
		}
	}
	g.number, g.err = number, err
	if err != nil {
		l.mu.Lock()
		delete(l.guests, b) // the next one tries again
		l.mu.Unlock()
	}
}

// leave ends a call's use of a guest.
func (l *line) leave(g *guest) {
	l.mu.Lock()
	g.users--
	last := g.users == 0 && g.left
	l.mu.Unlock()
	if last {
		l.dismiss(g)
	}
}

// forget closes b at the peer: no reader here has it open any more.
func (p *peer) forget(b *book) {
	p.mu.Lock()
	l := p.line
	p.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	g := l.guests[b]
	delete(l.guests, b)
	last := false
	if g != nil {
		g.left = true
		last = g.users == 0
	}
	l.mu.Unlock()
	if last {
		l.dismiss(g)
	}
}

// dismiss closes a guest that is open. If that fails the connection has ended, and the guest with it.
func (l *line) dismiss(g *guest) {
	select {
	case <-g.ready:
		if g.err == nil {
			l.client.CloseArray(g.number)
		}
	default: // the caller has given up waiting; it stays open as long as the connection
	}
}

// visit compares what the two hosts have. It leaves nothing open: hosts that keep each other's guests for ever would never close
// a file.
func (p *peer) visit(ctx context.Context, b *book) error {
	l, err := p.connect(ctx)
	if err != nil {
		return p.lost(ctx, err)
	}
	number, theirs, err := l.client.Open(ctx, b.ref, b.room)
	if err == nil {
		err = p.house.agree(b, theirs, p.host)
		l.client.CloseArray(number)
	}
	if l.client.Err() != nil {
		return p.lost(ctx, err)
	}
	return err
}

// call does something with b at the peer.
func (p *peer) call(ctx context.Context, b *book, do func(c *client.Client, number uint32) error) error {
	b.join()
	defer b.part()
	l, err := p.connect(ctx)
	if err != nil {
		return p.lost(ctx, err)
	}
	g, err := p.open(ctx, l, b)
	if err == nil {
		err = do(l.client, g.number)
		l.leave(g)
	}
	if l.client.Err() != nil {
		return p.lost(ctx, err)
	}
	return err
}

// load brings a block from the peer, straight to where it stays.
func (p *peer) load(b *book, block int64) cache.Load {
	return func(ctx context.Context, dst []byte) (how cache.How, err error) {
		if _, err := b.use(ctx); err != nil {
			return 0, err
		}
		defer b.put()
		err = p.call(ctx, b, func(c *client.Client, number uint32) error {
			met, err := c.Fetch(number, block, dst)
			how = cache.How(met)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("block %d is kept by host %s: %w", block, p.house.site.Name(p.host), err)
		}
		p.house.moved.Add(int64(len(dst)))
		if how == cache.Hit {
			how = cache.Remote
		}
		return how | cache.Moved, nil
	}
}

// coord brings a coordinate from the peer.
func (p *peer) coord(ctx context.Context, b *book, dim int) (values []float64, unit string, err error) {
	err = p.call(ctx, b, func(c *client.Client, number uint32) (err error) {
		values, unit, err = c.Coord(ctx, number, uint32(dim))
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("coordinate %s is kept by host %s: %w", b.dims[dim], p.house.site.Name(p.host), err)
	}
	p.house.moved.Add(8 * int64(len(values)))
	return values, unit, nil
}

// A lostPeer is a host that cannot be asked, or not any more. What it had is not read again elsewhere: whoever needs it fails.
type lostPeer struct{ error }

func (e lostPeer) Unwrap() error      { return e.error }
func (lostPeer) Is(target error) bool { return target == client.ErrLost }

func (p *peer) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil || err == nil {
		return err
	}
	return lostPeer{err}
}

// agree says how an array differs between this host and another.
func (h *house) agree(b *book, theirs *proto.Description, host int) error {
	here, there := h.site.Name(h.site.Host), h.site.Name(host)
	for i, f := range b.files {
		if i >= len(theirs.Files) || theirs.Files[i] != f {
			other := "no such file"
			if i < len(theirs.Files) {
				other = theirs.Files[i].String()
			}
			return fmt.Errorf("%s is not the same on all hosts: host %s has %s; host %s has %s; give it a place that all hosts share, or the same copy with the same time (cp -p)",
				b.ref, here, f, there, other)
		}
	}
	if g, err := gridOf(theirs); err != nil || len(theirs.Files) != len(b.files) || !g.Equal(b.grid) {
		return fmt.Errorf("%w: host %s and host %s cut %s differently", proto.ErrMalformed, here, there, b.ref)
	}
	return nil
}

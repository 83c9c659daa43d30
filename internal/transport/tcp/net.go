package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/transport/seal"
)

// KeySize is the length of a job's key in bytes.
const KeySize = 32

// ErrClosed is what posting fails with after Close.
var ErrClosed = errors.New("this process has closed its network")

// Config says who we are and how to reach the others.
type Config struct {
	Proc  int    // this process
	Procs int    // processes of the job
	Job   string // the job's id
	Key   []byte // KeySize random bytes that only the job's processes know

	// Dial returns a raw connection that leads to process proc. Finding its
	// address, choosing among several and asking the listening port for the
	// process are its business. It returns when ctx ends.
	Dial func(ctx context.Context, proc int) (net.Conn, error)

	// Seal, when set, encrypts every connection; all processes of the job have
	// one or none has.
	Seal *seal.Seal

	// Host names the host of a process, for errors; it may be nil.
	Host func(proc int) string

	// Refused, when set, is told about each incoming connection that did not
	// authenticate. It must not block.
	Refused func(from net.Addr, err error)

	// Zero means the default.
	Connect   time.Duration // to bring up a link: Dial, handshake, verdict; 30 s
	Handshake time.Duration // for the other end of a new connection to authenticate; 5 s
	Silence   time.Duration // of the other end's host that ends a link; 10 s
	Close     time.Duration // for Close to send what is queued and see the peers' end; 5 s
	Far       time.Duration // round trips of a link on which long data are spread over lanes; 2 ms
	Streams   int           // lanes of such a link, each way; 4, 1 for none
	Pending   int           // incoming connections that have not authenticated; Procs+64, at most 1024
}

// Net is this process's network. Its methods are safe for concurrent use.
type Net struct {
	cfg  Config
	id   identity
	sink transport.Sink

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	closing  sync.Once
	closeErr error

	watched atomic.Bool // the goroutine that watches links runs

	polled *Polled // nil: goroutines read every connection

	mu      sync.Mutex
	links   map[int]*link
	lanes   []*link    // of all links, over ones too
	pending []net.Conn // not yet authenticated, the oldest first
	closed  bool
}

var _ transport.Network = (*Net)(nil)

// Open returns a network that delivers to sink. It neither listens nor
// connects by itself.
func Open(cfg Config, sink transport.Sink) (*Net, error) {
	switch {
	case cfg.Proc < 0 || cfg.Proc >= cfg.Procs:
		return nil, fmt.Errorf("tcp: process %d of %d", cfg.Proc, cfg.Procs)
	case len(cfg.Key) != KeySize:
		return nil, fmt.Errorf("tcp: a key of %d bytes, want %d", len(cfg.Key), KeySize)
	case cfg.Dial == nil || sink == nil:
		return nil, errors.New("tcp: Config.Dial and sink must be set")
	}
	orDefault(&cfg.Connect, 30*time.Second)
	orDefault(&cfg.Handshake, 5*time.Second)
	orDefault(&cfg.Silence, 10*time.Second)
	orDefault(&cfg.Close, 5*time.Second)
	orDefault(&cfg.Far, farRoundTrip)
	if cfg.Streams <= 0 {
		cfg.Streams = 4
	}
	cfg.Streams = min(cfg.Streams, mostLanes)
	if cfg.Pending <= 0 {
		cfg.Pending = min(cfg.Procs+64, 1024)
	}
	cfg.Key = slices.Clone(cfg.Key)
	n := &Net{
		cfg:   cfg,
		id:    identity{job: cfg.Job, key: cfg.Key, proc: cfg.Proc},
		sink:  sink,
		links: make(map[int]*link),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

func orDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Link implements transport.Network. Posting to a process that is not of the
// job, or to this one, fails.
func (n *Net) Link(p int) transport.Link { return n.link(p) }

// EagerMax implements transport.Placer.
func (n *Net) EagerMax() int { return longEager }

func (n *Net) link(p int) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[p]
	if l != nil {
		return l
	}
	l = newLink(n, p)
	switch {
	case n.closed:
		l.state, l.err = down, ErrClosed
	case p < 0 || p >= n.cfg.Procs || p == n.cfg.Proc:
		l.state, l.err = down, fmt.Errorf("process %d of %d cannot be reached over TCP from process %d", p, n.cfg.Procs, n.cfg.Proc)
	default:
		n.links[p] = l
	}
	return l
}

// Kill implements transport.Network.
func (n *Net) Kill(p int, err error) { n.link(p).kill(err) }

// Accepted takes over a raw connection that somebody has opened to this
// process, after its preamble. It never blocks: the other end has
// Config.Handshake to authenticate, or is cut off.
func (n *Net) Accepted(c net.Conn) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		c.Close()
		return
	}
	if len(n.pending) >= n.cfg.Pending {
		n.pending[0].Close() // its goroutine removes it
		n.pending = slices.Delete(n.pending, 0, 1)
	}
	n.pending = append(n.pending, c)
	n.wg.Go(func() { n.authenticate(c) })
	n.mu.Unlock()
}

// authenticate finds out who has opened c and gives it to that process's link.
func (n *Net) authenticate(c net.Conn) {
	tune(c, n.cfg.Silence)
	c.SetDeadline(time.Now().Add(n.cfg.Handshake))
	carrier, peer, lane, err := n.accept(c)
	if errors.Is(err, ErrVersion) {
		// Closing with unread bytes would reset the connection and destroy
		// our answer on its way.
		closeWrite(c)
		io.CopyN(io.Discard, c, helloSize)
	}

	n.mu.Lock()
	if i := slices.Index(n.pending, c); i >= 0 {
		n.pending = slices.Delete(n.pending, i, i+1)
	}
	n.mu.Unlock()

	switch {
	case err == nil && lane:
		n.link(peer).offerLane(carrier)
		return
	case err == nil:
		n.link(peer).offer(carrier)
		return
	}
	c.Close()
	if n.cfg.Refused != nil {
		n.cfg.Refused(c.RemoteAddr(), err)
	}
}

// accept brings c through the handshake, encrypted first if the job is. carrier
// is the connection to use from then on.
func (n *Net) accept(c net.Conn) (carrier net.Conn, peer int, lane bool, err error) {
	if n.cfg.Seal == nil {
		peer, lane, err = n.id.accept(c, n.cfg.Procs)
		return c, peer, lane, err
	}
	v := &veil{Conn: c}
	sealed, certified, err := n.cfg.Seal.Server(n.ctx, v)
	if err != nil {
		return nil, 0, false, err
	}
	v.tls = sealed
	if peer, lane, err = n.id.accept(sealed, n.cfg.Procs); err == nil && peer != certified {
		err = fmt.Errorf("%w: process %d with the certificate of process %d", ErrAuth, peer, certified)
	}
	return sealed, peer, lane, err
}

// Close implements transport.Network. It takes at most about Config.Close. It
// calls Down for no peer; frames that could not be sent come back by Sent.
func (n *Net) Close() error {
	n.closing.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Net) close() error {
	n.mu.Lock()
	n.closed = true // from here on no link and no connection is added
	for _, c := range n.pending {
		c.Close()
	}
	n.mu.Unlock()

	if n.polled != nil && n.polled.begun.Load() {
		defer n.polled.drive()()
	}
	open := false
	for _, l := range n.links {
		open = l.leave() || open
	}
	for _, l := range n.lanes {
		open = l.leave() || open
	}
	switch {
	case n.polled == nil || n.polled.closing.Load():
	case open: // the first connections are just coming up
		defer n.polled.drive()()
	default:
		n.polled.shut()
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Close)
	defer cancel()
	var late []int
	for p, l := range n.links {
		select {
		case <-l.done:
		case <-ctx.Done():
			if l.abort() {
				late = append(late, p)
			}
		}
	}
	for _, l := range n.links {
		<-l.done
	}
	for _, l := range n.lanes {
		<-l.done
	}
	n.cancel()
	n.wg.Wait()
	if len(late) > 0 {
		slices.Sort(late)
		return fmt.Errorf("tcp: processes %v did not end their side within %v", late, n.cfg.Close)
	}
	return nil
}

package hostd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"gridrun/internal/transport/reach"
	"gridrun/internal/transport/seal"
	"gridrun/internal/wire"
)

// Peers leads to the host services of the job's other hosts. Its methods are
// safe for concurrent use.
type Peers struct {
	job    *wire.Welcome
	send   func(wire.Message) error // to the agent
	dialer *reach.Dialer
	seal   func() (*seal.Seal, error) // made when first needed

	mu    sync.Mutex
	asked map[int][]chan *wire.Address // by process; a channel has room for the answer
	lives map[int]*life                // by host
}

func newPeers(job *wire.Welcome, send func(wire.Message) error) *Peers {
	p := &Peers{job: job, send: send, asked: make(map[int][]chan *wire.Address), lives: make(map[int]*life)}
	p.dialer = reach.NewDialer(job.Job, job.Key, job.Proc, p.Name(p.Host()))
	p.seal = sync.OnceValues(func() (*seal.Seal, error) { return seal.New(job.Job, job.Key, job.Proc) })
	return p
}

// Host is this host's number in the job.
func (p *Peers) Host() int { return -1 - p.job.Proc }

// Name is how the launcher calls a host.
func (p *Peers) Name(host int) string {
	if hosts := p.job.Topology.Hosts; host >= 0 && host < len(hosts) {
		return hosts[host]
	}
	return "number " + strconv.Itoa(host)
}

// Dial opens a stream to the same service on another host, which is started
// there if it does not run yet. Both ends know then that the other one is of
// this job; with --encrypt the stream is sealed.
//
// A host that is lost ends its streams and those that are being opened, with an
// error that says so.
func (p *Peers) Dial(ctx context.Context, host int, service string, version uint16) (_ net.Conn, err error) {
	life := p.life(host)
	defer func() { err = life.explain(err) }()
	ctx, cancel := p.while(ctx, host)
	defer cancel()
	proc := reach.Service(host)
	at, err := p.lookup(ctx, proc)
	if err != nil {
		return nil, fmt.Errorf("address of host %s: %w", p.Name(host), err)
	}
	raw, err := p.dialer.Dial(ctx, reach.Target{Proc: proc, Host: host, Name: p.Name(host)}, at.Addrs)
	if err != nil {
		return nil, err
	}
	keepWatch(raw)
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := p.open(ctx, raw, proc, service, version)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("host %s: %w", p.Name(host), err)
	}
	return life.hold(c), nil
}

func (p *Peers) open(ctx context.Context, c net.Conn, proc int, service string, version uint16) (net.Conn, error) {
	if p.job.Encrypt {
		s, err := p.seal()
		if err != nil {
			return nil, err
		}
		if c, err = s.Client(ctx, c, proc); err != nil {
			return nil, err
		}
	}
	return c, Open(c, service, version)
}

// accept makes a stream of a connection that process from has opened.
func (p *Peers) accept(ctx context.Context, c net.Conn, from int) (net.Conn, error) {
	if from >= 0 {
		return nil, fmt.Errorf("process %d of another host connects; only host services do", from)
	}
	keepWatch(c)
	if !p.job.Encrypt {
		return c, nil
	}
	s, err := p.seal()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	sealed, shown, err := s.Server(ctx, c)
	if err == nil && shown != from {
		err = fmt.Errorf("the certificate is of process %d", shown)
	}
	return sealed, err
}

// lookup asks the agent where a process listens.
func (p *Peers) lookup(ctx context.Context, proc int) (*wire.Address, error) {
	answer := make(chan *wire.Address, 1)
	p.mu.Lock()
	first := len(p.asked[proc]) == 0
	p.asked[proc] = append(p.asked[proc], answer)
	p.mu.Unlock()
	if first {
		if err := p.send(&wire.Lookup{Proc: proc}); err != nil {
			p.answer(&wire.Address{Proc: proc, Error: fmt.Sprintf("asking the agent: %v", err)})
		}
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return nil, errors.New(a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// answer takes the agent's word.
func (p *Peers) answer(a *wire.Address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.asked[a.Proc] {
		c <- a
	}
	delete(p.asked, a.Proc)
}

// keepWatch makes the kernel notice that a peer's host does not answer any more
// while a stream is idle. Bytes that nobody acknowledges it repeats for longer
// than the launcher needs to miss the host; then the agent tells (lose).
func keepWatch(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 2 * time.Second, Count: 5})
	}
}

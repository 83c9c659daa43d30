package rt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"gridrun/internal/engine"
	"gridrun/internal/packet"
	"gridrun/internal/trace"
	"gridrun/internal/transport/reach"
	"gridrun/internal/transport/seal"
	"gridrun/internal/transport/shm"
	"gridrun/internal/transport/tcp"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// agentLink is the process's side of its control socket.
type agentLink struct {
	conn    *packet.Conn
	welcome *wire.Welcome
	segment *shm.Segment
	proc    *engine.Proc
	tcp     *tcp.Net
	dialer  *reach.Dialer
	team    *team
	memory  map[string]*os.File // what the agent has left for observation

	mu        sync.Mutex
	lookups   map[int][]chan *wire.Address
	services  []chan service
	lastDrawn time.Time
	ended     bool
}

type service struct {
	conn *net.UnixConn
	err  error
}

// errReported is a failure that the agent has heard of and will pass on.
var errReported = errors.New("reported to the agent")

// meet reads the Welcome, which the agent sent before it started this process,
// and says that news is wanted.
func meet(c *packet.Conn) (*agentLink, error) {
	m, f, err := c.Receive()
	if err != nil {
		return nil, fmt.Errorf("the host's agent said nothing: %w", err)
	}
	w, ok := m.(*wire.Welcome)
	if !ok {
		return nil, fmt.Errorf("the host's agent began with %T", m)
	}
	if w.Version != wire.Version {
		return nil, strange(c, w, fmt.Sprintf("protocol %d, the running gridrun has %d", wire.Version, w.Version))
	}
	a := &agentLink{conn: c, welcome: w, lookups: make(map[int][]chan *wire.Address)}
	if w.Segment {
		if f == nil {
			return nil, errors.New("the host's agent sent no shared segment")
		}
		if a.segment, err = shm.Attach(f); err == nil {
			f = nil // the segment's now
		}
	}
	if f != nil {
		f.Close()
	}
	if errors.Is(err, shm.ErrBuild) {
		return nil, strange(c, w, err.Error())
	}
	if err == nil {
		err = a.observed()
	}
	if err == nil {
		err = c.Send(new(wire.Attach), nil)
	}
	return a, err
}

// strange is a program that does not fit the gridrun that runs it. gridrun says so
// once for all ranks: a report of failure is the same in all versions.
func strange(c *packet.Conn, w *wire.Welcome, how string) error {
	err := fmt.Errorf("this program was built against another version of gridrun (%s); build it again with this one's packages (gridrun new --update DIR renews a copy of them)", how)
	if len(w.Ranks) == 0 {
		return err
	}
	c.Send(&wire.Failed{Failure: wire.Failure{Rank: w.Ranks[0], Code: refusal, Text: err.Error(), Peer: -1}}, nil)
	return errReported
}

// build makes the process's engine and the networks that lead from it.
func (a *agentLink) build() (*engine.Proc, error) {
	w := a.welcome
	cfg := engine.Config{Job: w.Job, Proc: w.Proc, Ranks: w.Ranks, Topology: &w.Topology, Continue: w.Continue, Dial: a.service}
	if a.segment != nil {
		cfg.Table = func(r int) waittable.Table { return a.segment.Waits(r) }
	}
	if w.Watch.Record() {
		record, err := a.recorders()
		if err != nil {
			return nil, err
		}
		cfg.Record = func(r int) *trace.Recorder { return record[r] }
	}
	if a.segment != nil {
		cfg.CPUs, cfg.Quota = a.segment.CPUs(), a.segment.Quota()
	}
	if a.segment != nil && w.Transport != "tcp" {
		cfg.Boards = a.segment
	}
	p := engine.NewProc(cfg)
	a.proc = p
	var local, remote []int
	for q, host := range w.Topology.ProcHost {
		switch {
		case q == w.Proc:
		case host == w.Topology.ProcHost[w.Proc] && a.segment != nil && w.Transport != "tcp":
			local = append(local, q)
		default:
			remote = append(remote, q)
		}
	}
	if len(local) > 0 {
		n, err := shm.Open(a.segment, w.Proc, p)
		if err != nil {
			return nil, err
		}
		p.Use(n, local)
	}
	if len(remote) > 0 {
		n, err := a.openTCP()
		if err != nil {
			return nil, err
		}
		p.Use(n.Polled(), remote)
	}
	return p, nil
}

// Bounds of a connection that is coming up. Looking up a process of a host that
// is still being prepared takes as long as that takes, and the launcher bounds
// it. Hosts where a hundred processes start at once answer late.
const (
	connectTime   = time.Hour
	handshakeTime = 30 * time.Second
)

func (a *agentLink) openTCP() (*tcp.Net, error) {
	w := a.welcome
	host := func(proc int) string { return w.Topology.Hosts[w.Topology.ProcHost[proc]] }
	cfg := tcp.Config{
		Proc: w.Proc, Procs: len(w.Topology.ProcHost), Job: w.Job, Key: w.Key,
		Dial: a.dial, Host: host, Connect: connectTime, Handshake: handshakeTime, Streams: w.Streams,
	}
	var err error
	if w.Encrypt {
		if cfg.Seal, err = seal.New(w.Job, w.Key, w.Proc); err != nil {
			return nil, err
		}
	}
	a.dialer = reach.NewDialer(w.Job, w.Key, w.Proc, host(w.Proc))
	a.tcp, err = tcp.Open(cfg, a.proc)
	return a.tcp, err
}

// start begins to fetch frames and to listen to the agent. The listener ends
// with the process, or with close.
func (a *agentLink) start(t *team) {
	a.team = t
	if err := a.proc.Start(); err != nil {
		t.cancel(err)
	}
	go a.listen()
}

func (a *agentLink) listen() {
	for {
		m, f, err := a.conn.Receive()
		if errors.Is(err, wire.ErrControl) {
			continue
		}
		if err != nil {
			a.lost(err)
			return
		}
		a.handle(m, f)
	}
}

// lost ends the job on this rank: without its agent nobody supervises it.
func (a *agentLink) lost(err error) {
	a.mu.Lock()
	closed := a.ended
	a.ended = true
	for _, s := range a.services {
		s <- service{err: errors.New("the host's agent is gone")}
	}
	a.services = nil
	a.mu.Unlock()
	if !closed {
		if errors.Is(err, io.EOF) {
			err = errors.New("it has closed the control socket")
		}
		a.team.stop(fmt.Errorf("%w: the host's agent is gone: %v", ErrAborted, err))
	}
}

func (a *agentLink) handle(m wire.Message, f *os.File) {
	if f != nil {
		defer f.Close()
	}
	switch m := m.(type) {
	case *wire.Cause:
		a.team.stop(causeError(m.Failure))
	case *wire.Gone:
		err := error(nil)
		if !m.Finished {
			err = errors.New(m.Why)
		}
		if !m.Part {
			a.proc.Gone(m.Ranks, m.Finished, err)
			break
		}
		for _, r := range m.Ranks {
			a.proc.Ended(r, err)
		}
	case *wire.Inspect:
		go a.tell(m.Seq) // ends with its last packet; the agent asks one at a time
	case *wire.Address:
		a.mu.Lock()
		for _, c := range a.lookups[m.Proc] {
			c <- m
		}
		delete(a.lookups, m.Proc)
		a.mu.Unlock()
	case *wire.Conn:
		if f != nil && a.tcp != nil {
			if c, err := net.FileConn(f); err == nil {
				a.tcp.Accepted(c)
			}
		}
	case *wire.Service:
		s := service{err: errors.New(m.Error)}
		if f != nil {
			c, err := net.FileConn(f)
			s.err = err
			s.conn, _ = c.(*net.UnixConn)
		}
		a.mu.Lock()
		if len(a.services) > 0 {
			a.services[0] <- s
			a.services = a.services[1:]
		}
		a.mu.Unlock()
	}
}

// causeError is what everybody's ctx is cancelled with.
func causeError(f wire.Failure) error {
	kind := ErrAborted
	if f.Rank >= 0 && !f.Aborted {
		kind = ErrPeerLost
	}
	return &jobError{f.Text, kind}
}

// A jobError is why the job ends, as the launcher says it.
type jobError struct {
	text string
	kind error
}

func (e *jobError) Error() string { return "the job ends: " + e.text }
func (e *jobError) Unwrap() error { return e.kind }

// stop cancels the ranks' ctx: what fails afterwards follows from this.
func (t *team) stop(cause error) {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.cancel(cause)
}

// report tells the agent of a rank's failure. It returns when the packet is on
// its way: the process may exit next.
func (a *agentLink) report(f *failure) {
	topo := a.welcome.Topology
	out := wire.Failure{
		Rank: f.rank, Host: topo.Hosts[topo.ProcHost[a.welcome.Proc]], Code: f.code,
		Text: f.err.Error(), Collateral: f.collateral, Peer: -1, Aborted: f.aborted,
	}
	const most = 32 << 10
	if len(out.Text) > most {
		out.Text = out.Text[:most] + " ..."
	}
	var e *Error
	if errors.As(f.err, &e) {
		out.Peer = e.Peer
	}
	a.conn.Send(&wire.Failed{Failure: out}, nil)
}

// refuse reports what kept the process from running its ranks.
func (a *agentLink) refuse(err error) {
	rank := a.welcome.Ranks[0]
	a.report(&failure{rank: rank, err: err, code: refusal})
}

// close stops listening; the process is about to exit.
func (a *agentLink) close() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.conn.Close()
}

// dial reaches another process through the listening port of its host.
func (a *agentLink) dial(ctx context.Context, proc int) (net.Conn, error) {
	answer := make(chan *wire.Address, 1)
	a.mu.Lock()
	a.lookups[proc] = append(a.lookups[proc], answer)
	a.mu.Unlock()
	if err := a.conn.Send(&wire.Lookup{Proc: proc}, nil); err != nil {
		return nil, fmt.Errorf("asking the agent where process %d is: %w", proc, err)
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case at := <-answer:
		if at.Error != "" {
			return nil, errors.New(at.Error)
		}
		return a.dialer.Dial(ctx, reach.Target{Proc: proc, Host: a.welcome.Topology.ProcHost[proc], Name: at.Host}, at.Addrs)
	}
}

// service connects to the host service, which the agent starts when needed.
func (a *agentLink) service(ctx context.Context) (*net.UnixConn, error) {
	answer := make(chan service, 1)
	a.mu.Lock()
	if a.ended {
		a.mu.Unlock()
		return nil, errors.New("the host's agent is gone")
	}
	// Asked under the lock: answers come in the order of the questions.
	err := a.conn.Send(&wire.Service{Rank: a.welcome.Ranks[0]}, nil)
	if err == nil {
		a.services = append(a.services, answer)
	}
	a.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("asking the agent for the host service: %w", err)
	}
	select {
	case s := <-answer:
		return s.conn, s.err
	case <-ctx.Done():
		go func() { // the answer still comes, or the agent's end
			if s := <-answer; s.conn != nil {
				s.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// progress draws at most 20 times a second.
func (a *agentLink) progress(rank int) func(done, total int64, label string) {
	if a.welcome.Terminal == 0 {
		return nil
	}
	return func(done, total int64, label string) {
		a.mu.Lock()
		draw := done >= total || time.Since(a.lastDrawn) > 50*time.Millisecond
		if draw {
			a.lastDrawn = time.Now()
		}
		a.mu.Unlock()
		if draw {
			a.conn.Send(&wire.Progress{Rank: rank, Done: done, Total: total, Label: label}, nil)
		}
	}
}

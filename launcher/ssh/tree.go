package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/relay"
)

// A tree is the hosts of a job whose hosts connect to each other.
type tree struct {
	starter  *Starter
	patience time.Duration

	mu      sync.Mutex
	parents map[string]place.Host // of those that the launcher does not connect to itself
	nodes   map[string]*node      // hosts that are connected to
	told    map[string]bool       // hosts of whose relays' end the user has heard
}

// A node is a host of the tree that is connected to, or being connected to: its
// connection lasts as long as its own agent or any of those behind it.
type node struct {
	tree   *tree
	host   place.Host
	up     *node // is to reach it, and is kept for that; nil: the launcher
	life   context.Context
	cancel context.CancelFunc
	users  int // guarded by tree.mu

	ready chan struct{} // closed when held or err is set
	held  *Held
	via   *relayed // that reaches it in fact; nil: the launcher
	err   error

	relaying chan struct{} // nil: nobody has wanted the relay yet; closed when relay or failed is set
	relay    *relayed
	failed   error
}

// Plan says which hosts are about to be started, so that all but the first fanout
// are started by others of them: [relay.Parent] has the shape. Relays end when
// they have heard nothing for patience. With a fanout of 0, or no more hosts
// than that, each is connected to directly. No host may be starting or running.
func (s *Starter) Plan(hosts []place.Host, fanout int, patience time.Duration) {
	var t *tree
	if fanout > 0 && len(hosts) > fanout {
		t = &tree{starter: s, patience: max(patience, relay.Patience), parents: map[string]place.Host{}, nodes: map[string]*node{}, told: map[string]bool{}}
		for i, h := range hosts {
			if p := relay.Parent(i, fanout); p != relay.Root {
				t.parents[h.String()] = hosts[p]
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = t
}

// Relays says whether hosts can be started through others: not by OpenSSH.
func (s *Starter) Relays() bool { return s.options.Command == "" }

// hold connects to a host, directly or through others. leave gives the
// connection up and waits until nothing of it is left here; shared says whether
// others use it too.
func (s *Starter) hold(ctx context.Context, host place.Host) (h *Held, shared func() bool, leave func(), err error) {
	s.mu.Lock()
	t := s.tree
	s.mu.Unlock()
	if t == nil {
		if h, err = s.Hold(ctx, host); err != nil {
			return nil, nil, nil, err
		}
		return h, nil, h.Close, nil
	}
	n := t.use(host)
	if err := n.await(ctx); err != nil {
		n.leave()
		return nil, nil, nil, err
	}
	return n.held, n.shared, n.leave, nil
}

// use is the host's node, and those on the way to it, until leave.
func (t *tree) use(host place.Host) *node {
	var up *node
	if parent, inner := t.parents[host.String()]; inner {
		up = t.use(parent)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[host.String()]
	if n == nil || n.over() {
		// The connection is everybody's, so nobody's context bounds it: its stages have limits.
		ctx, cancel := context.WithCancel(context.Background())
		n = &node{tree: t, host: host, up: up, life: ctx, cancel: cancel, ready: make(chan struct{})}
		t.nodes[host.String()] = n
		go n.connect()
	}
	n.users++
	return n
}

// leave ends a use; the last closes the connection.
func (n *node) leave() {
	t := n.tree
	t.mu.Lock()
	n.users--
	last := n.users == 0
	if last && t.nodes[n.host.String()] == n {
		delete(t.nodes, n.host.String())
	}
	relaying := n.relaying
	t.mu.Unlock()
	if last {
		n.cancel()
		<-n.ready
		if n.held != nil {
			n.held.conn.Close() // before the relay's session, which ends with it
			if relaying != nil {
				<-relaying
			}
			if n.relay != nil {
				n.relay.close()
			}
			n.held.Close()
		}
	}
	if n.up != nil {
		n.up.leave()
	}
}

// await waits for the connection.
func (n *node) await(ctx context.Context) error {
	select {
	case <-n.ready:
		return n.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// over says that the connection stood, and has ended.
func (n *node) over() bool { return closed(n.ready) && n.err == nil && n.held.conn.Over() }

// shared says that others use the connection.
func (n *node) shared() bool {
	n.tree.mu.Lock()
	defer n.tree.mu.Unlock()
	return n.users > 1
}

// connect takes the way that the tree has, and a shorter one where that fails.
func (n *node) connect() {
	defer close(n.ready)
	var failed *sshconn.Error // of the way before
	for up := n.up; ; up = up.up {
		var via *relayed
		if up != nil {
			var err error
			if via, err = up.relayTo(n.life); err != nil {
				if n.life.Err() == nil && n.tree.unrelayed(err) {
					continue
				}
				n.err = &sshconn.Error{Host: n.host.Name, Stage: sshconn.StageConnect, Err: fmt.Errorf("it is to be reached through %s, but %w", up.host.Name, err)}
				return
			}
		}
		n.held, n.err = n.tree.starter.reach(n.life, n.host, via)
		if n.err == nil {
			n.via = via
			if failed != nil {
				n.tree.starter.options.Notice(fmt.Sprintf("%s is reached without %s: %s", n.host.Name, n.up.host.Name, failed.Way()))
			}
			return
		}
		if up == nil || n.life.Err() != nil {
			return
		}
		if n.tree.unrelayed(n.err) {
			continue
		}
		var e *sshconn.Error
		if !errors.As(n.err, &e) || e.Stage != sshconn.StageResolve && e.Stage != sshconn.StageConnect {
			return
		}
		failed = e // it may be the relay's host that does not reach this one
	}
}

// unrelayed says whether err is the end of a relay, without which there is another
// way. The user hears of it once.
func (t *tree) unrelayed(err error) bool {
	var relay *agents.RelayError
	if !errors.As(err, &relay) {
		return false
	}
	t.mu.Lock()
	told := t.told[relay.Host.String()]
	t.told[relay.Host.String()] = true
	t.mu.Unlock()
	if !told {
		why := strings.Join(strings.Fields(relay.Error()), " ") // what it said may be lines
		t.starter.options.Notice(why + "; hosts behind it that have not started yet are reached without it")
	}
	return true
}

// relayTo is the host's relay, which is started when first needed. An error of
// the relay itself is an agents.RelayError.
func (n *node) relayTo(ctx context.Context) (*relayed, error) {
	if err := n.await(ctx); err != nil {
		return nil, err
	}
	n.tree.mu.Lock()
	if n.relaying == nil {
		n.relaying = make(chan struct{})
		go func() {
			defer close(n.relaying)
			n.relay, n.failed = n.startRelay(n.life)
		}()
	}
	n.tree.mu.Unlock()
	select {
	case <-n.relaying:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if n.failed != nil {
		return nil, n.failed
	}
	err := n.relay.failure()
	if err != nil && !errors.As(err, new(*agents.RelayError)) {
		err = &sshconn.Error{Host: n.host.Name, Stage: sshconn.StageConnect, Err: err} // its connection was lost: it is to blame
	}
	return n.relay, err
}

func (n *node) startRelay(ctx context.Context) (*relayed, error) {
	process, _, err := n.held.start(ctx, fmt.Sprintf("%s %d", relayVerb, n.tree.patience.Milliseconds()))
	switch {
	case errors.Is(err, agents.ErrCut): // through the fault of the host's connection, or of one on the way
		return nil, err
	case err != nil:
		return nil, &agents.RelayError{Host: n.host, Err: err}
	}
	conn := &relayConn{Agent: process}
	session, err := relay.Client(conn, n.tree.patience)
	if err != nil {
		return nil, &agents.RelayError{Host: n.host, Err: errors.Join(err, process.Wait())}
	}
	var way []place.Host
	if n.via != nil {
		way = slices.Clone(n.via.way)
	}
	return newRelayed(session, conn, append(way, n.host)), nil
}

// Sleep has the relays bear that the launcher is stopped, until Wake. Those that
// do not answer within the limit are left as they are.
func (s *Starter) Sleep(limit time.Duration) { s.rest(true, limit) }

// Wake says that the launcher goes on.
func (s *Starter) Wake() { s.rest(false, wakeLimit) }

// wakeLimit is how long a relay may take to answer a launcher that goes on.
const wakeLimit = 10 * time.Second

func (s *Starter) rest(on bool, limit time.Duration) {
	s.mu.Lock()
	t := s.tree
	s.mu.Unlock()
	if t == nil {
		return
	}
	var all sync.WaitGroup
	for _, r := range t.relays() {
		all.Go(func() { r.session.AskRest(on, limit) }) // one that has ended needs no rest
	}
	all.Wait()
}

// relays are those that run.
func (t *tree) relays() (running []*relayed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		if n.relaying == nil {
			continue
		}
		select {
		case <-n.relaying:
			if n.relay != nil {
				running = append(running, n.relay)
			}
		default:
		}
	}
	return running
}

// relayConn is what the relay's session runs over. The end of a relay is not
// that of the host's own agent; with a host that has died the session ends only
// when the connection is closed, and what runs through it when it is killed.
type relayConn struct {
	*Agent
	reading sync.Mutex // of the session, and of who waits for the end
}

func (c *relayConn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.Agent.Read(b)
}

func (c *relayConn) Close() error {
	c.Kill()
	return nil
}

// end says how the relay ended, whose session has ended.
func (c *relayConn) end() error {
	io.Copy(io.Discard, c)
	return c.Wait()
}

func (r *relayed) close() {
	r.session.Close()
	<-r.ended
}

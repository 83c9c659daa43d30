package ssh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
}

// A node is a host of the tree that is connected to, or being connected to: its
// connection lasts as long as its own agent or any of those behind it.
type node struct {
	tree   *tree
	host   place.Host
	up     *node // it is reached through; nil: the launcher
	life   context.Context
	cancel context.CancelFunc
	users  int // guarded by tree.mu

	ready chan struct{} // closed when held or err is set
	held  *Held
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
		t = &tree{starter: s, patience: max(patience, relay.Patience), parents: map[string]place.Host{}, nodes: map[string]*node{}}
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
// connection up and waits until nothing of it is left here.
func (s *Starter) hold(ctx context.Context, host place.Host) (h *Held, leave func(), err error) {
	s.mu.Lock()
	t := s.tree
	s.mu.Unlock()
	if t == nil {
		if h, err = s.Hold(ctx, host); err != nil {
			return nil, nil, err
		}
		return h, h.Close, nil
	}
	n := t.use(host)
	if err := n.await(ctx); err != nil {
		n.leave()
		return nil, nil, err
	}
	return n.held, n.leave, nil
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
	if n == nil {
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
	if last {
		delete(t.nodes, n.host.String())
	}
	relaying := n.relaying
	t.mu.Unlock()
	if last {
		n.cancel()
		<-n.ready
		if n.held != nil {
			n.held.conn.close() // before the relay's session, which ends with it
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

func (n *node) connect() {
	defer close(n.ready)
	var via *relayed
	if n.up != nil {
		if via, n.err = n.up.relayTo(n.life); n.err != nil {
			n.err = &Error{Host: n.host.Name, Stage: StageConnect, Err: fmt.Errorf("it is to be reached through %s, but %w", n.up.host.Name, n.err)}
			return
		}
	}
	n.held, n.err = n.tree.starter.reach(n.life, n.host, via)
}

// relayTo is the host's relay, which is started when first needed.
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
		return n.relay, n.failed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (n *node) startRelay(ctx context.Context) (*relayed, error) {
	agent, _, err := n.held.start(ctx, fmt.Sprintf("%s %d", relayVerb, n.tree.patience.Milliseconds()))
	if err != nil {
		return nil, err
	}
	session, err := relay.Client(relayConn{agent}, n.tree.patience)
	if err != nil {
		return nil, errors.Join(err, agent.Wait())
	}
	via := n.host.Name
	if n.up != nil {
		via = n.up.relay.via + " and " + via
	}
	return &relayed{session: session, agent: agent, via: via}, nil
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
type relayConn struct{ *Agent }

func (c relayConn) Close() error {
	c.Kill()
	return nil
}

func (r *relayed) close() {
	r.session.Close()
	r.agent.Wait()
}

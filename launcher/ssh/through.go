package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/relay"
	"gridrun/launcher/ship"
)

// A relayed is the launcher's end of the relay on an inner host.
type relayed struct {
	session *relay.Session
	agent   *Agent       // that is the relay
	way     []place.Host // to the hosts behind it, the last being the relay's
	ids     atomic.Uint64

	ended chan struct{} // closed when the relay has ended and how is set
	how   error         // nil: it has ended well

	mu      sync.Mutex
	brought map[string]*brought // files on the relay's host, by hash
}

func newRelayed(session *relay.Session, conn *relayConn, way []place.Host) *relayed {
	r := &relayed{session: session, agent: conn.Agent, way: way, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		<-session.Done()
		r.how = conn.end()
	}()
	return r
}

// via names the hosts on the way.
func (r *relayed) via() string {
	var names []string
	for _, h := range r.way {
		names = append(names, h.Name)
	}
	return strings.Join(names, " and ")
}

// failure is why the relay is of no use any more; nil: it works.
func (r *relayed) failure() error {
	if !closed(r.session.Done()) {
		return nil
	}
	select {
	case <-r.ended:
	case <-time.After(fateLimit):
		return agents.ErrCut
	}
	switch {
	case r.how == nil:
		return &agents.RelayError{Host: r.way[len(r.way)-1], Err: errors.New("nothing was heard of it")}
	case errors.Is(r.how, agents.ErrCut): // with the connection to its host, or with another relay
		return r.how
	}
	return &agents.RelayError{Host: r.way[len(r.way)-1], Err: r.how}
}

// fateLimit is how long the end of a relay may take to show after that of its session.
const fateLimit = time.Second

// brought is a file that is being brought, or has been.
type brought struct {
	mu   sync.Mutex
	path string // "" until it is there
}

// A through is a connection to a host through a relay.
type through struct {
	relay *relayed
	id    uint64
	hop   net.Conn // the stream of its Dial

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool // streams of processes
	ended  chan struct{}     // closed when the connection has ended
}

// lost is the end of what went through the relay: an agents.RelayError where the
// relay has ended by itself, or one on the way to it.
func (r *relayed) lost(err error) error {
	if why := r.failure(); why != nil {
		err = why
	}
	return fmt.Errorf("%w: it is reached through %s (%w)", agents.ErrCut, r.via(), err)
}

// dial has the relay connect to a host.
func (r *relayed) dial(w *sshconn.Watch, d *sshconn.Dialer, h sshconf.Hop, addrs []string) (_ *through, address string, err error) {
	check, algorithms, err := d.HostKeys(h)
	if err != nil {
		return nil, "", err
	}
	w.Enter(sshconn.StageConnect, d.Deadlines.Connect)
	t := &through{relay: r, id: r.ids.Add(1), open: map[net.Conn]bool{}, ended: make(chan struct{})}
	t.hop, err = r.session.Open(&relay.Message{Dial: &relay.Dial{
		ID: t.id, Name: h.Target.Name, Host: h.Host, User: h.User, Port: h.Port, KeyAlias: h.KeyAlias,
		Addrs: addrs, Algorithms: algorithms, Connect: h.ConnectTimeout,
	}})
	if err != nil {
		return nil, "", w.Why(r.lost(err))
	}
	stop := context.AfterFunc(w.Ctx, func() { wake(t.hop) })
	answers := &answerer{hop: h, check: check}
	address, err = r.connect(w, t.hop, answers)
	answers.close()
	if !stop() && err == nil {
		err = context.Cause(w.Ctx)
	}
	if err != nil {
		t.hop.Close()
		wake(t.hop)
		return nil, address, w.Why(err)
	}
	go func() {
		defer close(t.ended)
		io.Copy(io.Discard, t.hop)
		t.Close()
		t.hop.Close()
	}()
	return t, address, nil
}

// relayGrace is how much later than the relay the launcher gives a stage up.
const relayGrace = 2 * time.Second

// connect answers the relay until it has connected.
func (r *relayed) connect(w *sshconn.Watch, stream net.Conn, a *answerer) (address string, err error) {
	for {
		m, err := relay.Read(stream)
		switch {
		case err != nil:
			return "", r.lost(err)
		case m.Stage != nil:
			limit := m.Stage.Limit
			if limit > 0 {
				limit += relayGrace
			}
			w.Enter(sshconn.Stage(m.Stage.Name), limit)
			continue
		case m.Done == nil:
			answer := a.answer(m)
			if answer == nil {
				return "", relay.ErrProtocol
			}
			if err := relay.Write(stream, answer); err != nil {
				return "", r.lost(err)
			}
			continue
		}
		address = m.Done.Address + " from " + r.agent.Host
		switch {
		case m.Done.Error == "":
			return address, nil
		case a.refused != nil:
			return address, a.refused
		}
		return address, errors.New(m.Done.Error)
	}
}

func (t *through) Exec(command string) (*sshconn.Process, error) {
	return t.start(&relay.Message{Exec: &relay.Exec{Conn: t.id, What: command}})
}

func (t *through) Subsystem(name string) (*sshconn.Process, error) {
	return t.start(&relay.Message{Subsystem: &relay.Exec{Conn: t.id, What: name}})
}

// stream opens one that ends with the connection.
func (t *through) stream(m *relay.Message) (net.Conn, error) {
	stream, err := t.relay.session.Open(m)
	if err != nil {
		return nil, t.relay.lost(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		stream.Close()
		return nil, t.relay.lost(net.ErrClosed)
	}
	t.open[stream] = true
	return stream, nil
}

// end gives a stream up.
func (t *through) end(stream net.Conn) {
	t.mu.Lock()
	delete(t.open, stream)
	t.mu.Unlock()
	wake(stream)
	stream.Close()
}

func (t *through) start(m *relay.Message) (*sshconn.Process, error) {
	stream, err := t.stream(m)
	if err != nil {
		return nil, err
	}
	answer, err := relay.Read(stream)
	switch {
	case err != nil:
		err = t.relay.lost(err)
	case answer.Done == nil:
		err = relay.ErrProtocol
	case answer.Done.Error != "":
		err = errors.New(answer.Done.Error)
	}
	if err != nil {
		t.end(stream)
		return nil, err
	}
	o := &output{pipe: relay.NewPipe(stream), said: new(agents.Tail)}
	return &sshconn.Process{
		In:   input{relay.Output{Pipe: o.pipe, Kind: relay.Data}},
		Out:  o,
		Said: o.said,
		Kill: func() { t.end(stream) },
		Wait: func() error {
			t.end(stream)
			switch {
			case o.lost != nil:
				return t.relay.lost(o.lost)
			case o.how != "":
				return errors.New(o.how)
			}
			return nil
		},
	}, nil
}

// input is a process's standard input.
type input struct{ relay.Output }

func (i input) Close() error { return i.Pipe.Send(relay.End, nil) }

// output is what a process writes, up to its end.
type output struct {
	pipe  *relay.Pipe
	said  *agents.Tail
	ended bool
	how   string // it ended, when not well
	lost  error  // the connection ended first
}

func (o *output) Read(b []byte) (int, error) {
	for !o.ended {
		if len(b) == 0 {
			return 0, nil
		}
		kind, n, err := o.pipe.Receive(b)
		switch {
		case err != nil:
			o.lost, o.ended = err, true
		case kind == relay.Data && n > 0:
			return n, nil
		case kind == relay.Said:
			o.said.Write(b[:n])
		case kind == relay.Exit:
			if o.how += string(b[:n]); n == 0 || !o.pipe.Inside() {
				o.ended = true
			}
		}
	}
	return 0, io.EOF
}

// Close ends the connection here at once; the relay follows.
func (t *through) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	for stream := range t.open {
		wake(stream)
	}
	wake(t.hop)
}

func (t *through) Over() bool { return closed(t.ended) || closed(t.relay.session.Done()) }

func (t *through) Join() {
	t.Close()
	<-t.ended
}

// push has the relay bring files that its own host has, after bringing them
// there. It cannot where that host needs other files.
func (t *through) push(w *sshconn.Watch, to *Files, files []ship.File) (paths []string, ok bool, err error) {
	if t.relay.agent.Platform != to.Platform {
		return nil, false, nil
	}
	w.Enter(sshconn.StageShip, 0) // the relay's host has a deadline of its own
	push := &relay.Push{Conn: t.id, Dir: to.Dir}
	for _, f := range files {
		if !f.Executable {
			return nil, false, nil
		}
		path, err := t.relay.bring(w.Ctx, f)
		if err != nil {
			return nil, true, fmt.Errorf("through %s: %w", t.relay.via(), err)
		}
		push.Files = append(push.Files, relay.File{Path: path, Name: f.Name, Hash: f.Hash})
	}
	w.Enter(sshconn.StageShip, to.Stall)
	stream, err := t.stream(&relay.Message{Push: push})
	if err != nil {
		return nil, true, w.Why(err)
	}
	defer t.end(stream)
	defer context.AfterFunc(w.Ctx, func() { wake(stream) })()
	for {
		m, err := relay.Read(stream)
		switch {
		case err != nil:
			return nil, true, w.Why(t.relay.lost(err))
		case m.Progress != nil:
			w.Alive()
			if to.Progress != nil {
				to.Progress(to.Host, m.Progress.Done, m.Progress.Total)
			}
		case m.Done == nil:
			return nil, true, relay.ErrProtocol
		case strings.Contains(m.Done.Error, errNoSFTP.Error()):
			return nil, true, fmt.Errorf("%w%s", errNoSFTP, strings.TrimPrefix(m.Done.Error, errNoSFTP.Error()))
		case m.Done.Error != "":
			return nil, true, errors.New(m.Done.Error)
		default:
			return slices.Clone(m.Done.Paths), true, nil
		}
	}
}

// bring brings a file to the relay's host, once for all behind it.
func (r *relayed) bring(ctx context.Context, f ship.File) (string, error) {
	r.mu.Lock()
	if r.brought == nil {
		r.brought = map[string]*brought{}
	}
	b := r.brought[f.Hash+f.Name]
	if b == nil {
		b = new(brought)
		r.brought[f.Hash+f.Name] = b
	}
	r.mu.Unlock()
	// Who fails, or is given up, leaves it to the next.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.path != "" {
		return b.path, nil
	}
	paths, err := r.agent.bring(ctx, []ship.File{f})
	if err != nil {
		return "", err
	}
	b.path = paths[0]
	return b.path, nil
}

package keeper

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/place"
)

// A world has hosts whose agents are goroutines.
type world struct {
	dead   atomic.Bool // hosts cannot be connected to
	mute   atomic.Bool // agents answer nothing
	hold   func()      // called when a host is being connected
	dials  atomic.Int32
	agents atomic.Int32 // that live
	mu     sync.Mutex
	conns  map[*fakeConn]bool
}

type fakeConn struct {
	w      *world
	name   string
	mu     sync.Mutex
	closed bool
	procs  map[*fakeProcess]bool
}

func (w *world) Hold(_ context.Context, h place.Host) (Connection, error) {
	w.dials.Add(1)
	if w.hold != nil {
		w.hold()
	}
	if w.dead.Load() {
		return nil, errors.New(h.Name + ": connecting: nobody answers")
	}
	c := &fakeConn{w: w, name: h.Name, procs: map[*fakeProcess]bool{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
	return c, nil
}

// cut ends every connection, as a host that goes away does.
func (w *world) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

func (c *fakeConn) Agent(context.Context) (Process, error) { return c.process(c.agent) }

// SFTP is an echo here.
func (c *fakeConn) SFTP() (Process, error) {
	return c.process(func(p net.Conn) { io.Copy(p, p) })
}

func (c *fakeConn) process(run func(net.Conn)) (Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("the connection was lost")
	}
	ours, theirs := socketPair()
	p := &fakeProcess{UnixConn: ours, done: make(chan struct{})}
	c.procs[p] = true
	c.w.agents.Add(1)
	go func() {
		defer close(p.done)
		defer c.w.agents.Add(-1)
		defer theirs.Close()
		run(theirs)
	}()
	return p, nil
}

// agent says Hello and answers Beat; then it sends back the job of Start.
func (c *fakeConn) agent(conn net.Conn) {
	s, err := wire.NewStream(conn, conn)
	if err != nil || s.Send(&wire.Hello{Version: wire.Version, CPUs: 3}) != nil || s.Open() != nil {
		return
	}
	for {
		m, err := s.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *wire.Beat:
			if !c.w.mute.Load() {
				s.Send(m)
			}
		case *wire.Start:
			s.Send(&wire.Notice{Text: m.Job + " on " + c.name})
			if m.Job == "short" {
				return
			}
		}
	}
}

func (c *fakeConn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for p := range c.procs {
		p.Kill()
	}
}

type fakeProcess struct {
	*net.UnixConn
	done chan struct{}
}

func (p *fakeProcess) Kill() { p.Close() }
func (p *fakeProcess) Wait() error {
	<-p.done
	return errors.New("exit status 7")
}
func (p *fakeProcess) Where() (string, string) { return "linux/amd64", "/cache" }

// socketPair is two ends of a connection.
func socketPair() (a, b *net.UnixConn) {
	l, err := net.Listen("unix", "")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	d, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		panic(err)
	}
	c, err := l.Accept()
	if err != nil {
		panic(err)
	}
	return d.(*net.UnixConn), c.(*net.UnixConn)
}

// No test but that of silence is decided by how fast an agent answers.
var quick = Times{Beat: time.Hour, Answer: time.Minute, Start: time.Minute, Refill: 30 * time.Millisecond}

// A rig is a keeper with its world.
type rig struct {
	*world
	path  string
	ended chan struct{}
	stop  context.CancelFunc
}

// newRig runs a keeper; at the end nothing may be left of it.
func newRig(t *testing.T, idle time.Duration) *rig {
	t.Helper()
	return newRigOf(t, idle, quick)
}

func newRigOf(t *testing.T, idle time.Duration, times Times) *rig {
	t.Helper()
	return newRigIn(t, new(world), idle, times)
}

func newRigIn(t *testing.T, w *world, idle time.Duration, times Times) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	w.conns = map[*fakeConn]bool{}
	r := &rig{world: w, path: filepath.Join(t.TempDir(), "up"+Suffix), ended: make(chan struct{})}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	k := &Keeper{Idle: idle, Times: times, Dial: func(Way, func(string)) (Dialer, error) { return r.world, nil }}
	go func() {
		defer close(r.ended)
		if err := k.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		await(t, r.ended, "the keeper ends")
		eventually(t, "nothing is left", func() bool { return r.agents.Load() == 0 && runtime.NumGoroutine() <= before })
		if _, err := os.Stat(r.path); err == nil {
			t.Error("the socket stays")
		}
	})
	return r
}

// client finds the keeper.
func (r *rig) client(t *testing.T) *Client {
	t.Helper()
	c, err := find(t.Context(), r.path)
	if err != nil || c == nil {
		t.Fatalf("no keeper: %v", err)
	}
	return c
}

// up has hosts kept and returns what became of each.
func (r *rig) up(t *testing.T, names ...string) (seen map[string]HostStatus) {
	t.Helper()
	seen = map[string]HostStatus{}
	var hosts []Host
	for _, n := range names {
		hosts = append(hosts, Host{Name: n})
	}
	if err := r.client(t).Up(t.Context(), Way{}, hosts, func(h HostStatus) { seen[h.Host.Name] = h }, func(string) {}); err != nil {
		t.Fatal(err)
	}
	return seen
}

func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("still not: %s", what)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("still not: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

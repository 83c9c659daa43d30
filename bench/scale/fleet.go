package scale

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"gridrun/internal/wire"
)

// A plan is what the fleet plays next; the launcher's side sends it.
type plan struct {
	Hosts int
	Fail  bool // the agent in the middle lets its rank fail
}

// marks are when phases were over, Unix nanoseconds.
type marks struct {
	Connected int64 // the last agent has been connected to
	Started   int64 // the last agent has its Start
	Running   int64 // the last agent has the answer that shows everybody ready
	Ending    int64 // the first rank ends
	Bytes     int64 // that agents were sent before they ran
}

// Fleet plays agents on a Unix socket at path. Plans come on in and marks go to
// out, as JSON. It ends with in.
func Fleet(path string, in io.Reader, out io.Writer) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer l.Close()
	plans, answers := json.NewDecoder(in), json.NewEncoder(out)
	if err := answers.Encode(marks{}); err != nil { // listening
		return err
	}
	for {
		var p plan
		if err := plans.Decode(&p); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(play(l, p)); err != nil {
			return err
		}
	}
}

// A stage is a line that all agents cross together.
type stage struct {
	left int
	mu   sync.Mutex
	open chan struct{}
	at   int64
}

func newStage(n int) *stage { return &stage{left: n, open: make(chan struct{})} }

func (s *stage) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left == 0 {
		s.at = time.Now().UnixNano()
		close(s.open)
	}
}

type fleet struct {
	plan                        plan
	connected, started, running *stage
	mu                          sync.Mutex
	bytes, ending               int64
}

func play(l net.Listener, p plan) marks {
	f := &fleet{plan: p, connected: newStage(p.Hosts), started: newStage(p.Hosts), running: newStage(p.Hosts)}
	var all sync.WaitGroup
	for range p.Hosts {
		c, err := l.Accept()
		if err != nil {
			break
		}
		all.Go(func() {
			defer c.Close()
			if err := f.agent(c); err != nil {
				fmt.Fprintln(os.Stderr, "fleet:", err)
			}
		})
	}
	all.Wait()
	return marks{Connected: f.connected.at, Started: f.started.at, Running: f.running.at, Ending: f.ending, Bytes: f.bytes}
}

// A counter counts what is read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// agent plays one host's agent.
func (f *fleet) agent(c net.Conn) error {
	f.connected.arrive()
	r := &counter{Reader: c}
	s, err := wire.NewStream(r, c)
	if err != nil {
		return err
	}
	if err := s.Send(&wire.Hello{Version: wire.Version, CPUs: 1}); err != nil {
		return err
	}
	if err := s.Open(); err != nil {
		return err
	}
	m, err := await[*wire.Start](s)
	if err != nil {
		return err
	}
	host, proc, grown := m.Host, m.Procs[0].Proc, 0
	for range m.Topology.RankProc {
		grown++
	}
	if grown != f.plan.Hosts {
		return fmt.Errorf("a topology of %d ranks", grown)
	}
	m = nil
	f.started.arrive()
	<-f.started.open
	address := fmt.Sprintf("10.0.%d.%d:5000", host/256, host%256)
	if err := s.Send(&wire.Ready{Version: wire.Version, Host: "fleet", Pid: 1, CPUs: 1, Addrs: []string{address}},
		&wire.Started{Proc: proc, Pid: 1}, &wire.Locate{Host: (host + 1) % f.plan.Hosts}); err != nil {
		return err
	}
	if _, err := await[*wire.Located](s); err != nil {
		return err
	}
	f.mu.Lock()
	f.bytes += r.n
	f.mu.Unlock()
	f.running.arrive()
	<-f.running.open
	f.mu.Lock()
	if f.ending == 0 {
		f.ending = time.Now().UnixNano()
	}
	f.mu.Unlock()
	exit := &wire.Exit{Proc: proc}
	if f.plan.Fail && host == f.plan.Hosts/2 {
		exit.Code = 3
	} else if f.plan.Fail {
		if _, err := await[*wire.Stop](s); err != nil {
			return err
		}
		exit.Signal, exit.Code, exit.Stop = 15, 143, true
	}
	if err := s.Send(&wire.Output{Proc: proc, Data: fmt.Appendf(nil, "rank %d was here\n", proc)}, exit, &wire.Done{}); err != nil {
		return err
	}
	// What still comes is not missed; a connection closed before it has been read
	// would be an error on the launcher's side.
	if u, ok := c.(*net.UnixConn); ok {
		u.CloseWrite()
	}
	io.Copy(io.Discard, c)
	return nil
}

// await is the next message of type M.
func await[M wire.Message](s *wire.Stream) (m M, err error) {
	for {
		got, err := s.Receive()
		if err != nil {
			return m, fmt.Errorf("waiting for %T: %w", m, err)
		}
		if m, is := got.(M); is {
			return m, nil
		}
	}
}

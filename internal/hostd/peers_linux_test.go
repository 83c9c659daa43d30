package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/packet"
	"gridrun/internal/transport/reach"
	"gridrun/internal/wire"
)

// A site plays one host's agent for real: its port, and look-ups of its service.
type site struct {
	t       *testing.T
	all     *[]*site
	host    int
	port    *reach.Port
	control *packet.Conn
	log     bytes.Buffer
	ended   chan error
	joined  sync.WaitGroup
}

func (s *site) Admit(to int) reach.Status {
	if to != reach.Service(s.host) {
		return reach.Unknown
	}
	return reach.Here
}

func (s *site) Take(_, from int, c *net.TCPConn) {
	defer c.Close()
	if f, err := c.File(); err == nil {
		s.control.Send(&wire.Conn{From: from}, f)
		f.Close()
	}
}

// answer is the agent's side of the control socket.
func (s *site) answer() {
	for {
		m, _, err := s.control.Receive()
		if err != nil {
			return
		}
		ask, ok := m.(*wire.Lookup)
		if !ok {
			s.t.Errorf("the service sends %T", m)
			continue
		}
		a := &wire.Address{Proc: ask.Proc}
		if h := -1 - ask.Proc; h >= 0 && h < len(*s.all) {
			a.Addrs = (*s.all)[h].port.Addrs()
		} else {
			a.Error = "the job has no such host"
		}
		s.control.Send(a, nil)
	}
}

// sites starts the services of n hosts in this process. A handler "dials" asks the next host's "echo".
func sites(t *testing.T, n int, encrypt bool, more map[string]Handler) []*site {
	t.Helper()
	key := bytes.Repeat([]byte{7}, 32)
	var topo wire.Topology
	for h := range n {
		topo.Hosts = append(topo.Hosts, fmt.Sprintf("node%d", h))
	}
	all := make([]*site, n)
	known := map[string]Handler{"echo": handlers["echo"], "waits": handlers["waits"], "dials": {Version: 1, Serve: dials}}
	for name, h := range more {
		known[name] = h
	}
	for h := range n {
		s := &site{t: t, all: &all, host: h, ended: make(chan error, 1)}
		all[h] = s
		var err error
		if s.port, err = reach.Listen(reach.Config{Job: "j1", Key: key, Host: h, Loopback: true}); err != nil {
			t.Fatal(err)
		}
		var theirs *packet.Conn
		if s.control, theirs, err = packet.Pair(); err != nil {
			t.Fatal(err)
		}
		if err := s.control.Send(&wire.Welcome{Version: wire.Version, Job: "j1", Key: key, Proc: reach.Service(h), Topology: topo, Encrypt: encrypt}, nil); err != nil {
			t.Fatal(err)
		}
		go func() { s.ended <- Serve(context.Background(), theirs, known, &s.log) }()
		t.Cleanup(s.stop)
	}
	for _, s := range all {
		s.joined.Go(s.answer)
		s.port.Serve(s)
	}
	return all
}

func (s *site) stop() {
	s.control.Close()
	s.port.Close()
	s.joined.Wait()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("host %d: %v", s.host, err)
		}
	case <-time.After(10 * time.Second):
		s.t.Errorf("host %d: Serve does not end", s.host)
	}
}

// ask opens a rank's stream to a service of the site.
func (s *site) ask(service string) *net.UnixConn {
	s.t.Helper()
	conn, other := pair(s.t, unix.SOCK_STREAM)
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if err := s.control.Send(&wire.Service{Rank: s.host}, other); err != nil {
		s.t.Fatal(err)
	}
	other.Close()
	if err := Open(conn, service, map[string]uint16{"echo": 3, "dials": 1}[service]); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// dials reads a line "host service version" and reports what that service says, or why not.
func dials(ctx context.Context, c Conn) error {
	var host int
	var service string
	var version uint16
	if _, err := fmt.Fscanln(c, &host, &service, &version); err != nil {
		return err
	}
	peer, err := c.Peers.Dial(ctx, host, service, version)
	if err != nil {
		fmt.Fprintf(c, "error: %v\n", err)
		return nil
	}
	defer peer.Close()
	if _, err := peer.Write([]byte("hello")); err != nil {
		return err
	}
	if t, ok := peer.(interface{ CloseWrite() error }); ok {
		t.CloseWrite()
	}
	_, err = io.Copy(c, peer)
	return err
}

func TestPeers(t *testing.T) {
	for _, encrypt := range []bool{false, true} {
		all := sites(t, 3, encrypt, nil)
		for from, s := range all {
			to := (from + 1) % len(all)
			c := s.ask("dials")
			fmt.Fprintf(c, "%d echo 3\n", to)
			got, err := io.ReadAll(c)
			if want := fmt.Sprintf("host node%d of j1\nhello", from); err != nil || string(got) != want {
				t.Errorf("encrypted %v, from %d to %d: %q, %v", encrypt, from, to, got, err)
			}
		}
		for _, s := range all {
			if s.log.Len() > 0 {
				t.Errorf("host %d logs %q", s.host, &s.log)
			}
		}
	}
}

func TestPeerErrors(t *testing.T) {
	all := sites(t, 2, false, nil)
	for _, c := range []struct{ ask, want string }{
		{"1 nothing 1", "host node1: the host service has no nothing"},
		{"1 echo 9", "speaks version 9"},
		{"7 echo 3", "address of host number 7: the job has no such host"},
	} {
		conn := all[0].ask("dials")
		fmt.Fprintln(conn, c.ask)
		if got, err := io.ReadAll(conn); err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: %q, %v, want %q", c.ask, got, err, c.want)
		}
	}
}

// A host that is lost says nothing: streams to it, and from it, end when the
// agent says so, and nobody waits for a new one.
func TestLostHost(t *testing.T) {
	for lost, teller := range []int{1, 0} {
		why := fmt.Sprintf("host node%d is lost", lost)
		serving, told := make(chan struct{}, 1), make(chan error, 1)
		all := sites(t, 2, false, map[string]Handler{
			"silent": {Serve: func(ctx context.Context, c Conn) error {
				serving <- struct{}{}
				io.Copy(io.Discard, c)
				told <- context.Cause(ctx)
				return nil
			}},
			"reads": {Serve: func(ctx context.Context, c Conn) error {
				for range 2 {
					peer, err := c.Peers.Dial(ctx, 1, "silent", 0)
					if err == nil {
						_, err = peer.Read(make([]byte, 1))
						peer.Close()
					}
					fmt.Fprintln(c, err)
				}
				return nil
			}},
		})
		rank := all[0].ask("reads")
		<-serving
		if err := all[teller].control.Send(&wire.Gone{Lost: 1 + lost, Why: why}, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-told; teller == 1 && (err == nil || err.Error() != why) {
			t.Errorf("a stream from a lost host ends with %v", err)
		}
		if teller == 0 {
			if got, err := io.ReadAll(rank); err != nil || string(got) != why+"\n"+why+"\n" {
				t.Errorf("streams to a lost host: %q, %v", got, err)
			}
		}
	}
}

// What is not a stream for the packet it comes with, and processes that are no service, are refused and logged.
func TestRefusedConns(t *testing.T) {
	all := sites(t, 1, false, nil)
	s := all[0]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp := func() *os.File {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	_, unixEnd := pair(t, unix.SOCK_STREAM)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m wire.Message
		f *os.File
	}{
		{&wire.Service{Rank: 4}, tcp()},
		{&wire.Conn{From: -1}, unixEnd},
		{&wire.Conn{From: -1}, null},
		{&wire.Conn{From: 5}, tcp()},
	} {
		if err := s.control.Send(c.m, c.f); err != nil {
			t.Fatal(err)
		}
		c.f.Close()
	}
	if err := s.control.Send(&wire.Conn{From: -1}, nil); err != nil {
		t.Fatal(err)
	}
	echo := s.ask("echo") // the service goes on, and has read all of the above
	echo.Close()
	s.stop()
	for _, want := range []string{"rank 4: the descriptor received is a *net.TCPConn", "host node0: the descriptor received is a *net.UnixConn", "no socket", "process 5 of another host"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%q is not in %q", want, &s.log)
		}
	}
	s.ended <- nil // for the stop at the end of the test
}

// A dial that waits for the agent's answer, or for the other service's, ends with its context.
func TestDialEnds(t *testing.T) {
	job := &wire.Welcome{Job: "j", Key: make([]byte, 32), Proc: -1, Topology: wire.Topology{Hosts: []string{"a", "b"}}}
	p := newPeers(job, func(wire.Message) error { return nil })
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error)
	for range 3 {
		go func() {
			_, err := p.Dial(ctx, 1, "echo", 3)
			done <- err
		}()
	}
	gone := errors.New("the job is over")
	cancel(gone)
	for range 3 {
		if err := <-done; !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	}
	p = newPeers(job, func(wire.Message) error { return errors.New("no agent") })
	if _, err := p.Dial(context.Background(), 1, "echo", 3); err == nil || !strings.Contains(err.Error(), "address of host b: asking the agent: no agent") {
		t.Errorf("%v", err)
	}
}

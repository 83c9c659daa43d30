package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"gridrun/launcher/agents"

	"golang.org/x/crypto/ssh"
)

// clientVersion is how we introduce ourselves; sshd logs it.
const clientVersion = "SSH-2.0-gridrun"

// maxTries is how often a connection is tried that sshd drops before it has
// said a word of its own: MaxStartups, when others connect at the same time.
const maxTries = 4

// firstPause is about how long to wait before the second try; it doubles.
const firstPause = 100 * time.Millisecond

// dialer connects through x/crypto/ssh.
type dialer struct {
	// perAddress is how many connections to one address are not yet authenticated.
	perAddress int
	deadlines  Deadlines
	pause      time.Duration
	names      *names
	known      knownFiles
	slots      slots

	mu    sync.Mutex
	jumps map[string]*jump
}

// newDialer makes a dialer that pauses before it tries again.
func newDialer(perAddress int, deadlines Deadlines, names *names) *dialer {
	return &dialer{perAddress: perAddress, deadlines: deadlines, pause: firstPause, names: names}
}

// A jump is a connection to a host that others are reached through.
type jump struct {
	ready  chan struct{}
	client *ssh.Client
	err    error
	up     *jump
	users  int // guarded by dialer.mu
}

// dial connects over all hops. The address is for messages.
func (d *dialer) dial(w *watch, route []Hop, judge judge) (l *native, address string, err error) {
	last := route[len(route)-1]
	up, err := d.over(w, route[:len(route)-1])
	if err != nil {
		return nil, "over " + route[len(route)-2].Address(), err
	}
	client, address, err := d.hop(w, last, up, judge)
	if err != nil {
		d.leave(up)
		return nil, address, err
	}
	return newNative(client, func() { d.leave(up) }), address, nil
}

// over gives the shared connection to the last of hops, nil for none.
func (d *dialer) over(w *watch, hops []Hop) (*jump, error) {
	if len(hops) == 0 {
		return nil, nil
	}
	var key strings.Builder
	for _, h := range hops {
		fmt.Fprintf(&key, "%s@%s ", h.User, h.Address())
	}
	d.mu.Lock()
	j := d.jumps[key.String()]
	if j != nil {
		j.users++
		d.mu.Unlock()
		select {
		case <-j.ready:
		case <-w.ctx.Done():
			d.leave(j)
			return nil, context.Cause(w.ctx)
		}
		if j.err != nil {
			return nil, j.err
		}
		return j, nil
	}
	j = &jump{ready: make(chan struct{}), users: 1}
	if d.jumps == nil {
		d.jumps = map[string]*jump{}
	}
	d.jumps[key.String()] = j
	d.mu.Unlock()

	defer close(j.ready)
	if j.up, j.err = d.over(w, hops[:len(hops)-1]); j.err == nil {
		if j.client, _, j.err = d.hop(w, hops[len(hops)-1], j.up, nil); j.err != nil {
			d.leave(j.up)
			j.err = fmt.Errorf("jump host %s: %w", hops[len(hops)-1].Target.Name, j.err)
		}
	}
	if j.err != nil {
		d.mu.Lock()
		delete(d.jumps, key.String())
		d.mu.Unlock()
	}
	return j, j.err
}

// leave gives a jump host up; the last one closes the connection.
func (d *dialer) leave(j *jump) {
	if j == nil {
		return
	}
	d.mu.Lock()
	j.users--
	last := j.users == 0
	if last {
		for key, other := range d.jumps {
			if other == j {
				delete(d.jumps, key)
			}
		}
	}
	d.mu.Unlock()
	if last {
		<-j.ready
		if j.client != nil {
			j.client.Close()
			j.client.Wait()
			d.leave(j.up)
		}
	}
}

// hop connects to one host and authenticates. The number of connections to an
// address that are not yet authenticated is limited.
func (d *dialer) hop(w *watch, h Hop, up *jump, judge judge) (*ssh.Client, string, error) {
	w.enter(StageConnect, 0)
	slot := h.Address()
	if up == nil {
		w.enter(StageResolve, 0)
		found, err := d.names.find(w.ctx, h.Host, d.deadlines.Resolve)
		if err != nil {
			return nil, h.Host, err
		}
		slot = joinHostPort(found[0].String(), h.Port)
	}
	release, err := d.slots.take(w.ctx, slot, d.perAddress)
	if err != nil {
		return nil, slot, err
	}
	defer release()
	for try := 1; ; try++ {
		client, address, err := d.once(w, h, up, judge)
		if err == nil || try == maxTries || w.ctx.Err() != nil || w.now() != StageHandshake || !dropped(err) {
			return client, address, err
		}
		pause := (d.pause + rand.N(2*d.pause)) << (try - 1)
		select {
		case <-time.After(pause):
		case <-w.ctx.Done():
			return nil, address, context.Cause(w.ctx)
		}
	}
}

func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (d *dialer) once(w *watch, h Hop, up *jump, judge judge) (*ssh.Client, string, error) {
	limit := h.ConnectTimeout
	if limit == 0 {
		limit = d.deadlines.Connect
	}
	w.enter(StageConnect, limit)
	conn, address, err := d.connect(w, h, up, limit)
	if err != nil {
		return nil, address, w.why(err)
	}
	stop := context.AfterFunc(w.ctx, func() { conn.Close() })
	client, err := d.handshake(w, h, conn, judge)
	if !stop() && err == nil {
		client.Close()
		client.Wait()
		err = context.Cause(w.ctx)
	}
	if err != nil {
		conn.Close()
		return nil, address, w.why(err)
	}
	return client, address, nil
}

// connect opens the TCP connection, to one address after the other. Go switches
// TCP_NODELAY and keep-alive on by itself.
func (d *dialer) connect(w *watch, h Hop, up *jump, limit time.Duration) (net.Conn, string, error) {
	if up != nil {
		conn, err := up.client.DialContext(w.ctx, "tcp", h.Address())
		return conn, h.Address() + " through the jump host", err
	}
	found, err := d.names.find(w.ctx, h.Host, d.deadlines.Resolve)
	if err != nil {
		return nil, h.Host, err
	}
	var tried, failed []string
	deadline := time.Now().Add(limit)
	for i, a := range found {
		address := joinHostPort(a.String(), h.Port)
		tried = append(tried, address)
		// Those that do not answer leave time for the others.
		part := time.Until(deadline) / time.Duration(len(found)-i)
		conn, err := (&net.Dialer{Timeout: part}).DialContext(w.ctx, "tcp", address)
		if err == nil {
			return conn, address, nil
		}
		why := err.Error()
		var timeout net.Error
		switch {
		case w.ctx.Err() != nil:
			why = context.Cause(w.ctx).Error()
		case errors.As(err, &timeout) && timeout.Timeout():
			why = fmt.Sprintf("%v (%v)", errSlow, part.Round(time.Millisecond))
		case errors.Is(err, syscall.ECONNREFUSED):
			why = "connection refused: no sshd listens there"
		default:
			if op := (*net.OpError)(nil); errors.As(err, &op) {
				why = op.Err.Error()
			}
		}
		if len(found) > 1 {
			why = address + ": " + why
		}
		failed = append(failed, why)
	}
	return nil, strings.Join(tried, ", "), errors.New(strings.Join(failed, "; "))
}

// handshake checks the host's key and lets it check ours.
func (d *dialer) handshake(w *watch, h Hop, conn net.Conn, judge judge) (*ssh.Client, error) {
	w.enter(StageHandshake, d.deadlines.Handshake)
	if judge == nil {
		judge = d
	}
	check, algorithms, err := judge.hostKeys(h)
	if err != nil {
		return nil, err
	}
	var ours *keys
	defer func() {
		if ours != nil {
			ours.close()
		}
	}()
	config := &ssh.ClientConfig{
		Config: ssh.Config{Ciphers: []string{
			// Fastest first, where processors have AES.
			ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305,
			ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
		}},
		User:          h.User,
		ClientVersion: clientVersion,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			ours = judge.keys(h)
			return ours.signers, nil
		})},
		HostKeyAlgorithms: algorithms,
	}
	var refused error
	config.HostKeyCallback = func(name string, remote net.Addr, key ssh.PublicKey) error {
		if refused = check(name, remote, key); refused == nil {
			w.enter(StageAuth, d.deadlines.Auth)
		}
		return refused
	}
	c, channels, requests, err := ssh.NewClientConn(conn, checkName(h), config)
	switch {
	case err == nil:
		return ssh.NewClient(c, channels, requests), nil
	case refused != nil:
		return nil, refused
	case w.now() == StageAuth && w.ctx.Err() == nil:
		if ours == nil {
			ours = judge.keys(h)
		}
		return nil, ours.refused(h, err)
	case dropped(err):
		return nil, fmt.Errorf("the host closed the connection before its key was exchanged, as sshd does when too many connect at once (MaxStartups) or by hosts.deny and fail2ban: %w", err)
	}
	return nil, err
}

// A judge decides on keys: which the host may show, and which we offer it. The
// dialer itself goes by known_hosts and the user's own keys.
type judge interface {
	hostKeys(Hop) (check ssh.HostKeyCallback, algorithms []string, err error)
	keys(Hop) *keys
}

func (d *dialer) hostKeys(h Hop) (ssh.HostKeyCallback, []string, error) { return d.known.hostKeys(h) }

func (d *dialer) keys(h Hop) *keys { return findKeys(h) }

// native is a connection through x/crypto/ssh.
type native struct {
	client *ssh.Client
	ended  chan struct{} // closed when the connection has ended
	leave  func()        // gives up the jump host
}

func newNative(client *ssh.Client, leave func()) *native {
	n := &native{client: client, ended: make(chan struct{}), leave: leave}
	go func() {
		client.Wait()
		close(n.ended)
	}()
	return n
}

// session opens a session. On a connection that ends in the same moment
// x/crypto/ssh waits for ever for the answer; then its goroutine is left alone.
func (n *native) session() (*ssh.Session, error) {
	type result struct {
		session *ssh.Session
		err     error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := n.client.NewSession()
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		return r.session, r.err
	case <-n.ended:
		return nil, agents.ErrCut
	}
}

func (n *native) exec(command string) (*process, error) {
	return n.start(func(s *ssh.Session) error {
		if err := s.Start(command); err != nil {
			return fmt.Errorf("the host refuses to execute a command: %w", err)
		}
		return nil
	})
}

func (n *native) subsystem(name string) (*process, error) {
	p, err := n.start(func(s *ssh.Session) error {
		if err := s.RequestSubsystem(name); err != nil {
			return fmt.Errorf("%w: sshd has no subsystem %s", err, name)
		}
		return nil
	})
	if err == nil {
		p.wait = func() error { return nil } // a subsystem's session is never started for x/crypto/ssh
	}
	return p, err
}

// start opens a session for what begin begins there.
func (n *native) start(begin func(*ssh.Session) error) (*process, error) {
	session, err := n.session()
	if err != nil {
		return nil, fmt.Errorf("the host opens no session: %w", err)
	}
	p := &process{said: new(agents.Tail), kill: func() { session.Close() }}
	session.Stderr = p.said
	if p.in, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := begin(session); err != nil {
		session.Close()
		return nil, err
	}
	p.wait = func() error {
		err := session.Wait()
		var missing *ssh.ExitMissingError
		var exit *ssh.ExitError
		switch {
		case errors.As(err, &missing):
			return agents.ErrCut
		case errors.As(err, &exit):
			return exitError(exit.ExitStatus(), exit.Signal())
		}
		return err
	}
	return p, nil
}

func (n *native) close() { n.client.Close() }

func (n *native) over() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

func (n *native) join() {
	n.client.Close()
	<-n.ended
	n.leave()
}

// slots limits how many do something at one address at once.
type slots struct {
	mu sync.Mutex
	at map[string]chan struct{}
}

func (s *slots) take(ctx context.Context, address string, limit int) (release func(), err error) {
	s.mu.Lock()
	if s.at == nil {
		s.at = map[string]chan struct{}{}
	}
	c := s.at[address]
	if c == nil {
		c = make(chan struct{}, limit)
		s.at[address] = c
	}
	s.mu.Unlock()
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

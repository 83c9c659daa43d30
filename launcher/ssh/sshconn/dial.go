package sshconn

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshkeys"
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

// MaxTries is how often a connection is tried that sshd drops before it has
// said a word of its own: MaxStartups, when others connect at the same time.
const MaxTries = 4

// firstPause is about how long to wait before the second try; it doubles.
const firstPause = 100 * time.Millisecond

// Dialer connects through x/crypto/ssh.
type Dialer struct {
	// perAddress is how many connections to one address are not yet authenticated.
	perAddress int
	Deadlines  Deadlines
	Pause      time.Duration
	names      *Names
	known      sshkeys.KnownFiles
	slots      slots

	mu    sync.Mutex
	jumps map[string]*jump
}

// NewDialer makes a dialer that pauses before it tries again.
func NewDialer(perAddress int, deadlines Deadlines, names *Names) *Dialer {
	return &Dialer{perAddress: perAddress, Deadlines: deadlines, Pause: firstPause, names: names}
}

// A jump is a connection to a host that others are reached through.
type jump struct {
	ready  chan struct{}
	client *ssh.Client
	err    error
	up     *jump
	users  int // guarded by dialer.mu
}

// Jumps is how many connections to jump hosts there are.
func (d *Dialer) Jumps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.jumps)
}

// Dial connects over all hops. The address is for messages.
func (d *Dialer) Dial(w *Watch, route []sshconf.Hop, judge Judge) (l *Native, address string, err error) {
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
func (d *Dialer) over(w *Watch, hops []sshconf.Hop) (*jump, error) {
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
		case <-w.Ctx.Done():
			d.leave(j)
			return nil, context.Cause(w.Ctx)
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
func (d *Dialer) leave(j *jump) {
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
func (d *Dialer) hop(w *Watch, h sshconf.Hop, up *jump, judge Judge) (*ssh.Client, string, error) {
	w.Enter(StageConnect, 0)
	slot := h.Address()
	if up == nil {
		w.Enter(StageResolve, 0)
		found, err := d.names.Find(w.Ctx, h.Host, d.Deadlines.Resolve)
		if err != nil {
			return nil, h.Host, err
		}
		slot = sshconf.JoinHostPort(found[0].String(), h.Port)
	}
	release, err := d.slots.take(w.Ctx, slot, d.perAddress)
	if err != nil {
		return nil, slot, err
	}
	defer release()
	for try := 1; ; try++ {
		client, address, err := d.once(w, h, up, judge)
		if err == nil || try == MaxTries || w.Ctx.Err() != nil || w.Now() != StageHandshake || !dropped(err) {
			return client, address, err
		}
		pause := (d.Pause + rand.N(2*d.Pause)) << (try - 1)
		select {
		case <-time.After(pause):
		case <-w.Ctx.Done():
			return nil, address, context.Cause(w.Ctx)
		}
	}
}

func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (d *Dialer) once(w *Watch, h sshconf.Hop, up *jump, judge Judge) (*ssh.Client, string, error) {
	limit := h.ConnectTimeout
	if limit == 0 {
		limit = d.Deadlines.Connect
	}
	w.Enter(StageConnect, limit)
	conn, address, err := d.connect(w, h, up, limit)
	if err != nil {
		return nil, address, w.Why(err)
	}
	stop := context.AfterFunc(w.Ctx, func() { conn.Close() })
	client, err := d.handshake(w, h, conn, judge)
	if !stop() && err == nil {
		client.Close()
		client.Wait()
		err = context.Cause(w.Ctx)
	}
	if err != nil {
		conn.Close()
		return nil, address, w.Why(err)
	}
	return client, address, nil
}

// connect opens the TCP connection, to one address after the other. Go switches
// TCP_NODELAY and keep-alive on by itself.
func (d *Dialer) connect(w *Watch, h sshconf.Hop, up *jump, limit time.Duration) (net.Conn, string, error) {
	if up != nil {
		conn, err := up.client.DialContext(w.Ctx, "tcp", h.Address())
		return conn, h.Address() + " through the jump host", err
	}
	found, err := d.names.Find(w.Ctx, h.Host, d.Deadlines.Resolve)
	if err != nil {
		return nil, h.Host, err
	}
	var tried, failed []string
	deadline := time.Now().Add(limit)
	for i, a := range found {
		address := sshconf.JoinHostPort(a.String(), h.Port)
		tried = append(tried, address)
		// Those that do not answer leave time for the others.
		part := time.Until(deadline) / time.Duration(len(found)-i)
		conn, err := (&net.Dialer{Timeout: part}).DialContext(w.Ctx, "tcp", address)
		if err == nil {
			return conn, address, nil
		}
		why := err.Error()
		var timeout net.Error
		switch {
		case w.Ctx.Err() != nil:
			why = context.Cause(w.Ctx).Error()
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
func (d *Dialer) handshake(w *Watch, h sshconf.Hop, conn net.Conn, judge Judge) (*ssh.Client, error) {
	w.Enter(StageHandshake, d.Deadlines.Handshake)
	if judge == nil {
		judge = d
	}
	check, algorithms, err := judge.HostKeys(h)
	if err != nil {
		return nil, err
	}
	var ours *sshkeys.Keys
	defer func() {
		if ours != nil {
			ours.Close()
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
			ours = judge.Keys(h)
			return ours.Signers, nil
		})},
		HostKeyAlgorithms: algorithms,
	}
	var refused error
	config.HostKeyCallback = func(name string, remote net.Addr, key ssh.PublicKey) error {
		if refused = check(name, remote, key); refused == nil {
			w.Enter(StageAuth, d.Deadlines.Auth)
		}
		return refused
	}
	c, channels, requests, err := ssh.NewClientConn(conn, sshkeys.CheckName(h), config)
	switch {
	case err == nil:
		return ssh.NewClient(c, channels, requests), nil
	case refused != nil:
		return nil, refused
	case w.Now() == StageAuth && w.Ctx.Err() == nil:
		if ours == nil {
			ours = judge.Keys(h)
		}
		return nil, ours.Refused(h, err)
	case dropped(err):
		return nil, fmt.Errorf("the host closed the connection before its key was exchanged, as sshd does when too many connect at once (MaxStartups) or by hosts.deny and fail2ban: %w", err)
	}
	return nil, err
}

// A Judge decides on keys: which the host may show, and which we offer it. The
// dialer itself goes by known_hosts and the user's own keys.
type Judge interface {
	HostKeys(sshconf.Hop) (check ssh.HostKeyCallback, algorithms []string, err error)
	Keys(sshconf.Hop) *sshkeys.Keys
}

// HostKeys goes by known_hosts.
func (d *Dialer) HostKeys(h sshconf.Hop) (ssh.HostKeyCallback, []string, error) {
	return d.known.HostKeys(h)
}

// Keys are the user's own.
func (d *Dialer) Keys(h sshconf.Hop) *sshkeys.Keys { return sshkeys.FindKeys(h) }

// A Native is a Connection through x/crypto/ssh.
type Native struct {
	client *ssh.Client
	Ended  chan struct{} // closed when the connection has ended
	leave  func()        // gives up the jump host
}

func newNative(client *ssh.Client, leave func()) *Native {
	n := &Native{client: client, Ended: make(chan struct{}), leave: leave}
	go func() {
		client.Wait()
		close(n.Ended)
	}()
	return n
}

// session opens a session. On a connection that ends in the same moment
// x/crypto/ssh waits for ever for the answer; then its goroutine is left alone.
func (n *Native) session() (*ssh.Session, error) {
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
	case <-n.Ended:
		return nil, agents.ErrCut
	}
}

func (n *Native) Exec(command string) (*Process, error) {
	return n.start(func(s *ssh.Session) error {
		if err := s.Start(command); err != nil {
			return fmt.Errorf("the host refuses to execute a command: %w", err)
		}
		return nil
	})
}

func (n *Native) Subsystem(name string) (*Process, error) {
	p, err := n.start(func(s *ssh.Session) error {
		if err := s.RequestSubsystem(name); err != nil {
			return fmt.Errorf("%w: sshd has no subsystem %s", err, name)
		}
		return nil
	})
	if err == nil {
		p.Wait = func() error { return nil } // a subsystem's session is never started for x/crypto/ssh
	}
	return p, err
}

// start opens a session for what begin begins there.
func (n *Native) start(begin func(*ssh.Session) error) (*Process, error) {
	session, err := n.session()
	if err != nil {
		return nil, fmt.Errorf("the host opens no session: %w", err)
	}
	p := &Process{Said: new(agents.Tail), Kill: func() { session.Close() }}
	session.Stderr = p.Said
	if p.In, err = session.StdinPipe(); err != nil {
		return nil, err
	}
	if p.Out, err = session.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := begin(session); err != nil {
		session.Close()
		return nil, err
	}
	p.Wait = func() error {
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

func (n *Native) Close() { n.client.Close() }

func (n *Native) Over() bool {
	select {
	case <-n.Ended:
		return true
	default:
		return false
	}
}

func (n *Native) Join() {
	n.client.Close()
	<-n.Ended
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

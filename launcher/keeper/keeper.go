package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/rundir"
)

// Suffix ends the name of a keeper's socket.
const Suffix = ".keeper"

// SocketPath is where this user's keeper listens.
func SocketPath() (string, error) {
	dir, err := rundir.Path()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "up"+Suffix), nil
}

// Times are how long a keeper waits for things; zero means the default.
type Times struct {
	Beat   time.Duration // between two questions whether a spare lives; 10 s
	Answer time.Duration // for the answer of one that a job wants; 2 s
	Refill time.Duration // from taking a spare to starting the next; 1 s
	Start  time.Duration // for a spare that a job waits for; 10 s
}

func (t Times) withDefaults() Times {
	for _, f := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&t.Beat, 10 * time.Second}, {&t.Answer, 2 * time.Second}, {&t.Refill, time.Second}, {&t.Start, 10 * time.Second}} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	return t
}

// A Keeper keeps hosts. Dial and Idle must be set.
type Keeper struct {
	// Dial makes what connects to hosts, once for each Way. Lines for the user
	// go to notice.
	Dial func(way Way, notice func(text string)) (Dialer, error)
	// Idle is the time without a job that ends the keeper.
	Idle  time.Duration
	Times Times

	ctx    context.Context // of hosts; it ends with Serve
	cancel context.CancelFunc
	all    sync.WaitGroup
	since  time.Time
	build  string
	exe    string
	downed atomic.Bool // by `gridrun down`

	mu      sync.Mutex
	dialers map[Way]Dialer
	hosts   map[keptAt]*kept
	order   []*kept
	stop    map[keptAt]context.CancelFunc
	jobs    int
	used    time.Time // when the last job ended
	tellers map[*func(string)]bool
	conns   map[*net.UnixConn]bool
}

type keptAt struct {
	host Host
	way  Way
}

// Serve answers on l until `down`, the end of ctx or a time without jobs, and
// returns when nothing is kept any more.
func (k *Keeper) Serve(ctx context.Context, l *net.UnixListener) error {
	var err error
	if k.build, err = build(); err != nil {
		return err
	}
	k.exe = exeID()
	k.Times = k.Times.withDefaults()
	k.ctx, k.cancel = context.WithCancel(ctx)
	defer k.cancel()
	k.since, k.used = time.Now(), time.Now()
	k.dialers, k.hosts, k.stop = map[Way]Dialer{}, map[keptAt]*kept{}, map[keptAt]context.CancelFunc{}
	k.tellers, k.conns = map[*func(string)]bool{}, map[*net.UnixConn]bool{}
	context.AfterFunc(k.ctx, func() {
		l.Close() // removes the socket
		k.mu.Lock()
		defer k.mu.Unlock()
		for c := range k.conns {
			c.CloseRead() // who carries bytes ends the agent; what that says still goes out
		}
	})
	k.all.Go(k.watchIdle)
	for {
		c, err := l.AcceptUnix()
		if k.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			if err == nil {
				c.Close()
			}
			break
		}
		if err != nil { // no descriptors left: jobs go on, and later there may be some
			select {
			case <-time.After(acceptPause):
			case <-k.ctx.Done():
			}
			continue
		}
		if !ours(c) {
			c.Close()
			continue
		}
		k.all.Go(func() { k.serve(c) })
	}
	joined := make(chan struct{})
	go func() {
		k.all.Wait()
		close(joined)
	}()
	select {
	case <-joined:
	case <-time.After(2 * discardLimit): // who waits for a host that is cut off
	}
	return nil
}

// acceptPause is how long a keeper that has no descriptor left waits before it
// takes the next connection.
const acceptPause = 50 * time.Millisecond

// ours says whether the peer is this user.
func ours(c *net.UnixConn) bool {
	uid, _, ok := rundir.Peer(c)
	return ok && uid == os.Getuid()
}

// watchIdle ends the keeper when no job has used it for long, nor `up`.
func (k *Keeper) watchIdle() {
	for {
		k.mu.Lock()
		left := k.Idle - time.Since(k.used)
		if k.jobs+len(k.tellers) > 0 {
			left = k.Idle
		}
		k.mu.Unlock()
		if left <= 0 {
			k.cancel()
			return
		}
		select {
		case <-time.After(left):
		case <-k.ctx.Done():
			return
		}
	}
}

// requestLimit is how long a client may take to say what it wants.
const requestLimit = 10 * time.Second

// serve answers one connection.
func (k *Keeper) serve(c *net.UnixConn) {
	k.mu.Lock()
	k.conns[c] = true
	if k.ctx.Err() != nil {
		c.CloseRead()
	}
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.conns, c)
		k.mu.Unlock()
		c.Close()
	}()
	c.SetReadDeadline(time.Now().Add(requestLimit))
	var r request
	if readMessage(c, &r) != nil {
		return // an impatient client, or one that only looked whether we live
	}
	c.SetReadDeadline(time.Time{})
	switch r.Op {
	case opStatus:
		s := k.status()
		writeMessage(c, reply{Status: &s})
	case opUp:
		k.up(c, r)
	case opAgent:
		k.agent(c, r)
	case opSFTP:
		k.sftp(c, r)
	case opDown:
		k.down(c, r)
	default:
		writeMessage(c, reply{Error: fmt.Sprintf("this keeper knows no %q", r.Op)})
	}
}

func (k *Keeper) status() Status {
	k.mu.Lock()
	s := Status{Build: k.build, Exe: k.exe, Pid: os.Getpid(), Since: k.since.Unix(), Idle: int64(k.Idle), Jobs: k.jobs}
	order := append([]*kept(nil), k.order...)
	k.mu.Unlock()
	for _, h := range order {
		s.Hosts = append(s.Hosts, h.status())
	}
	return s
}

// up keeps hosts from now on, and answers for each as soon as its fate is known.
// One that never came up is not kept.
func (k *Keeper) up(c *net.UnixConn, r request) {
	var writing sync.Mutex
	say := func(m reply) {
		writing.Lock()
		defer writing.Unlock()
		writeMessage(c, m) // the client may have gone; the hosts are kept all the same
	}
	tell := func(text string) { say(reply{Notice: text}) }
	k.mu.Lock()
	k.tellers[&tell] = true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.tellers, &tell)
		k.used = time.Now()
		k.mu.Unlock()
	}()
	var all sync.WaitGroup
	for _, at := range r.Hosts {
		h, err := k.keep(at, r.Way)
		if err != nil {
			say(reply{Host: &HostStatus{Host: at, Way: r.Way, Why: err.Error()}})
			continue
		}
		all.Go(func() {
			s := h.await(k.ctx)
			if !s.Up {
				k.drop(at, r.Way)
			}
			say(reply{Host: &s})
		})
	}
	all.Wait()
	k.mu.Lock()
	nothing := len(k.hosts) == 0
	k.mu.Unlock()
	say(reply{})
	if nothing {
		k.cancel()
	}
}

// keep is the kept host; one that has been lost is tried again.
func (k *Keeper) keep(at Host, way Way) (*kept, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.hosts[keptAt{at, way}]; h != nil {
		if !h.status().Up {
			h.change(func() { h.trying = true })
			poke(h.retry)
		}
		return h, nil
	}
	d := k.dialers[way]
	if d == nil {
		var err error
		if d, err = k.Dial(way, k.tell); err != nil {
			return nil, err
		}
		k.dialers[way] = d
	}
	ctx, cancel := context.WithCancel(k.ctx)
	h := newKept(at, way, d, k.Times)
	k.hosts[keptAt{at, way}], k.stop[keptAt{at, way}] = h, cancel
	k.order = append(k.order, h)
	k.all.Go(func() { h.run(ctx) })
	return h, nil
}

// drop keeps a host no longer.
func (k *Keeper) drop(at Host, way Way) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := k.hosts[keptAt{at, way}]
	if h == nil {
		return
	}
	k.stop[keptAt{at, way}]()
	delete(k.hosts, keptAt{at, way})
	delete(k.stop, keptAt{at, way})
	for i, other := range k.order {
		if other == h {
			k.order = append(k.order[:i:i], k.order[i+1:]...)
		}
	}
}

// tell says a line to those who are bringing hosts up.
func (k *Keeper) tell(text string) {
	k.mu.Lock()
	var tellers []func(string)
	for t := range k.tellers {
		tellers = append(tellers, *t)
	}
	k.mu.Unlock()
	for _, t := range tellers {
		t(text)
	}
}

// find is the host that a request is about.
func (k *Keeper) find(r request) (*kept, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.hosts[keptAt{r.Host, r.Way}]; h != nil {
		return h, nil
	}
	return nil, errors.New("it is not kept")
}

// down ends the keeper and answers when nothing is kept any more.
func (k *Keeper) down(c *net.UnixConn, r request) {
	k.mu.Lock()
	jobs := k.jobs
	k.mu.Unlock()
	if jobs > 0 && !r.Now {
		writeMessage(c, reply{Error: fmt.Sprintf("%d agents work for jobs; --now ends these jobs too", jobs)})
		return
	}
	k.mu.Lock()
	hosts := append([]*kept(nil), k.order...)
	k.mu.Unlock()
	k.downed.Store(true)
	k.cancel()
	for _, h := range hosts {
		<-h.gone
	}
	writeMessage(c, reply{})
}

package tcp

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
)

// Polled is a Net whose TCP connections are read and written by who polls it: a
// message wakes no goroutine and no thread of its receiver while that waits for it.
//
// All sockets are in one epoll set, level-triggered: Poll looks into it and
// serves those that are ready, which is one system call when none is. A set can
// itself be watched by others; Sleep waits for one of two that do:
//
//	outer[0]  sockets               and wake[0]    the holder of the poll token
//	outer[1]  sockets, once armed   and wake[1]    the background poller
//
// Watch(false) arms outer[1]; the first thing to come disarms it. So a process
// that polls again and again is rung once at most.
//
// All that comes into being with the first socket: most processes of a job never
// have one, and until then who sleeps takes no thread.
type Polled struct {
	*Net
	begin   sync.Once   // makes what follows
	begun   atomic.Bool // it is there
	failed  error       // why it is not; of begin
	sockets int         // epoll
	outer   [2]int      // epoll
	bell    [2]int      // eventfd

	early [2]chan struct{} // capacity 1: wakes who sleeps before begin

	polling sync.Mutex // held by who serves sockets
	events  [16]unix.EpollEvent
	hot     hot
	links   atomic.Pointer[[]*link] // by the number of their socket

	wakes  atomic.Uint32
	seen   [2]atomic.Uint32 // wakes at the end of the last Sleep
	asleep [2]atomic.Bool
	dozed  [2][2]unix.EpollEvent // what has ended the sleep; the sleeper's

	closing atomic.Bool  // only Close polls
	life    sync.RWMutex // read-held by who uses bell or outer
	closed  bool         // under life

	mu      sync.Mutex // of what follows
	chores  []*link    // to be served though their sockets may not be ready
	choring atomic.Bool
}

var _ transport.Poller = (*Polled)(nil)

// Polled has the connections of n polled by the caller from now on, before the
// first of them.
func (n *Net) Polled() transport.Network {
	p := &Polled{Net: n, sockets: -1, outer: [2]int{-1, -1}, bell: [2]int{-1, -1}}
	for which := range p.early {
		p.early[which] = make(chan struct{}, 1)
	}
	p.links.Store(new([]*link))
	n.polled = p
	return p
}

// ready makes what sockets are polled with, for the first of them.
func (p *Polled) ready() error {
	p.begin.Do(func() {
		p.life.RLock()
		defer p.life.RUnlock()
		if p.closed {
			p.failed = ErrClosed
			return
		}
		if p.failed = p.open(); p.failed == nil {
			p.begun.Store(true)
		}
	})
	if p.failed == nil {
		p.Wake() // who has slept before sleeps on in outer
	}
	return p.failed
}

func (p *Polled) open() (err error) {
	fds := []*int{&p.sockets, &p.outer[0], &p.outer[1], &p.bell[0], &p.bell[1]}
	for _, fd := range fds[:3] {
		if *fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return err
		}
	}
	for _, fd := range fds[3:] {
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			return err
		}
	}
	for which := range p.outer {
		ring := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.bell[which])}
		if err = unix.EpollCtl(p.outer[which], unix.EPOLL_CTL_ADD, p.bell[which], &ring); err != nil {
			return err
		}
		all := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.sockets)}
		if which == 1 {
			all.Events |= unix.EPOLLONESHOT
		}
		if err = unix.EpollCtl(p.outer[which], unix.EPOLL_CTL_ADD, p.sockets, &all); err != nil {
			return err
		}
	}
	return nil
}

// shut releases everything; nobody polls or sleeps any more.
func (p *Polled) shut() {
	p.closing.Store(true)
	p.Wake()
	p.life.Lock()
	defer p.life.Unlock()
	p.closed = true
	for _, fd := range []int{p.outer[0], p.outer[1], p.sockets, p.bell[0], p.bell[1]} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// drive polls for Close until stop is called, which also releases everything.
func (p *Polled) drive() (stop func()) {
	p.closing.Store(true)
	p.Wake()
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			p.poll()
			p.sleep(0, int64(10*time.Millisecond), nil)
		}
	})
	return func() {
		over.Store(true)
		p.Wake()
		wg.Wait()
		p.shut()
	}
}

// Poll implements transport.Poller.
func (p *Polled) Poll() int {
	if p.closing.Load() {
		return 0
	}
	return p.poll()
}

func (p *Polled) poll() (count int) {
	if !p.polling.TryLock() {
		return 0
	}
	defer p.polling.Unlock()
	if p.choring.Load() {
		for _, l := range p.takeChores() {
			count += l.serve(0)
		}
	}
	if !p.begun.Load() {
		return count
	}
	if l := p.hot.next(); l != nil {
		n := l.serve(unix.EPOLLIN)
		if n > 0 {
			p.hot.brought(l)
		}
		return count + n
	}
	n, _, no := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.sockets), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
	if no != 0 {
		return count
	}
	links := *p.links.Load()
	for _, e := range p.events[:n] {
		l := links[e.Fd]
		if n := l.serve(e.Events); n > 0 {
			count += n
			p.hot.brought(l)
		}
	}
	return count
}

// Sleep implements transport.Poller.
func (p *Polled) Sleep(which int, timeout int64) {
	if !p.closing.Load() {
		p.sleep(which, timeout, nil)
	}
}

// Doze implements transport.Poller.
func (p *Polled) Doze(pulse *spin.Pulse) {
	if !p.closing.Load() {
		p.sleep(1, int64(dozeTime), pulse)
	}
}

// dozeTime is how long who dozes sleeps where the kernel has no epoll_pwait2 (before
// 5.11), or no socket is there.
const dozeTime = time.Millisecond

// sleep takes its timeout from pulse if that is not nil.
func (p *Polled) sleep(which int, timeout int64, pulse *spin.Pulse) {
	p.life.RLock()
	defer p.life.RUnlock()
	cur := p.wakes.Load()
	if p.closed || p.seen[which].Swap(cur) != cur {
		return
	}
	// Whoever wakes advances the count and then looks who is asleep.
	p.asleep[which].Store(true)
	if p.wakes.Load() == cur {
		p.doze(which, timeout, pulse)
	}
	p.asleep[which].Store(false)
	p.seen[which].Store(p.wakes.Load())
}

// doze sleeps until something comes, a Wake or the timeout.
func (p *Polled) doze(which int, timeout int64, pulse *spin.Pulse) {
	if !p.begun.Load() {
		var late <-chan time.Time
		if timeout > 0 {
			timer := time.NewTimer(time.Duration(timeout))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-p.early[which]:
		case <-late:
		}
		return
	}
	ms := -1
	if timeout > 0 {
		ms = int((timeout + 999999) / 1000000)
	}
	events := &p.dozed[which] // on the stack it would be an allocation each time
	set, memory, most := uintptr(p.outer[which]), uintptr(unsafe.Pointer(events)), uintptr(len(events))
	var n uintptr
	no := unix.ENOSYS
	if pulse != nil && unsafe.Sizeof(unix.Timespec{}) == 16 { // as the kernel has it
		n, no = spin.BlockWhile(pulse, 0, unix.SYS_EPOLL_PWAIT2, set, memory, most, 0, 0)
	}
	if no == unix.ENOSYS {
		n, no = spin.Block(unix.SYS_EPOLL_PWAIT, set, memory, most, uintptr(ms), 0, 0)
	}
	if no != 0 {
		return
	}
	for _, e := range events[:n] {
		if int(e.Fd) == p.bell[which] {
			var b [8]byte
			unix.Read(p.bell[which], b[:])
		}
	}
}

// Wake implements transport.Poller.
func (p *Polled) Wake() {
	p.life.RLock()
	defer p.life.RUnlock()
	p.wakes.Add(1)
	if p.closed {
		return
	}
	for which, early := range p.early {
		if !p.asleep[which].Load() {
			continue
		}
		select {
		case early <- struct{}{}:
		default:
		}
		if p.begun.Load() {
			unix.Write(p.bell[which], []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}
}

// Watch implements transport.Poller. What is there when watching stops rings.
func (p *Polled) Watch(on bool) bool {
	if on || p.closing.Load() {
		return false
	}
	p.life.RLock()
	defer p.life.RUnlock()
	if !p.closed && p.begun.Load() {
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(p.sockets)}
		unix.EpollCtl(p.outer[1], unix.EPOLL_CTL_MOD, p.sockets, &e)
	}
	return false
}

// Nudge implements transport.Poller: no memory is shared that way.
func (p *Polled) Nudge(int) {}

// attend has l served soon.
func (n *Net) attend(l *link) {
	p := n.polled
	p.mu.Lock()
	p.chores = append(p.chores, l)
	p.choring.Store(true)
	p.mu.Unlock()
	p.Wake()
}

func (p *Polled) takeChores() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := p.chores
	p.chores = nil
	p.choring.Store(false)
	return links
}

// carry makes c the carrier of l's frames.
func (n *Net) carry(l *link, c net.Conn) *conn {
	t, ok := c.(*net.TCPConn)
	v := veilOf(c)
	if v != nil {
		t, ok = v.Conn.(*net.TCPConn)
	}
	if ok && n.polled != nil && n.polled.ready() == nil {
		if s, err := newSocket(l, t); err == nil {
			if v != nil {
				s.veil, s.unread, v.raw = v, true, s
			}
			return &conn{carrier: s, polled: true, sealed: v != nil, in: newInput(s, l.peer, l.sink)}
		}
	}
	return &conn{carrier: newStream(c)}
}

// watchFor says what of l's socket is to be looked for. Called with l.mu held.
func (n *Net) watchFor(l *link) {
	var want uint32
	if l.conn.ended == nil {
		want |= unix.EPOLLIN
	}
	if l.conn.full {
		want |= unix.EPOLLOUT
	}
	if s := l.conn.carrier.(*socket); want != s.events {
		s.look(want)
	}
}

// serve does for a polled link what can be done now; ready has what epoll says
// of its socket. Called by who polls.
func (l *link) serve(ready uint32) (count int) {
	c := l.conn
	s := c.carrier.(*socket)
	l.mu.Lock()
	if l.state == down {
		l.mu.Unlock()
		return 0
	}
	ended := c.ended
	resume := c.full && !l.writing && (ready&^unix.EPOLLIN != 0 || l.err != nil)
	if resume {
		c.full, l.writing = false, true
	}
	l.mu.Unlock()

	if resume {
		count += l.write(false)
		l.mu.Lock()
		l.n.watchFor(l)
		l.mu.Unlock()
	}
	if ended == nil {
		err := errAgain
		if s.expired.Load() {
			err = os.ErrDeadlineExceeded
		} else if ready&^unix.EPOLLOUT != 0 || s.unread {
			s.drained, s.unread, s.budget = false, false, budget
			var n int
			n, err = c.in.run()
			count += n
		}
		if err == errAgain {
			return count
		}
		ended = silence(err)
		l.mu.Lock()
		c.ended = ended
		l.mu.Unlock()
	}
	if !l.lingers() {
		l.finish(ended)
	}
	return count
}

// lingers says that a link whose peer has left may still get data on its lanes, or, as
// this process leaves too, has frames to send: the peer reads until it has seen our end.
func (l *link) lingers() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conn
	if !errors.Is(c.ended, transport.ErrLeft) || l.err != nil {
		return false
	}
	if l.awaitsLanes(l.leaving) {
		l.n.watchFor(l)
		return true
	}
	if !l.leaving {
		return false
	}
	if l.writing {
		return true
	}
	l.n.watchFor(l)
	return l.queue.head != nil || !c.out.empty()
}

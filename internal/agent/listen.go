package agent

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/transport/tcp"
	"gridrun/internal/wire"
)

const (
	// strangerTime is how long a connection may take to name its target,
	// maxStrangers how many may be doing so at once; more are refused.
	strangerTime = 5 * time.Second
	maxStrangers = 256
)

// lookup answers where process proc listens. Processes share the agent's port,
// which is opened when first asked for.
func (a *agent) lookup(proc int) *wire.Address {
	no := func(format string, args ...any) *wire.Address {
		return &wire.Address{Proc: proc, Error: fmt.Sprintf(format, args...)}
	}
	p := a.byProc[proc]
	switch {
	case proc < 0 || proc >= len(a.start.Topology.ProcHost):
		return no("the job has no process %d, only 0 to %d", proc, len(a.start.Topology.ProcHost)-1)
	case p == nil:
		return no("process %d runs on host %s, whose agent alone knows its address", proc, a.hostName(a.start.Topology.ProcHost[proc]))
	case p.state == ended:
		return no("process %d has ended", proc)
	}
	if a.listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return no("opening the host's port: %v", err)
		}
		a.listener = l
		a.wg.Go(func() { a.accept(l) })
	}
	return &wire.Address{Proc: proc, Addrs: []string{a.listener.Addr().String()}}
}

// accept takes connections until l is closed.
func (a *agent) accept(l net.Listener) {
	strangers := make(chan struct{}, maxStrangers)
	for {
		c, err := l.Accept()
		if err != nil {
			select {
			case <-a.quit:
				return
			case <-time.After(10 * time.Millisecond): // out of descriptors: some will be free again
				continue
			}
		}
		select {
		case strangers <- struct{}{}:
			a.wg.Go(func() {
				a.meet(c)
				<-strangers
			})
		default:
			c.Close()
		}
	}
}

// meet reads the preamble, which says whom a connection is for, and passes the
// connection on. Whoever does not speak the protocol is not answered. What comes
// after the preamble, first of all the proof of the job's key both ways, is between
// the two processes.
func (a *agent) meet(c net.Conn) {
	defer c.Close()
	closer := make(chan struct{})
	defer close(closer)
	a.wg.Go(func() {
		select {
		case <-a.quit:
			c.Close()
		case <-closer:
		}
	})
	c.SetReadDeadline(time.Now().Add(strangerTime))
	var preamble [tcp.PreambleSize]byte
	if _, err := io.ReadFull(c, preamble[:]); err != nil {
		return
	}
	proc, err := tcp.ParsePreamble(preamble[:])
	if err != nil {
		return
	}
	fd, err := duplicate(c.(*net.TCPConn))
	if err != nil {
		return
	}
	a.post(func() {
		if p := a.byProc[proc]; p != nil {
			a.tell(p, new(wire.Conn), fd)
		} else {
			syscall.Close(fd)
		}
	})
}

// duplicate returns a descriptor of c of its own.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	ctlErr := raw.Control(func(from uintptr) {
		fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3)
	})
	if ctlErr != nil {
		return -1, ctlErr
	}
	return fd, err
}

// hostName is the name of host i as the launcher calls it.
func (a *agent) hostName(i int) string {
	if hosts := a.start.Topology.Hosts; i >= 0 && i < len(hosts) {
		return hosts[i]
	}
	return strconv.Itoa(i)
}

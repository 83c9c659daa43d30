package agent

import (
	"fmt"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/transport/reach"
	"gridrun/internal/wire"
)

// openPort opens the host's one port if processes of the job connect over TCP.
func (a *agent) openPort() (err error) {
	alone := len(a.start.Topology.Hosts) < 2
	if alone && a.start.Transport != "tcp" {
		return nil
	}
	a.port, err = reach.Listen(reach.Config{
		Job: a.start.Job, Key: a.start.Key, Host: a.start.Host,
		Net: a.start.Net, Ports: a.start.Ports, Loopback: alone,
	})
	return err
}

// addrs is where connections to this host's processes may try.
func (a *agent) addrs() []string {
	if a.port == nil {
		return nil
	}
	return a.port.Addrs()
}

// Admit implements reach.Owner: the loop knows who is here.
func (a *agent) Admit(to int) reach.Status {
	answer := make(chan reach.Status, 1)
	a.post(func() { answer <- a.status(to) })
	select {
	case s := <-answer:
		return s
	case <-a.quit:
		return reach.Ended
	}
}

func (a *agent) status(to int) reach.Status {
	if to == reach.Service(a.start.Host) {
		if a.stopping {
			return reach.Ended
		}
		if a.service == nil {
			a.startService()
		}
		if a.service.failed != "" {
			return reach.Failed
		}
		return reach.Here
	}
	switch p := a.byProc[to]; {
	case p == nil:
		return reach.Unknown
	case p.state == ended:
		return reach.Ended
	}
	return reach.Here
}

// Take implements reach.Owner: the connection goes to its process as a descriptor.
func (a *agent) Take(to, from int, c *net.TCPConn) {
	defer c.Close()
	fd, err := duplicate(c)
	if err != nil {
		return
	}
	a.post(func() {
		conn := &wire.Conn{From: from}
		switch p := a.byProc[to]; {
		case p != nil:
			a.tell(p, conn, fd)
		case a.service != nil && a.service.control != nil:
			a.tellService(conn, fd)
		default:
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

// A question is a look-up that waits for the launcher. The asker is a process,
// or nil for the host service.
type question struct {
	asker *process
	proc  int
}

// lookup answers where process proc listens; when that is another host which
// nobody has asked for yet, the launcher is asked first.
func (a *agent) lookup(asker *process, proc int) {
	host := -1 - proc
	if proc >= 0 && proc < len(a.start.Topology.ProcHost) {
		host = a.start.Topology.ProcHost[proc]
	}
	q := question{asker, proc}
	switch known := a.located[host]; {
	case proc >= len(a.start.Topology.ProcHost) || host < 0 || host >= len(a.start.Topology.Hosts):
		a.answer(q, &wire.Address{Error: fmt.Sprintf("the job has no process %d, only 0 to %d, and -1 to %d for the services of its hosts",
			proc, len(a.start.Topology.ProcHost)-1, -len(a.start.Topology.Hosts))})
	case host == a.start.Host && a.port == nil:
		a.answer(q, &wire.Address{Error: "the job is on this host alone and uses no TCP"})
	case host == a.start.Host && proc >= 0 && a.status(proc) != reach.Here:
		a.answer(q, &wire.Address{Error: fmt.Sprintf("process %d has ended", proc)})
	case host == a.start.Host:
		a.answer(q, &wire.Address{Addrs: a.addrs()})
	case known != nil:
		a.answer(q, &wire.Address{Addrs: known.Addrs, Error: known.Error})
	default:
		if a.questions[host] == nil {
			a.questions[host] = make(map[question]bool)
			a.link.send(&wire.Locate{Host: host})
		}
		a.questions[host][q] = true
	}
}

// learn takes the launcher's answer and gives it to all who wait for it.
func (a *agent) learn(m *wire.Located) {
	a.located[m.Host] = m
	for q := range a.questions[m.Host] {
		a.answer(q, &wire.Address{Addrs: m.Addrs, Error: m.Error})
	}
	delete(a.questions, m.Host)
}

// loseHost has whoever looks for the host, or reads from its service, know that
// it is lost: what was sent to it is not answered, and its kernel says nothing.
func (a *agent) loseHost(m *wire.Gone) {
	a.learn(&wire.Located{Host: m.Lost - 1, Error: m.Why})
	if a.service != nil && a.service.control != nil {
		a.tellService(&wire.Gone{Lost: m.Lost, Why: m.Why}, 0)
	}
}

func (a *agent) answer(q question, at *wire.Address) {
	at.Proc = q.proc
	if q.proc < 0 {
		at.Host = a.hostName(-1 - q.proc)
	} else if q.proc < len(a.start.Topology.ProcHost) {
		at.Host = a.hostName(a.start.Topology.ProcHost[q.proc])
	}
	if q.asker == nil {
		a.tellService(at, 0)
		return
	}
	a.tell(q.asker, at, 0)
}

// hostName is the name of host i as the launcher calls it.
func (a *agent) hostName(i int) string {
	if hosts := a.start.Topology.Hosts; i >= 0 && i < len(hosts) {
		return hosts[i]
	}
	return strconv.Itoa(i)
}

package agent

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/agent/environ"
	"gridrun/internal/agent/guard"
	"gridrun/internal/agent/procio"
	"gridrun/internal/transport/reach"
	"gridrun/internal/wire"
)

// A service is the host service process: no rank, started when a process first
// asks for it, killed when no rank of the job runs any more or the job is
// stopped. Once it has failed it stays failed.
type service struct {
	control *procio.Control
	pid     int    // 0 until it runs
	failed  string // why there is none
	left    bool   // it has closed its socket by itself: it is dying, and was not stopped
	said    int    // memory file that takes its standard error, for the reason of a crash
}

// needed says that the agent must go on for the service's sake when its own
// processes have all ended: ranks of other hosts still run, and may want what it
// keeps, or it is just dying, and what it died of is the reason of all else.
func (a *agent) needed() bool {
	if a.stopping {
		return a.service != nil && a.service.left && a.service.pid != 0
	}
	return a.service != nil && a.service.failed == "" && len(a.localRank)+len(a.elsewhere) < len(a.start.Topology.RankProc)
}

// serve connects process p to the host service: each gets one end of a new
// stream socket. The answer to p never waits for the service to run; its end
// holds what p writes, or is closed when the service cannot be started.
func (a *agent) serve(p *process, rank int) {
	if a.service == nil {
		a.startService()
	}
	if a.service.failed != "" {
		a.tell(p, &wire.Service{Rank: rank, Error: a.service.failed}, 0)
		return
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		a.tell(p, &wire.Service{Rank: rank, Error: fmt.Sprintf("connecting to the host service: %v", err)}, 0)
		return
	}
	a.tellService(&wire.Service{Rank: rank}, pair[0])
	a.tell(p, &wire.Service{Rank: rank}, pair[1])
}

// tellService sends m to the host service, with descriptor fd unless it is 0.
func (a *agent) tellService(m wire.Message, fd int) {
	data, err := wire.Marshal(m)
	if err != nil {
		procio.Packet{FD: fd}.Drop()
		return
	}
	a.service.control.Send(procio.Packet{Data: data, FD: fd})
}

// startService has the service started and makes its control socket at once.
func (a *agent) startService() {
	a.service = new(service)
	s := a.service
	welcome, err := wire.Marshal(&wire.Welcome{
		Version: wire.Version, Job: a.start.Job, Key: a.start.Key, Proc: reach.Service(a.start.Host), Topology: a.start.Topology,
		Transport: a.start.Transport, Encrypt: a.start.Encrypt,
	})
	if err != nil {
		s.failed = fmt.Sprintf("the host service: %v", err)
		return
	}
	var fds fdSet
	socket, control, err := fds.control(procio.Packet{Data: welcome}, a)
	if err != nil {
		fds.closeTheirs()
		s.failed = fmt.Sprintf("the host service: %v", err)
		return
	}
	s.control = control
	a.wg.Go(func() { a.readService(s) })
	if s.said, err = unix.MemfdCreate("service", unix.MFD_CLOEXEC); err != nil {
		s.said = 2
	}
	a.pending++
	a.starts <- func() {
		a.bind(-1) // where it fails, the service is bound like the last process
		pid, err := syscall.ForkExec(guard.SelfExe, []string{"gridrun", hostdVerb}, &syscall.ProcAttr{
			Env:   environ.Merge(os.Environ(), []string{"GRIDRUN_JOB=" + a.start.Job, "GRIDRUN_CONTROL=" + strconv.Itoa(environ.ControlFD)}),
			Files: []uintptr{uintptr(a.devNull), uintptr(s.said), uintptr(s.said), uintptr(socket)},
			Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
		})
		fds.closeTheirs()
		a.post(func() { a.serviceStarted(pid, err) })
	}
}

func (a *agent) serviceStarted(pid int, err error) {
	a.pending--
	if err != nil {
		a.serviceEnded(fmt.Sprintf("the host service of %s could not be started: %v", a.hostName(a.start.Host), err))
		return
	}
	a.service.pid = pid
	if e, died := a.takeEarly(pid); died {
		a.serviceDied(e)
	}
}

func (a *agent) serviceDied(e ending) {
	pid := a.service.pid
	a.service.pid = 0
	a.serviceEnded(fmt.Sprintf("the host service of %s (pid %d) has ended: %s%s", a.hostName(a.start.Host), pid, describe(e.status), a.service.lastWords()))
}

// lastWords is what a service that crashed has said first: the runtime's reason.
func (s *service) lastWords() string {
	buf := make([]byte, 300)
	n, err := unix.Pread(s.said, buf, 0)
	if err != nil || n == 0 {
		return ""
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return ": " + line
}

// serviceEnded says once that the service is gone; whoever asks from now on is
// told why.
func (a *agent) serviceEnded(why string) {
	s := a.service
	s.control.Close()
	s.failed = why
	if !a.stopping || s.left {
		a.link.send(&wire.Notice{Text: s.failed})
	}
}

// readService takes what the service has to say to the user, and its questions.
func (a *agent) readService(s *service) {
	for {
		m, err := s.control.Receive()
		if errors.Is(err, wire.ErrControl) {
			continue
		}
		if err != nil {
			// Ranks see its end as soon as we do, and the job may be stopped for that
			// before it can be reaped.
			a.post(func() { s.left = !a.stopping })
			return
		}
		switch m := m.(type) {
		case *wire.Notice:
			a.link.send(m)
		case *wire.Lookup:
			a.post(func() { a.lookup(nil, m.Proc) })
		}
	}
}

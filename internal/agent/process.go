package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"gridrun/internal/agent/command"
	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

// linger is how long after its death a process's output and control socket may
// be held open by a grandchild before the agent gives them up.
const linger = 200 * time.Millisecond

// lingerKilled is that for one that a signal has killed: it has left nothing to
// be brought to an end in order, and the job must hear of it.
const lingerKilled = 20 * time.Millisecond

// maxFailures is how many failures one process may report.
const maxFailures = 64

type procState int

const (
	starting procState = iota
	running
	ended
)

// A process is one that the agent starts, from Start to Exit.
type process struct {
	spec    *wire.ProcSpec
	state   procState
	pid     int
	control *procio.Control
	stdin   *procio.Feeder
	outputs []*os.File

	attached bool             // it has read its Welcome
	bound    string           // to these CPUs, if that is wanted
	backlog  []procio.Packet  // sent while starting
	inputs   [][]byte         // input that came while starting
	signals  []syscall.Signal // likewise
	open     int              // of stdout, stderr and control, those that have not ended
	failures int
	stopped  bool // the agent has signalled it, or will
	exit     wire.Exit
	record   *record // nil: nothing is observed
}

// An ending is what the kernel says of a process that has ended.
type ending struct {
	status syscall.WaitStatus
	usage  syscall.Rusage
}

// send queues a packet for the process; one that has ended gets nothing.
func (p *process) send(k procio.Packet) {
	switch p.state {
	case starting:
		p.backlog = append(p.backlog, k)
	case running:
		p.control.Send(k)
	case ended:
		k.Drop()
	}
}

// started takes over what a starting thread made.
func (a *agent) started(p *process, c child, failed *command.Error) {
	a.pending--
	if failed != nil {
		p.exit.Code, p.exit.Error = failed.Code, failed.Text
		a.end(p, failed.Text)
		a.sendExit(p)
		a.sendRecord(p)
		return
	}
	p.state, p.pid, p.control, p.bound = running, c.pid, c.control, c.bound
	p.outputs = []*os.File{c.stdout, c.stderr}
	p.record = c.record
	p.open = 3
	a.byPid[c.pid] = p
	a.link.sendSoon(&wire.Started{Proc: p.spec.Proc, Pid: c.pid})
	a.pumpOutput(p, c.stdout, false)
	a.pumpOutput(p, c.stderr, true)
	a.wg.Go(func() { a.readControl(p, c.control) })
	for _, k := range p.backlog {
		p.control.Send(k)
	}
	p.backlog = nil
	if c.stdin != nil {
		a.feed(p, c.stdin)
		for _, data := range p.inputs {
			p.stdin.Put(data)
		}
		p.inputs = nil
	}
	if a.killing != nil {
		p.signals = append(p.signals, syscall.SIGKILL)
	}
	for _, sig := range p.signals {
		syscall.Kill(-p.pid, sig)
	}
	if e, died := a.takeEarly(p.pid); died {
		a.died(p, e)
	}
}

// reap collects every child that has ended: processes, the host service, and
// descendants whose parents are gone.
func (a *agent) reap() {
	for {
		var e ending
		pid, err := syscall.Wait4(-1, &e.status, syscall.WNOHANG, &e.usage)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		switch p := a.byPid[pid]; {
		case p != nil:
			a.died(p, e)
		case a.service != nil && a.service.pid == pid:
			a.serviceDied(e)
		case a.pending > 0:
			a.early[pid] = e
		}
	}
}

// takeEarly returns how a child ended that was reaped before its start was known.
func (a *agent) takeEarly(pid int) (e ending, died bool) {
	e, died = a.early[pid]
	delete(a.early, pid)
	if a.pending == 0 {
		clear(a.early) // orphans: all that could be asked for is known
	}
	return e, died
}

// died notes how p ended. Its Exit waits for what it has still to say.
func (a *agent) died(p *process, e ending) {
	delete(a.byPid, p.pid)
	p.exit.Stop = p.stopped
	p.exit.Code = e.status.ExitStatus()
	if e.status.Signaled() {
		p.exit.Signal = int(e.status.Signal())
		p.exit.Code = 128 + p.exit.Signal
	}
	p.exit.CPU = e.usage.Utime.Nano() + e.usage.Stime.Nano()
	// The kernel counts the agent's own size at the time of the fork in.
	p.exit.RSS = e.usage.Maxrss << 10
	if p.stdin != nil {
		p.stdin.Close()
	}
	giveUp := time.Now().Add(linger)
	if e.status.Signaled() {
		giveUp = time.Now().Add(lingerKilled)
	}
	for _, f := range p.outputs {
		f.SetReadDeadline(giveUp) // fails only on files that have ended
	}
	p.control.EndBy(giveUp)
	a.end(p, describe(e.status))
	a.sendRecord(p)
	if p.open == 0 {
		a.sendExit(p)
	}
}

// end tells everybody on this host that p is no more.
func (a *agent) end(p *process, why string) {
	p.state = ended
	for _, k := range p.backlog {
		k.Drop()
	}
	p.backlog = nil
	a.segment.MarkDead(p.spec.Proc)
	gone := &wire.Gone{Ranks: p.spec.Ranks, Finished: p.exit.Code == 0}
	if !gone.Finished {
		gone.Why = why
	}
	a.tellGone(gone)
	a.silenced(p)
}

// streamEnded counts p's streams; after the last one nothing of p is under way.
func (a *agent) streamEnded(p *process) {
	p.open--
	if p.open == 0 && p.state == ended {
		a.sendExit(p)
	}
}

func (a *agent) sendExit(p *process) {
	if p.exit.Code == 0 && p.exit.Error == "" {
		a.link.sendSoon(&p.exit)
	} else {
		a.link.send(&p.exit)
	}
	p.close()
	a.unended--
}

// close gives up everything that is open to p.
func (p *process) close() {
	if p.control != nil {
		p.control.Close()
	}
	if p.stdin != nil {
		p.stdin.Close()
	}
	for _, f := range p.outputs {
		f.Close() // fails on those that have ended
	}
}

// readControl posts what a process says over its control socket. Packets that
// are no message are the process's own trouble.
func (a *agent) readControl(p *process, c *procio.Control) {
	for {
		m, err := c.Receive()
		if errors.Is(err, wire.ErrControl) {
			continue
		}
		if err != nil {
			break
		}
		a.post(func() { a.heard(p, m) })
	}
	a.post(func() { a.streamEnded(p) })
}

// heard does what a process asks for.
func (a *agent) heard(p *process, m wire.Message) {
	switch m := m.(type) {
	case *wire.Attach:
		a.attach(p)
	case *wire.Lookup:
		a.lookup(p, m.Proc)
	case *wire.Service:
		a.serve(p, m.Rank)
	case *wire.Failed:
		if p.failures++; p.failures <= maxFailures {
			if m.Failure.Host == "" {
				m.Failure.Host = a.hostName(a.start.Host)
			}
			a.link.send(m)
			a.endRank(p, m.Failure)
		}
	case *wire.Told:
		a.told(p, m)
	case *wire.Progress:
		a.link.send(m)
	}
}

// endRank tells the processes of this host that a rank has failed whose process
// goes on with other ranks. The launcher tells the other hosts.
func (a *agent) endRank(p *process, f wire.Failure) {
	if len(p.spec.Ranks) > 1 && !f.Aborted && slices.Contains(p.spec.Ranks, f.Rank) {
		a.tellGone(&wire.Gone{Ranks: []int{f.Rank}, Part: true, Why: f.Text})
	}
}

// input passes standard input on to p. Its end may come before p runs.
func (p *process) input(data []byte) {
	switch {
	case p.state == starting:
		p.inputs = append(p.inputs, data)
	case p.stdin != nil:
		p.stdin.Put(data)
	}
}

// describe says in words how a process ended.
func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("killed by signal %d (%v)", int(status.Signal()), status.Signal())
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}

// pumpOutput starts the pump of one output pipe of p; the loop learns its end.
func (a *agent) pumpOutput(p *process, file *os.File, stderr bool) {
	proc := p.spec.Proc
	spoke := false
	out := &procio.Pump{File: file, Credit: a.credit, Emit: func(data []byte) {
		spoke = true
		a.link.sendOutput(&wire.Output{Proc: proc, Stderr: stderr, Data: data})
	}}
	a.wg.Go(func() {
		out.Run()
		file.Close()
		if spoke { // else its end goes without saying: Exit follows
			a.link.send(&wire.Output{Proc: proc, Stderr: stderr, EOF: true})
		}
		a.post(func() { a.streamEnded(p) })
	})
}

// feed makes p's feeder.
func (a *agent) feed(p *process, file *os.File) {
	proc := p.spec.Proc
	p.stdin = procio.NewFeeder(file, p.pid, &a.wg,
		func(n int, once bool) { a.link.send(&wire.Want{Proc: proc, N: n, Once: once}) },
		func() { a.link.send(&wire.Want{Proc: proc, End: true}) })
}

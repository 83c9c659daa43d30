package agent

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gridrun/internal/agent/command"
	"gridrun/internal/agent/environ"
	"gridrun/internal/agent/guard"
	"gridrun/internal/agent/procio"
	"gridrun/internal/hostclock"
	"gridrun/internal/transport/reach"
	"gridrun/internal/transport/shm"
	"gridrun/internal/wire"
)

// An agent is the supervisor of one host's part of a job. All fields but the
// channels, link and credit belong to the loop once it runs; what is set before
// the starting threads run never changes and is theirs to read.
type agent struct {
	unguarded atomic.Bool // the guard has ended
	stage     string      // directory of the job's inputs, or ""
	start     *wire.Start
	localRank map[int]int // index of each world rank among those of this host
	devNull   int
	clock     hostclock.Clock
	segment   *shm.Segment
	segmentFD int

	link       *link
	credit     *procio.Credit
	events     chan func() // run by the loop
	starts     chan func() // run by the starting threads; never full
	environ    *environ.Host
	cpus       cpus
	results    startResults  // of processes, not taken by the loop yet
	allStarted chan struct{} // has a token when the last result is in
	quit       chan struct{} // closed when the loop has ended
	wg         sync.WaitGroup
	starters   sync.WaitGroup
	recording  sync.Mutex // whose holder sends a process's record

	procs   []*process
	byProc  map[int]*process
	byPid   map[int]*process
	unended int            // processes whose Exit is not sent yet
	telling int            // processes whose record is not sent yet
	pending int            // starts whose result is not in yet
	early   map[int]ending // children reaped before the result of their start came in

	port      *reach.Port // nil: no process connects over TCP
	located   map[int]*wire.Located
	questions map[int]map[question]bool // of each host the launcher was asked for
	service   *service
	elsewhere map[int]bool // ranks of other hosts that have ended
	news      news
	look      *look // an Inspect under way, or nil

	stopping bool
	grace    <-chan time.Time // SIGKILL then
	killing  *time.Ticker     // looks for descendants that escaped the last SIGKILL
	silence  int              // beats sent since the launcher was heard
	resting  bool             // the user has stopped the launcher, which is silent for that
	lost     *loss
}

// A loss is why the agent cannot go on.
type loss struct {
	stage string
	err   error
}

// adopt checks and takes over what the launcher wants.
func (a *agent) adopt(start *wire.Start) error {
	if len(start.Procs) == 0 {
		return errors.New("no process to start on this host")
	}
	a.start = start
	start.Topology = start.Topology.Packed() // every process is sent it
	if start.Away {
		a.settle()
	}
	var ranks []int
	for i := range start.Procs {
		spec := &start.Procs[i]
		if a.byProc[spec.Proc] != nil || spec.Proc < 0 {
			return fmt.Errorf("process number %d is negative or given twice", spec.Proc)
		}
		p := &process{spec: spec, exit: wire.Exit{Proc: spec.Proc}}
		a.procs = append(a.procs, p)
		a.byProc[spec.Proc] = p
		ranks = append(ranks, spec.Ranks...)
	}
	slices.Sort(ranks)
	a.elsewhere = make(map[int]bool)
	a.localRank = make(map[int]int, len(ranks))
	for i, r := range ranks {
		a.localRank[r] = i
	}
	a.environ = environ.New(start, a.localRank, a.share)
	return nil
}

// startAll hands every process to the starting threads. The loop takes what they
// have done together (see takeStarted).
func (a *agent) startAll() {
	a.unended, a.pending = len(a.procs), len(a.procs)
	a.starts = make(chan func(), len(a.procs)+1) // and the host service
	a.allStarted = make(chan struct{}, 1)
	for _, p := range a.procs {
		a.starts <- func() {
			c, failed := a.startProcess(p.spec)
			if a.results.add(startResult{p, c, failed}, len(a.procs)) {
				a.allStarted <- struct{}{}
			}
		}
	}
	a.startThreads(min(max(2, runtime.GOMAXPROCS(0)), 8))
}

// post has the loop run f; nothing happens once the loop has ended.
func (a *agent) post(f func()) {
	select {
	case a.events <- f:
	case <-a.quit:
	}
}

// loop runs until every process's Exit and record are sent and nobody needs the
// host service, or the agent is lost.
func (a *agent) loop() *loss {
	defer close(a.quit)
	// While processes are being started, the loop looks every few milliseconds who
	// has started and who has ended: to be woken for each would slow the starts down.
	looks := time.NewTicker(startLook)
	defer looks.Stop()
	look := looks.C
	children := make(chan os.Signal, 1)
	defer signal.Stop(children)
	var beat, again <-chan time.Time
	if a.start.Lease > 0 {
		beats := time.NewTicker(max(time.Duration(a.start.Lease)/leaseBeats, time.Millisecond))
		defer beats.Stop()
		beat = beats.C
	}
	for (a.unended > 0 || a.telling > 0 || a.needed()) && a.lost == nil {
		select {
		case f := <-a.events:
			f()
		case <-look:
			a.takeStarted()
			a.reap()
		case <-a.allStarted:
			a.takeStarted()
			a.tellBound()
			looks.Stop()
			look = nil
			signal.Notify(children, syscall.SIGCHLD)
			a.reap() // who ended before its signal could be heard
		case <-children:
			a.reap()
		case <-a.grace:
			a.kill()
		case <-again:
			guard.KillDescendants()
		case <-a.news.due:
			a.tellFinished()
		case <-beat:
			a.beat()
		}
		if a.killing != nil {
			again = a.killing.C
		}
	}
	return a.lost
}

// startLook is how often the loop looks after processes while some are still being started.
const startLook = 2 * time.Millisecond

// leaseBeats is how many beats make a lease.
const leaseBeats = 4

// beat gives a sign of life and counts those that the launcher has left
// unanswered. Counting, where a timer would do, because an agent that has itself
// not run for a while (a suspended or overloaded host) finds one tick waiting and
// the launcher's messages behind it.
func (a *agent) beat() {
	if a.resting {
		return // nobody reads, so what is said would only pile up
	}
	if a.silence++; a.silence > leaseBeats {
		a.lost = &loss{"lease", fmt.Errorf("nothing heard from the launcher for %v", time.Duration(a.start.Lease))}
		return
	}
	a.link.send(new(wire.Beat))
}

// handle does what the launcher says.
func (a *agent) handle(m wire.Message) {
	a.silence = 0
	switch m := m.(type) {
	case *wire.Beat:
		a.resting = false
		if m.Ask != 0 {
			a.link.send(&wire.Beat{Answer: m.Ask})
		}
	case *wire.Input:
		if p := a.byProc[m.Proc]; p != nil && p.spec.Stdin {
			p.input(m.Data)
		}
	case *wire.Offer:
		if p := a.byProc[m.Proc]; p != nil && p.stdin != nil {
			p.stdin.Offer()
		}
	case *wire.Grant:
		a.credit.Give(m.N)
	case *wire.Signal:
		// Ctrl-Z: the launcher stops ranks and then itself. Other messages that were
		// on their way may still follow; its next beat or signal says that it goes on.
		a.resting = syscall.Signal(m.Signal) == syscall.SIGSTOP
		a.signalGroups(syscall.Signal(m.Signal))
	case *wire.Stop:
		a.resting = false
		a.stop(m)
	case *wire.Gone:
		if m.Lost > 0 {
			a.loseHost(m)
		}
		// All hosts are told the same; of its own ranks this one knows more.
		m.Ranks = slices.DeleteFunc(m.Ranks, func(r int) bool { _, here := a.localRank[r]; return here })
		if len(m.Ranks) == 0 {
			break
		}
		for _, r := range m.Ranks {
			a.elsewhere[r] = true
		}
		a.tellGone(m)
	case *wire.Located:
		a.learn(m)
	case *wire.Clock:
		a.link.send(a.time(m))
	case *wire.Inspect:
		a.inspect(m)
	default:
		a.lost = &loss{"launcher", fmt.Errorf("unexpected message %T", m)}
	}
}

// stop ends the job on this host: the cause and a signal to every process, and
// SIGKILL to all that is left after the grace period. A further Stop may repeat
// the signal or shorten the wait.
func (a *agent) stop(m *wire.Stop) {
	a.takeStarted()
	a.reap() // who has ended already was not stopped
	if !a.stopping {
		a.stopping = true
		a.spread(&wire.Cause{Failure: m.Cause})
		a.grace = time.After(time.Duration(a.start.Grace))
	}
	if m.Now {
		a.kill()
		return
	}
	sig := syscall.SIGTERM
	if m.Signal != 0 {
		sig = syscall.Signal(m.Signal)
	}
	for _, p := range a.procs {
		p.stopped = p.stopped || p.state != ended
	}
	a.signalGroups(sig)
	a.signalGroups(syscall.SIGCONT) // a suspended process takes its signal only when it goes on
}

// kill sends SIGKILL to every descendant, and again until nobody is left: a
// process may have forked meanwhile, or be just starting.
func (a *agent) kill() {
	a.grace = nil
	if a.killing != nil {
		return
	}
	for _, p := range a.procs {
		p.stopped = p.stopped || p.state != ended
	}
	guard.KillDescendants()
	a.killing = time.NewTicker(20 * time.Millisecond)
}

// signalGroups sends sig to the process group of every process that runs. Only
// the loop reaps, so a pid it knows cannot have been given to somebody else.
func (a *agent) signalGroups(sig syscall.Signal) {
	for pid, p := range a.byPid {
		if len(p.spec.Wrap) > 0 {
			command.SignalWrapped(pid, p.spec.Wrap, sig)
			continue
		}
		syscall.Kill(-pid, sig) // fails only if everybody in the group has just ended
	}
	for _, p := range a.procs {
		if p.state == starting { // it may run already, unknown to the loop
			p.signals = append(p.signals, sig)
		}
	}
}

// tell sends m to p, with descriptor fd unless it is 0.
func (a *agent) tell(p *process, m wire.Message, fd int) {
	data, err := wire.Marshal(m)
	if err != nil {
		procio.Packet{FD: fd}.Drop()
		return
	}
	p.send(procio.Packet{Data: data, FD: fd})
}

// endJob kills and reaps what is left, and ends all goroutines but the link's.
func (a *agent) endJob() {
	if a.port != nil {
		a.port.Close()
	}
	a.credit.Close()
	a.link.hurry()
	started := make(chan struct{})
	go func() {
		a.starters.Wait() // a start under way may add one more descendant
		close(started)
	}()
	guard.EndDescendants(started)
	for _, p := range a.procs {
		p.close()
	}
	if a.service != nil && a.service.control != nil {
		a.service.control.Close()
	}
	a.segment.Close()
}

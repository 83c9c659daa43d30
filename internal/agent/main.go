package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"gridrun/internal/agent/checkup"
	"gridrun/internal/agent/guard"
	"gridrun/internal/agent/procio"
	"gridrun/internal/cpuset"
	"gridrun/internal/hostclock"
	"gridrun/internal/transport/shm"
	"gridrun/internal/wire"
)

// patience is how long a leaving agent waits for its last words to be read.
const patience = 2 * time.Second

// startPatience is how long the launcher may be silent before Start. It waits for
// the slowest host, and sends Beat while it brings files.
const startPatience = 2 * time.Minute

// Main is the agent: it serves one job over standard input and output and
// returns its exit code, 0 when the job has ended and nothing of it is left,
// 125 when the agent could not go on. Only a guard may start it.
func Main() int {
	// The agent's memory is small, and its starting of processes what everybody
	// waits for: no collection before there are some megabytes of garbage.
	debug.SetGCPercent(400)
	if err := guard.BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, "gridrun: agent:", err)
		return guard.Refused
	}
	// A launcher that is gone shows at standard input; writing to it must not
	// kill the agent before the ranks. Caught, not ignored: ranks inherit ignored signals.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	stream, err := wire.NewStream(os.Stdin, os.Stdout)
	if err != nil {
		// The launcher is gone, but may have said before what must be removed.
		if stream, err = wire.NewStream(os.Stdin, io.Discard); err != nil {
			return guard.Refused
		}
	}
	a := &agent{
		link:   newLink(stream),
		events: make(chan func()),
		quit:   make(chan struct{}),
		credit: procio.NewCredit(procio.InitialCredit),
		early:  make(map[int]ending),
		byProc: make(map[int]*process),
		byPid:  make(map[int]*process),

		located:   make(map[int]*wire.Located),
		questions: make(map[int]map[question]bool),
	}
	a.link.send(&wire.Hello{Version: wire.Version, CPUs: cpuset.Processes(cpuset.Usable())})
	defer a.unstage()
	if err := a.open(stream); err != nil {
		return a.trouble("start", err)
	}
	return a.run(stream)
}

// open reads Start and makes everything that needs no process.
func (a *agent) open(stream *wire.Stream) error {
	if err := stream.Open(); err != nil {
		return fmt.Errorf("no launcher at standard input: %w", err)
	}
	m, err := a.first(stream)
	if err != nil {
		return fmt.Errorf("waiting for Start: %w", err)
	}
	start, ok := m.(*wire.Start)
	if !ok {
		return fmt.Errorf("the launcher's first message is %T, not Start", m)
	}
	if start.Version != wire.Version {
		return fmt.Errorf("the launcher speaks version %d, this agent %d: two builds of gridrun", start.Version, wire.Version)
	}
	if err := a.adopt(start); err != nil {
		return err
	}
	cpus := cpuset.Usable()
	a.cpus.usable = cpuset.Processes(cpus)
	if err := a.divideCPUs(); err != nil {
		return err
	}
	if a.devNull, err = syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	if a.segment, err = makeSegment(start.Procs, cpus); err != nil {
		return err
	}
	a.segmentFD = int(a.segment.File().Fd())
	if start.Watch.Any() {
		a.clock = hostclock.New()
	}
	return a.openPort()
}

// first is the first message that is not about what comes before Start. There is
// no lease yet: should the launcher be cut off now, its silence ends the agent,
// and the guard removes what was claimed. Beat is answered: whoever keeps the
// agent for a job to come wants to know that it is there.
func (a *agent) first(stream *wire.Stream) (wire.Message, error) {
	idle := time.AfterFunc(startPatience, func() { os.Exit(guard.Refused) })
	defer idle.Stop()
	var check *checkup.Checkup
	defer func() { check.Close() }()
	for {
		m, err := stream.Receive()
		if err != nil {
			return nil, err
		}
		idle.Reset(startPatience)
		switch m := m.(type) {
		case *wire.Beat:
			a.link.send(m)
		case *wire.Survey:
			check.Close()
			var facts *wire.Facts
			check, facts = checkup.Survey(m, home())
			a.link.send(facts)
		case *wire.Try:
			if check == nil {
				return nil, errors.New("a Try without a Survey")
			}
			a.link.send(check.Try(m))
		case *wire.Stage:
			if err := guard.Claim(m.Dir); err != nil {
				return nil, err
			}
			a.stage = m.Dir
		default:
			return m, nil
		}
	}
}

// run serves the job to its end.
func (a *agent) run(stream *wire.Stream) int {
	watched, err := a.watchGuard()
	if err != nil {
		return a.trouble("guard", err)
	}
	name, _ := os.Hostname() // unknown to the system: the launcher has its own name for the host
	a.link.send(&wire.Ready{Version: wire.Version, Host: name, Pid: os.Getpid(), CPUs: a.cpus.usable, Addrs: a.addrs()})
	if a.port != nil {
		a.port.Serve(a)
	}
	a.startAll()
	go a.listenTo(stream)
	lost := a.loop()
	a.endJob()
	if lost != nil && a.unguarded.Load() {
		// Where sshd started the guard, its end also ends the launcher's stream,
		// and that may have come first.
		lost = errUnguarded
	}
	watched.Close()
	a.wg.Wait()
	if lost != nil {
		return a.trouble(lost.stage, lost.err)
	}
	a.unstage()
	a.link.send(new(wire.Done))
	a.link.close(patience)
	return 0
}

// trouble tells the launcher, if it still listens, why the agent leaves.
func (a *agent) trouble(stage string, err error) int {
	a.link.send(&wire.Trouble{Stage: stage, Text: err.Error()})
	a.link.close(patience)
	return guard.Refused
}

// listenTo posts the launcher's messages to the loop.
func (a *agent) listenTo(stream *wire.Stream) {
	for {
		m, err := stream.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the launcher is gone")
			}
			a.post(func() { a.lost = &loss{"launcher", err} })
			return
		}
		a.post(func() { a.handle(m) })
	}
}

// errUnguarded is the loss of the guard.
var errUnguarded = &loss{"guard", errors.New("the guard process is gone")}

// watchGuard posts the guard's end to the loop.
func (a *agent) watchGuard() (*os.File, error) {
	if err := syscall.SetNonblock(guard.FD, true); err != nil {
		return nil, fmt.Errorf("no guard at descriptor %d: %w", guard.FD, err)
	}
	end := os.NewFile(guard.FD, "guard")
	a.wg.Go(func() {
		end.Read(make([]byte, 1)) // returns at the end of the socket: the guard says nothing
		a.unguarded.Store(true)
		a.post(func() { a.lost = errUnguarded })
	})
	return end, nil
}

// unstage removes the job's inputs.
func (a *agent) unstage() {
	if a.stage != "" {
		os.RemoveAll(a.stage)
	}
}

// makeSegment makes the shared segment of this host's processes: their rings
// and the wait tables of their ranks. Also a lone process and those that speak
// TCP to each other get it, so that the agent can see what they are blocked in.
func makeSegment(procs []wire.ProcSpec, cpus float64) (*shm.Segment, error) {
	var numbers []int
	var ranks [][]int
	for _, p := range procs {
		numbers = append(numbers, p.Proc)
		ranks = append(ranks, p.Ranks)
	}
	s, err := shm.Create(numbers, ranks)
	if err == nil {
		s.Limit(cpus)
	}
	return s, err
}

package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/job"
	"gridrun/launcher/place"
)

// A hostRun is the launcher's side of one agent while a job runs.
type hostRun struct {
	run   *run
	index int
	link  *link
	// live: the agent has said something since it was told to start, so its
	// silence means something from now on.
	live atomic.Bool
	// routes are where each stream of the processes on this host goes.
	routes map[stream][]route

	// starting is what the host's start lives in; giveUp ends it.
	starting context.Context
	giveUp   context.CancelFunc
	tries    int // to start it; written by the host's goroutine

	mu    sync.Mutex
	agent agents.Agent
	told  bool // Start is on its way to the agent
	held  bool // it must not be sent any more
}

type stream struct {
	proc   int
	stderr bool
}

func newHostRun(ctx context.Context, r *run, h int) *hostRun {
	host := &hostRun{run: r, index: h, link: newLink(), routes: map[stream][]route{}}
	host.starting, host.giveUp = context.WithCancel(ctx)
	for _, p := range r.job.onHost[h] {
		for _, stderr := range []bool{false, true} {
			host.routes[stream{p, stderr}] = r.routes(p, stderr)
		}
	}
	return host
}

// kill gives the agent up. It may come before the agent has been started.
func (h *hostRun) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.giveUp()
	if h.agent != nil {
		h.agent.Kill()
	}
}

// way is the hosts through which the agent's host is reached, by their numbers.
func (h *hostRun) way(agent agents.Agent) (way []int) {
	a, is := agent.(interface{ Way() []place.Host })
	if !is {
		return nil
	}
	for _, hop := range a.Way() {
		if i := h.run.job.number(hop); i >= 0 {
			way = append(way, i)
		}
	}
	return way
}

// stop tells the agent to end the job. A host that has not been told to start
// anything has nothing to end: its start is given up, however far it is.
func (h *hostRun) stop(m *wire.Stop) {
	h.link.send(m)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.told {
		h.giveUp()
	}
}

// hold keeps an agent that has not been told to start anything from being told.
func (h *hostRun) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = true
}

// tell notes that the agent is told to start its processes, unless the start
// has been given up. An agent that is held has answered, and waits for that.
func (h *hostRun) tell(agent agents.Agent) error {
	h.mu.Lock()
	held := h.held
	told := !held && h.starting.Err() == nil
	h.told = told
	h.mu.Unlock()
	if way := h.way(agent); told && len(way) > 0 {
		h.run.post(job.HostTold{Host: h.index, Way: way})
	}
	if held {
		h.run.post(job.HostReady{Host: h.index})
		<-h.starting.Done()
	}
	return context.Cause(h.starting)
}

// main starts the agent, passes on what it says, and tells the machine how it
// ended. Where the agent's host was reached through a relay that has ended before
// the agent was told to start anything, the next try goes another way.
func (h *hostRun) main(starter agents.Starter) {
	defer h.giveUp()
	defer h.link.close()
	for h.tries = 1; h.attempt(starter); h.tries++ {
	}
}

// attempt is a start and all that comes of it; true: it is to be tried again.
func (h *hostRun) attempt(starter agents.Starter) (again bool) {
	began := time.Now()
	host := h.run.job.plan.Hosts[h.index]
	agent, err := starter.Start(h.starting, host)
	if err != nil {
		if h.again(err) {
			return true
		}
		// The summary names the host too.
		lost := job.HostLost{Host: h.index, Why: strings.TrimPrefix(err.Error(), host.Name+": "), GivenUp: h.starting.Err() != nil}
		var of interface{ Culprit() string }
		if errors.As(err, &of) && of.Culprit() != host.Name {
			lost.Behind = of.Culprit()
		}
		h.run.post(lost)
		return false
	}
	h.mu.Lock()
	h.agent = agent
	if h.starting.Err() != nil {
		agent.Kill()
	}
	h.mu.Unlock()

	stage := h.run.job.stageDir(agent, h.tries)
	done, err := h.talk(agent, began, stage)
	if !done {
		h.run.job.unstage(agent, h.tries)
	}
	if err != nil {
		h.dismiss(agent, err)
	}
	h.live.Store(false)
	ended := agent.Wait()
	h.mu.Lock()
	h.agent = nil // what others reach through this host is theirs
	h.mu.Unlock()
	if !done && (h.again(err) || h.again(ended)) {
		return true
	}
	h.link.close()
	lost := job.HostLost{Host: h.index, Why: "the agent ended unexpectedly"}
	switch {
	case done:
		h.run.post(job.HostDone{Host: h.index})
		return false
	case err != nil:
		lost.Why, lost.GivenUp = err.Error(), h.starting.Err() != nil
	case errors.As(ended, new(agents.Dismissed)):
		lost.Why = ended.Error()
	case ended != nil:
		lost.Why, lost.Cut = fmt.Sprintf("the agent ended unexpectedly (%v)", ended), errors.Is(ended, agents.ErrCut)
		if relay := new(agents.RelayError); errors.As(ended, &relay) {
			h.run.post(job.RelayLost{Host: h.run.job.number(relay.Host), Why: fmt.Sprintf("its relay has ended (%v)", relay.Err)})
		}
	}
	h.run.post(lost)
	return false
}

// again says whether a start that has ended so is to be tried another way.
func (h *hostRun) again(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.As(err, new(*agents.RelayError)) && !h.told && !h.held && h.starting.Err() == nil && h.tries < maxTries
}

// maxTries bounds how often a host is started: relays may end one after the other.
const maxTries = 8

// dismiss ends an agent after err, and leaves its connection to those that are
// reached through its host. One that has told its trouble leaves by itself.
func (h *hostRun) dismiss(agent agents.Agent, err error) {
	d, shared := agent.(interface{ Dismiss() })
	switch told := errors.As(err, new(*trouble)); {
	case told:
	case shared:
		d.Dismiss()
	default:
		agent.Kill()
	}
	late := time.AfterFunc(dismissLimit, agent.Kill)
	defer late.Stop()
	io.Copy(io.Discard, agent) // until everything there has ended
}

// dismissLimit is how long an agent that is not wanted any more may take to leave.
const dismissLimit = 2 * time.Second

// trouble is what an agent has said before it left.
type trouble struct{ stage, text string }

func (t *trouble) Error() string { return t.stage + ": " + t.text }

// talk sends Start and takes the agent's messages until its stream ends. done
// says that the agent finished properly; err is what the agent cannot be
// forgiven: everything else shows in how it ended.
func (h *hostRun) talk(agent agents.Agent, began time.Time, stage string) (done bool, err error) {
	s, err := wire.NewStream(agent, agent)
	if err != nil {
		return false, nil
	}
	if stage != "" {
		// The agent hears of the directory before there is one: whatever happens
		// next, it goes.
		if err := s.Send(&wire.Stage{Dir: stage}); err != nil {
			return false, nil
		}
	}
	paths, err := h.bring(s, agent, stage)
	if err != nil {
		return false, err
	}
	start, err := h.run.job.start(h.index, h.run.io.Columns, paths, stage)
	if err != nil {
		return false, err
	}
	if _, err := wire.Marshal(start); err != nil {
		return false, fmt.Errorf("the job is too large to describe: %w", err)
	}
	if err := h.tell(agent); err != nil {
		return false, err
	}
	// Start goes before anything that is queued already.
	if err := s.Send(start); err != nil {
		return false, nil
	}
	var writer sync.WaitGroup
	writer.Go(func() { h.link.run(s) })
	defer writer.Wait()
	defer h.link.close()

	if err := s.Open(); err != nil {
		return false, h.fault("opening the connection", err)
	}
	for {
		m, err := s.Receive()
		if err != nil {
			return done, h.fault("reading from the agent", err)
		}
		h.link.hears()
		h.live.Store(true)
		switch m := m.(type) {
		case *wire.Ready:
			if m.Version != wire.Version {
				return false, fmt.Errorf("the agent speaks version %d, this is %d; both must be the same build", m.Version, wire.Version)
			}
			h.run.verbose("agent on %s (pid %d) ready after %v", m.Host, m.Pid, time.Since(began).Round(100*time.Microsecond))
			h.run.post(func() { h.run.directory.Ready(h.index, m.Addrs) })
			h.run.post(job.HostReady{Host: h.index})
			h.run.observer.Ask(h.link.send)
		case *wire.Done:
			done = true
		case *wire.Trouble:
			return false, &trouble{m.Stage, m.Text}
		default:
			if err := h.message(m); err != nil {
				return false, err
			}
		}
	}
}

// bring brings program and inputs to the agent's host. The agent hears meanwhile
// that we live.
func (h *hostRun) bring(s *wire.Stream, agent agents.Agent, stage string) (paths []string, err error) {
	ctx, cancel := context.WithCancel(h.starting)
	var beats sync.WaitGroup
	beats.Go(func() {
		every := time.NewTicker(bringBeat)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				if s.Send(&wire.Beat{}) != nil {
					return // it shows at the next use of the stream
				}
			case <-ctx.Done():
				return
			}
		}
	})
	defer beats.Wait()
	defer cancel()
	if paths, err = h.run.job.paths(ctx, h.index, agent); err != nil {
		return nil, err
	}
	return paths, h.run.job.stage(ctx, agent, h.tries, stage)
}

// bringBeat is how often an agent hears from us while it waits for Start.
const bringBeat = 10 * time.Second

// fault is nil for a stream that just ended.
func (h *hostRun) fault(doing string, err error) error {
	if errors.Is(err, wire.ErrControl) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// message takes what is about processes and ranks.
func (h *hostRun) message(m wire.Message) error {
	r := h.run
	ours := func(proc int) error {
		if proc < 0 || proc >= len(r.job.plan.Procs) || r.job.plan.Procs[proc].Host != h.index {
			return fmt.Errorf("%w: process %d is not on this host", wire.ErrControl, proc)
		}
		return nil
	}
	switch m := m.(type) {
	case *wire.Started:
		if err := ours(m.Proc); err != nil {
			return err
		}
		r.verbose("%s started, pid %d", r.job.describe(m.Proc), m.Pid)
		r.post(job.ProcStarted{Proc: m.Proc, Pid: m.Pid})
		if r.input != nil {
			r.input.Started(m.Proc)
		}
	case *wire.Output:
		if err := ours(m.Proc); err != nil {
			return err
		}
		h.output(m)
	case *wire.Want:
		if err := ours(m.Proc); err != nil {
			return err
		}
		if r.input != nil {
			r.input.Want(m)
		}
	case *wire.Exit:
		if err := ours(m.Proc); err != nil {
			return err
		}
		r.verbose("%s ended: code %d, signal %d, %v CPU, %d KiB", r.job.describe(m.Proc), m.Code, m.Signal, time.Duration(m.CPU).Round(time.Microsecond), m.RSS>>10)
		r.post(job.ProcExited{Exit: *m})
		if r.input != nil {
			r.input.Drop(m.Proc)
		}
	case *wire.Failed:
		r.post(job.RankFailed{Failure: m.Failure})
	case *wire.Report:
		for _, p := range m.Procs {
			if err := ours(p.Proc); err != nil {
				return err
			}
		}
		r.post(job.HostReport{Host: h.index, Report: *m})
	case *wire.Told:
		if err := ours(m.Proc); err != nil {
			return err
		}
		r.post(job.ProcTold{Told: *m})
	case *wire.Bound:
		r.post(func() { r.bound(m) })
	case *wire.Recorded:
		if err := ours(m.Proc); err != nil {
			return err
		}
		r.observer.Piece(h.index, m)
		h.link.written(len(m.Data))
	case *wire.Clock:
		r.observer.Told(h.index, m, h.link.send)
	case *wire.Locate:
		r.post(func() { r.directory.Ask(m.Host, h.link.send) })
	case *wire.Progress:
		if r.screen.Progress(m.Rank, m.Done, m.Total, m.Label) {
			r.stderr.Put(nil, nil)
		}
	case *wire.Notice:
		if !m.Here {
			r.say(m.Text)
			break
		}
		r.post(func() { r.notices.Add(h.index, m.Text) })
	case *wire.Beat:
		if m.Answer != 0 {
			r.post(job.HostAlive{Host: h.index, Number: m.Answer})
		}
	case *wire.Hello:
	default:
		return fmt.Errorf("%w: an agent does not say %T", wire.ErrControl, m)
	}
	return nil
}

// output passes m on; what is out gives credit back.
func (h *hostRun) output(m *wire.Output) {
	routes := h.routes[stream{m.Proc, m.Stderr}]
	if size := len(m.Data); size > 0 {
		feed(routes, m.Data, func() { h.link.written(size) })
	}
	if m.EOF {
		end(routes)
	}
}

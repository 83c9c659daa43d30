package job

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gridrun/internal/wire"
)

// A Proc is one process of the job: the ranks it holds and the index of its host.
type Proc struct {
	Host  int
	Ranks []int
}

// Config is what a Machine starts from.
type Config struct {
	Hosts []string
	Procs []Proc
	// Continue keeps the survivors when a rank fails: see survive.go.
	Continue bool
	// Timeout is what the user allowed, for the text; the launcher keeps the time.
	Timeout time.Duration
	// Grace is what processes get between SIGTERM and SIGKILL.
	Grace time.Duration
	// Hold is how long the loss of a host that is reached through others may wait
	// until it is known who is to blame; 0: a short time.
	Hold time.Duration
	// Start is how long agents may take to answer; 0: DefaultStart.
	Start time.Duration
	// Drain is how long agents may take to finish after the last process; 0: a
	// short time. They have more to send when the job is observed.
	Drain time.Duration
}

// DefaultStart is how long agents may take to answer on this machine.
const DefaultStart = 30 * time.Second

// Deadlines of the phases, beyond the user's own.
const (
	newsDelay    = 50 * time.Millisecond  // in which finished ranks are gathered
	gatherLimit  = 500 * time.Millisecond // in which hosts that cannot be started are gathered
	settleLimit  = time.Second
	inspectLimit = 4 * time.Second  // above what an agent takes at most
	stopLimit    = 10 * time.Second // after the grace period
	drainLimit   = 30 * time.Second
)

func (m *Machine) drain() time.Duration { return cmp.Or(m.cfg.Drain, drainLimit) }

// Phase is where the job stands.
type Phase int

const (
	Starting Phase = iota
	Running
	Stopping
	Draining
	Ended
)

func (p Phase) String() string {
	return [...]string{"starting", "running", "stopping", "draining", "ended"}[p]
}

type host struct {
	ready, gone bool // gone: Done or lost
	lost        bool
	suspected   bool  // it is lost, and perhaps through another's fault
	unrelayed   bool  // its relay has ended
	way         []int // it is reached through these; the launcher connects to the first
	inspecting  bool  // a report is awaited
}

type proc struct {
	pid   int
	ran   bool // it was started
	ended bool
	exit  wire.Exit
	// failures that its ranks reported themselves
	reported []wire.Failure
}

// Machine is the state of one job. Use it from one goroutine.
type Machine struct {
	cfg    Config
	phase  Phase
	hosts  []host
	procs  []proc
	holder map[int]int // rank to process
	alive  int         // processes that have not ended
	armed  map[Timer]bool

	cause      *cause    // why the job ends early; nil: not (yet)
	failures   []cause   // first-hand, in the order they came
	collateral []cause   // the others
	outlived   []cause   // what the survivors went on after, in the order it came
	expired    bool      // --timeout has passed
	asked      bool      // a signal has asked for the end, the cause or not
	refused    []cause   // the hosts that could not be started, before that ended the job
	suspects   []suspect // whose culprit is not known yet
	probes     uint32    // sent so far
	finished   []int     // ranks that ended well and of whom hosts have not heard
	inquiry    *inquiry  // under way, or nil
	inquiries  uint32    // begun so far
	queue      []Asked   // for the next one
	stopped    []int     // ranks that were stopped and of whom hosts have not heard
	actions    []Action
}

// New returns the machine of a job whose agents have been sent their Start,
// and its first actions.
func New(cfg Config) (*Machine, []Action) {
	m := &Machine{
		cfg:    cfg,
		hosts:  make([]host, len(cfg.Hosts)),
		procs:  make([]proc, len(cfg.Procs)),
		holder: map[int]int{},
		alive:  len(cfg.Procs),
		armed:  map[Timer]bool{},
	}
	for p, c := range cfg.Procs {
		for _, r := range c.Ranks {
			m.holder[r] = p
		}
	}
	if m.cfg.Start == 0 {
		m.cfg.Start = DefaultStart
	}
	m.arm(StartTimer, m.cfg.Start)
	return m, m.take()
}

// Phase says where the job stands.
func (m *Machine) Phase() Phase { return m.phase }

// Expired says that the time the user gave is over.
func (m *Machine) Expired() bool { return m.expired }

// Step takes one event and returns what to do about it, in order.
func (m *Machine) Step(e Event) []Action {
	if m.phase == Ended {
		return nil
	}
	switch e := e.(type) {
	case HostReady:
		if m.known(e.Host) {
			m.hosts[e.Host].ready = true
		}
	case HostDone:
		m.hostDone(e.Host)
	case HostTold:
		m.hostTold(e)
	case HostLost:
		m.lossReported(e)
	case RelayLost:
		m.relayLost(e)
	case HostAlive:
		m.hostAlive(e)
	case HostReport:
		m.report(e)
	case ProcStarted:
		if e.Proc >= 0 && e.Proc < len(m.procs) {
			m.procs[e.Proc].pid, m.procs[e.Proc].ran = e.Pid, true
		}
	case ProcExited:
		m.exited(e.Exit)
	case RankFailed:
		m.failed(e.Failure)
	case Interrupted:
		m.interrupted(e.Signal)
	case OutputLost:
		m.stop(cause{kind: byOutput, text: e.Why, code: outputCode(e.Why)}, 0)
	case TimedOut:
		if m.phase < Stopping {
			m.expired = true
			m.ask(Asked{By: Terminal, Deep: true})
		}
	case Asked:
		m.ask(e)
	case ProcTold:
		m.told(e)
	case Rang:
		m.rang(e.Timer)
	}
	m.advance()
	return m.take()
}

// advance moves to the phase that the counts say.
func (m *Machine) advance() {
	if m.phase == Starting && !slices.ContainsFunc(m.hosts, func(h host) bool { return !h.ready && !h.gone }) {
		m.phase = Running
	}
	if m.phase != Starting && m.cause == nil && len(m.refused) > 0 {
		m.stop(m.refused[0], 0) // all the others have answered
	}
	if m.phase < Draining && m.alive == 0 {
		m.phase = Draining
		m.arm(DrainTimer, m.drain())
	}
	if m.phase == Draining && !slices.ContainsFunc(m.hosts, func(h host) bool { return !h.gone }) {
		m.phase = Ended
	}
}

// stop begins the end of the job. The first cause stays, but a first-hand
// failure takes the place of a collateral one.
func (m *Machine) stop(c cause, signal int) {
	if m.cause == nil && len(m.refused) > 0 {
		c, signal = m.refused[0], 0 // what came first; what comes now may follow from it
	}
	if m.cause != nil {
		if m.cause.kind == byCollateral && c.kind == byFailure {
			m.cause = &c
		}
		return
	}
	m.cause = &c
	defer m.convict(func(suspect) bool { return true }) // the cause is known, if not theirs
	if m.phase >= Draining {
		return
	}
	m.phase = Stopping
	m.broadcast(&wire.Stop{Cause: m.wireCause(c), Signal: signal})
	m.arm(StopTimer, m.cfg.Grace+stopLimit)
}

func (m *Machine) failed(f wire.Failure) {
	p, ok := m.holder[f.Rank]
	if !ok {
		return
	}
	m.procs[p].reported = append(m.procs[p].reported, f)
	if spec := m.cfg.Procs[p]; len(spec.Ranks) > 1 && !f.Aborted {
		// Its process goes on with the other ranks; the agent tells its own host.
		m.tellOthers(spec.Host, &wire.Gone{Ranks: []int{f.Rank}, Part: true, Why: f.Text})
	}
	c := cause{kind: byFailure, ranks: []int{f.Rank}, proc: p, text: f.Text, code: f.Code, aborted: f.Aborted}
	if c.code == 0 {
		c.code = 1
	}
	m.fail(c, f.Collateral)
}

// exited takes the end of a process. A failure that its ranks have explained
// already adds nothing; one that the agent caused is nobody's fault.
func (m *Machine) exited(e wire.Exit) {
	if e.Proc < 0 || e.Proc >= len(m.procs) || m.procs[e.Proc].ended {
		return
	}
	p := &m.procs[e.Proc]
	p.ended, p.exit = true, e
	p.ran = p.ran || e.Error == ""
	m.alive--
	spec := m.cfg.Procs[e.Proc]
	finished := e.Code == 0 && e.Signal == 0 && e.Error == ""
	m.tellGone(spec, finished, e)
	ranks := m.silent(e.Proc)
	if finished || e.Stop || len(ranks) < len(spec.Ranks) && (e.Signal == 0 || len(ranks) == 0 || !m.cfg.Continue) {
		return
	}
	c := cause{kind: byFailure, ranks: ranks, proc: e.Proc, exit: true, text: exitText(e), code: e.Code}
	switch {
	case e.Signal != 0:
		c.code, c.died = 128+e.Signal, true
	case e.Error != "":
		c.code, c.exit, c.unstarted = max(e.Code, 125), false, true
	}
	m.fail(c, false)
}

// tellGone lets hosts know of ranks that have ended: at once when others may
// have to fail for it, else, as when a job ends well or is stopped, together with
// those that end in the next moment. A message for each rank to each host would
// be the square of the job's size.
func (m *Machine) tellGone(spec Proc, finished bool, e wire.Exit) {
	if finished || e.Stop && m.cause != nil {
		if finished {
			m.finished = append(m.finished, spec.Ranks...)
		} else {
			m.stopped = append(m.stopped, spec.Ranks...)
		}
		if m.alive > 0 {
			m.arm(NewsTimer, newsDelay)
		} else {
			m.tellNews() // host services wait for the last rank of all hosts
		}
		return
	}
	m.tellOthers(spec.Host, &wire.Gone{Ranks: spec.Ranks, Why: exitText(e)})
}

// tellOthers sends to every host but one.
func (m *Machine) tellOthers(but int, msg wire.Message) {
	for h := range m.hosts {
		if h != but {
			m.send(h, msg)
		}
	}
}

// tellNews tells all hosts, also those where these ranks were.
func (m *Machine) tellNews() {
	delete(m.armed, NewsTimer)
	if len(m.finished) > 0 {
		m.broadcast(&wire.Gone{Ranks: m.finished, Finished: true})
	}
	if len(m.stopped) > 0 {
		m.broadcast(&wire.Gone{Ranks: m.stopped, Why: "stopped with the job"})
	}
	m.finished, m.stopped = nil, nil
}

// silent lists the ranks of a process that have not reported a failure.
func (m *Machine) silent(p int) (ranks []int) {
	for _, r := range m.cfg.Procs[p].Ranks {
		if !slices.ContainsFunc(m.procs[p].reported, func(f wire.Failure) bool { return f.Rank == r }) {
			ranks = append(ranks, r)
		}
	}
	return ranks
}

func (m *Machine) fail(c cause, collateral bool) {
	if m.outlive(c) {
		return
	}
	if !collateral {
		m.failures = append(m.failures, c)
		if len(m.suspects) == 0 { // else the loss of a host came first
			m.stop(c, 0)
		}
		return
	}
	c.kind = byCollateral
	m.collateral = append(m.collateral, c)
	if m.cause == nil {
		m.arm(SettleTimer, settleLimit)
	}
}

func (m *Machine) interrupted(signal int) {
	m.asked = true
	switch {
	case m.cause != nil && m.phase == Stopping:
		m.broadcast(&wire.Stop{Cause: m.wireCause(*m.cause), Now: true})
		return
	case m.cause != nil && m.phase == Draining:
		m.abandon(func(host) bool { return true }, "given up while it cleaned up")
		return
	}
	m.stop(cause{kind: bySignal, signal: signal, code: 128 + signal}, signal)
}

func (m *Machine) hostDone(h int) {
	if !m.known(h) || m.hosts[h].gone {
		return
	}
	if left := m.unfinished(h); left > 0 {
		m.hostLost(HostLost{Host: h, Why: fmt.Sprintf("the agent finished without the end of %d processes", left)})
		return
	}
	m.hosts[h].gone = true
	m.reported(h)
}

func (m *Machine) rang(t Timer) {
	switch t {
	case StartTimer:
		m.abandon(func(h host) bool { return !h.ready }, fmt.Sprintf("the agent did not answer within %v of its start", m.cfg.Start))
	case GatherTimer:
		if len(m.refused) > 0 {
			m.stop(m.refused[0], 0)
		}
	case NewsTimer:
		m.tellNews()
	case HoldTimer:
		m.convict(func(suspect) bool { return true })
	case SettleTimer:
		if len(m.collateral) > 0 && len(m.suspects) == 0 {
			m.stop(m.collateral[0], 0)
		}
	case InspectTimer:
		for h := range m.hosts {
			m.reported(h)
		}
	case StopTimer:
		if m.phase == Stopping {
			m.abandon(func(host) bool { return true }, fmt.Sprintf("its processes did not end within %v of being stopped", m.cfg.Grace+stopLimit))
		}
	case DrainTimer:
		m.abandon(func(host) bool { return true }, fmt.Sprintf("the agent did not finish within %v of the last process", m.drain()))
	}
}

// abandon gives up the hosts that pick selects.
func (m *Machine) abandon(pick func(host) bool, why string) {
	for h := range m.hosts {
		if !m.hosts[h].gone && pick(m.hosts[h]) {
			m.actions = append(m.actions, Abandon{h})
			m.hostLost(HostLost{Host: h, Why: why})
		}
	}
}

func (m *Machine) unfinished(h int) (n int) {
	for p := range m.procs {
		if m.cfg.Procs[p].Host == h && !m.procs[p].ended {
			n++
		}
	}
	return n
}

func (m *Machine) known(h int) bool { return h >= 0 && h < len(m.hosts) }

func (m *Machine) send(h int, msg wire.Message) {
	if !m.hosts[h].gone {
		m.actions = append(m.actions, Send{h, msg})
	}
}

func (m *Machine) broadcast(msg wire.Message) {
	for h := range m.hosts {
		m.send(h, msg)
	}
}

func (m *Machine) arm(t Timer, after time.Duration) {
	if !m.armed[t] {
		m.armed[t] = true
		m.actions = append(m.actions, Arm{t, after})
	}
}

func (m *Machine) take() []Action {
	a := m.actions
	m.actions = nil
	return a
}

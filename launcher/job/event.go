package job

import (
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/diagnose"
)

// An Event is what the launcher saw.
type Event interface{ event() }

type (
	// HostReady is an agent's answer to its Start message.
	HostReady struct{ Host int }
	// HostTold is a host whose agent is told to start its processes. It is reached
	// through the hosts Way, of which the launcher connects to the first.
	HostTold struct {
		Host int
		Way  []int
	}
	// HostDone is an agent's last word: nothing of the job is left there.
	HostDone struct{ Host int }
	// HostLost is an agent that could not be started or ended too early.
	HostLost struct {
		Host int
		Why  string
		// Behind is the host that could not be reached, when this one is reached
		// through it; "": it is about this one itself.
		Behind  string
		GivenUp bool // its start was ended from here, as the job was ending
		// Cut: the connection to the host has ended or is silent, which may be the
		// fault of one that it is reached through; those that are reached through
		// it are lost as well.
		Cut bool
	}
	// RelayLost is the end of what reaches other hosts from this one, which is well.
	RelayLost struct {
		Host int
		Why  string
	}
	// HostAlive answers Probe.
	HostAlive struct {
		Host   int
		Number uint32
	}
	// HostReport is an agent's answer to Inspect.
	HostReport struct {
		Host   int
		Report wire.Report
	}
	// ProcTold is a piece of a process's own answer to Inspect.
	ProcTold struct{ Told wire.Told }
	// ProcStarted and ProcExited frame a process's life.
	ProcStarted struct{ Proc, Pid int }
	ProcExited  struct{ Exit wire.Exit }
	// RankFailed is what a rank says of itself before it exits.
	RankFailed struct{ Failure wire.Failure }
	// Interrupted is a signal that asks to end the job; a second one is impatient.
	Interrupted struct{ Signal int }
	// OutputLost is a standard output that takes no more: Why is empty when
	// its reader has gone, else what went wrong, for the user.
	OutputLost struct{ Why string }
	// TimedOut is the end of the time the user gave the job.
	TimedOut struct{}
	// Asked wants to know what ranks do; By gets the Answer. Deep: what they are
	// blocked in, and their stacks, too.
	Asked struct {
		By   int
		Deep bool
	}
	// Rang is a timer that Arm set.
	Rang struct{ Timer Timer }
)

func (HostReady) event()   {}
func (HostTold) event()    {}
func (RelayLost) event()   {}
func (HostAlive) event()   {}
func (HostDone) event()    {}
func (HostLost) event()    {}
func (HostReport) event()  {}
func (ProcTold) event()    {}
func (ProcStarted) event() {}
func (ProcExited) event()  {}
func (RankFailed) event()  {}
func (Interrupted) event() {}
func (OutputLost) event()  {}
func (TimedOut) event()    {}
func (Asked) event()       {}
func (Rang) event()        {}

// Terminal is who asks from the job's own terminal.
const Terminal = 0

// A Timer names one of the machine's deadlines.
type Timer string

const (
	StartTimer   Timer = "start"   // agents must have answered
	GatherTimer  Timer = "gather"  // hosts that cannot be started are named together
	HoldTimer    Timer = "hold"    // it must be known through whose fault a host is lost
	NewsTimer    Timer = "news"    // hosts are told who has finished
	SettleTimer  Timer = "settle"  // a first-hand failure must have overtaken a collateral one
	InspectTimer Timer = "inspect" // reports must be in
	StopTimer    Timer = "stop"    // stopped processes must have ended
	DrainTimer   Timer = "drain"   // agents must have cleaned up
)

// An Action is what the launcher must do.
type Action interface{ action() }

type (
	// Send carries Message to a host's agent.
	Send struct {
		Host    int
		Message wire.Message
	}
	// Arm sets a timer, once; it rings as Rang.
	Arm struct {
		Timer Timer
		After time.Duration
	}
	// Answer is for all who Asked: what is known of every rank.
	Answer struct {
		To  []int
		Job diagnose.Job
	}
	// Tell is a line for the user.
	Tell struct{ Text string }
	// Hold says that no host is told to start processes any more: the job will
	// end, and only waits to learn which hosts can be reached.
	Hold struct{}
	// Probe asks a host's agent for a sign of life with this number.
	Probe struct {
		Host   int
		Number uint32
	}
	// Abandon closes the connection to an agent that does not answer.
	Abandon struct{ Host int }
)

func (Send) action()    {}
func (Arm) action()     {}
func (Answer) action()  {}
func (Tell) action()    {}
func (Hold) action()    {}
func (Probe) action()   {}
func (Abandon) action() {}

package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Magic opens every control connection; shell start-up files may print before
// it, so a reader looks for it.
const Magic = "\x00gridrun\x01"

// Version of everything this package defines. Both ends must have the same.
const Version = 5

// MaxControl bounds an encoded control message. Start is the largest: it holds
// arguments and environment of every process of a host.
const MaxControl = 16 << 20

// A Message is one control message; its kind byte is fixed for ever.
type Message interface{ kind() byte }

// EnvStyles are the families of names that Start.EnvStyles may have.
var EnvStyles = []string{"openmpi", "pmi", "slurm", "torchrun"}

// A ProcSpec is one process that an agent starts.
type ProcSpec struct {
	Proc  int
	Ranks []int // world ranks it holds, ascending; local ranks follow their order on the host
	App   int
	Path  string   // executable; empty: the agent's own binary, running built-in job Job
	Job   string   // name of a built-in job
	Args  []string // without the program's name
	Env   []string // additions, "K=V"
	Dir   string
	Stdin bool     // gets the launcher's standard input
	CPUs  []int    // it is bound to these, whatever Start.BindTo says; none: as that says
	Wrap  []string // the program is started by this command, as its last words
}

// Launcher to agent.
type (
	// Start is the first message: everything the agent must do.
	Start struct {
		Version   int
		Job       string // id, unique on the host
		Key       []byte // 256 bits, random, of this job
		Host      int    // this host's index in Topology.Hosts
		Topology  Topology
		Procs     []ProcSpec
		Grace     int64  // nanoseconds between SIGTERM and SIGKILL
		Lease     int64  // nanoseconds of silence that end the agent; 0: only end of stream does
		Transport string // "" (shm inside the host), "tcp" (TCP even inside the host)
		Continue  bool   // the job goes on when a rank fails
		Terminal  int    // columns of the launcher's terminal; 0: not one
		BindTo    string // "core" or "socket": processes are bound to their part of the host's
		TellBound bool   // a Bound is wanted
		// Away says that the host is not the launcher's machine: a directory that
		// is missing there is replaced by the home, with a Notice.
		Away bool
		// Families of names that the environment has as well, and how other hosts
		// call that of rank 0.
		EnvStyles []string
		Leader    string
		// Jobs of several hosts: where the agent listens, and how ranks connect.
		Net     []string  // CIDRs: only addresses within; empty: every interface that is no loopback
		Ports   PortRange // the listening port is one of these
		Encrypt bool      // TLS on every TCP connection
		Streams int       // connections for long data of two processes far from each other; 0: the default
		Watch   Watch     // what is observed
	}
	// A PortRange is Lo to Hi, both included; zeros mean any port.
	PortRange struct{ Lo, Hi int }
	// Stage comes before Start: the launcher is about to put the job's inputs
	// into Dir, which goes when the agent does.
	Stage struct{ Dir string }
	// Survey comes instead of Start, where nothing is to run: the agent opens a
	// port like the job's and answers with Facts.
	Survey struct {
		Version int
		Job     string
		Key     []byte
		Host    int
		Dir     string // whose file system's free space is wanted; empty: the home's
		Net     []string
		Ports   PortRange
	}
	// Try asks to connect to every address of hosts that have sent Facts.
	Try struct{ Targets []Target }
	// A Target is a host of a Try.
	Target struct {
		Host  int
		Addrs []string
	}
	// Located answers Locate: where the agent of Host listens, or why nobody will know.
	Located struct {
		Host  int
		Name  string
		Addrs []string
		Error string
	}
	// Input is standard input for process Proc; an empty Data is its end.
	Input struct {
		Proc int
		Data []byte
	}
	// Offer says that input for process Proc waits, and that nothing of it will be
	// read until the agent says Want.
	Offer struct{ Proc int }
	// Grant lets the agent send N more bytes of output.
	Grant struct{ N int }
	// Signal is passed on to every rank's process group.
	Signal struct{ Signal int }
	// Stop ends the job on this host: ranks learn Cause, then SIGTERM (or
	// Signal, when not 0), the grace period, SIGKILL. Now skips the grace.
	Stop struct {
		Cause  Failure
		Signal int
		Now    bool
	}
	// Gone tells ranks that others have ended (on other hosts, or this one).
	Gone struct {
		Ranks    []int
		Finished bool // exited with success; false: died
		Part     bool // their process still runs, with other ranks
		Why      string
		Lost     int // 1 + number of the host that was lost, with these ranks if it still had any; 0: none
	}
	// Inspect asks for a Report. Deep: of what every rank is blocked in, where its
	// process stands, and what the process says itself (Told); else only of what
	// processes use. The agent passes a deep one on to its processes.
	Inspect struct {
		Seq  uint32 // the Report has the same
		Deep bool
	}
	// Beat is a sign of life, both ways. One with a number to Ask is answered at
	// once by one with the number.
	Beat struct {
		Ask    uint32 `msgpack:",omitempty"`
		Answer uint32 `msgpack:",omitempty"`
	}
)

// Agent to launcher.
type (
	// Hello comes before anything else, also before Start has been read: a
	// launcher that must know a host to place ranks on it needs no more.
	Hello struct {
		Version int
		CPUs    int // that the agent may use, its control group's quota heeded
	}
	// Ready answers Start once the agent's own set-up is done.
	Ready struct {
		Version int
		Host    string // the host's own name
		Pid     int
		CPUs    int
		Addrs   []string // host:port, where connections to this host's processes may try; the likeliest first
	}
	// Facts answers Survey: what the host is like.
	Facts struct {
		Name     string
		Time     int64 // of its clock, Unix nanoseconds
		OS, Arch string
		CPUs     string // that may be used, 0-3,8
		Usable   int    // at once
		Memory   int64  // free, bytes; 0: unknown
		Dir      string
		Disk     int64 // free where Dir is, bytes
		Addrs    []string
		Nets     []string // of its interfaces, address and prefix length
		NoPort   string   // why no port could be opened
	}
	// Tried answers Try: what became of each address.
	Tried struct{ Ways []Way }
	// A Way is an address of a host; Error is empty when it leads there.
	Way struct {
		Host  int
		Addr  string
		Error string
	}
	// Locate asks for another host's Addrs; the answer may wait for its Ready.
	Locate struct{ Host int }
	// Started says that a process runs.
	Started struct{ Proc, Pid int }
	// Output is a piece of a process's output, as read: lines are the launcher's.
	Output struct {
		Proc   int
		Stderr bool
		Data   []byte
		EOF    bool
	}
	// Want says that process Proc can take N more bytes of input: with Once all
	// of them by a single read, what is left of them is not wanted. End: it takes
	// no more.
	Want struct {
		Proc, N int
		Once    bool
		End     bool
	}
	// Exit is the end of a process, sent after its output's EOF... or after the
	// agent gave up waiting for output held open by a grandchild.
	Exit struct {
		Proc   int
		Code   int
		Signal int    // when a signal ended it
		Error  string // why it could not be started; Code is then 126 or 127 (or 125)
		Stop   bool   // ended because the agent stopped it
		CPU    int64  // user and system nanoseconds
		RSS    int64  // peak bytes
	}
	// Bound says which CPUs the host's processes may use, as the kernel says,
	// once all have been started.
	Bound struct{ Procs []Binding }
	// Report answers Inspect: an entry of Waits for each operation that a rank is
	// blocked in, one of Procs for each process that runs. Span is how long the
	// agent has watched, in nanoseconds: what was blocked longer was blocked all
	// that time.
	Report struct {
		Seq   uint32
		Span  int64
		Waits []Wait
		Procs []ProcState
	}
	// Done is the agent's last message: nothing of the job is left on the host.
	Done struct{}
	// Trouble is an agent that cannot go on; the launcher names host and stage.
	Trouble struct{ Stage, Text string }
	// Notice is a line for the user that is no failure. Here: it is about the
	// agent's host, whose name the launcher puts before it; hosts that say the
	// same before they are Ready share a line.
	Notice struct {
		Text string
		Here bool
	}
)

// A Binding is the CPUs of a process, 0-3,8.
type Binding struct {
	Proc  int
	CPUs  string
	Bound bool // gridrun has bound it; false: it may use all that the host allows
}

// Wait is one blocked operation of one rank (see internal/waittable).
type Wait struct {
	Rank  int
	Op    string
	Peer  int // world rank, -1: any or none
	Tag   int32
	Group uint64 // 0: the world
	Seq   uint32
	Since int64 // nanoseconds it has been blocked

	// Of a collective (Seq > 0): what all members must agree on.
	Root    int    // group rank, -1: none
	Count   int64  // elements, -1: unknown
	Elem    uint32 // signature of type, lengths and options
	Members int    // ranks of the group
}

// ProcState is what /proc tells of a process, its descendants included.
type ProcState struct {
	Proc   int
	CPU    int64 // nanoseconds used so far
	Memory int64 // bytes: its proportional share, or what is resident

	// After a deep look:
	State string // of its threads the one that tells most: R, S, D, T, t, Z
	Load  int    // percent of a CPU while the agent watched
	Call  string // the system call it is in; "": none that says anything
	File  string // which that call is about; "": unknown
	Mute  string // why it has Told nothing; "": it has
}

// Unmatched is a message that a rank has got and not received.
type Unmatched struct {
	Rank, Src int // world ranks
	Tag       int32
	Group     uint64 // 0: the world
	Op        string // of a collective
	Seq       uint32
	Bytes     int64
}

// A Failure is why a job ends.
type Failure struct {
	Rank int // -1: not a rank's doing
	Host string
	Code int // exit code it stands for
	Text string
	// Collateral marks a rank that failed because another one did: its report
	// is never the cause while a first-hand one exists.
	Collateral bool
	Peer       int // the rank it blames, -1: none
	Aborted    bool
}

// Between agent and rank, both ways over the process's control socket.
type (
	// Welcome is the first packet to a process. It carries the descriptor of
	// the host's shared segment unless the process is alone on its host.
	Welcome struct {
		Version   int
		Job       string
		Key       []byte
		Proc      int
		Ranks     []int
		Topology  Topology
		Args      []string
		Transport string
		Terminal  int
		Encrypt   bool // TLS on every TCP connection
		Streams   int  // as in Start
		Continue  bool // the job goes on when a rank fails
		Segment   bool // a descriptor comes with this packet
		Watch     Watch
	}
	// Attach is a process's first word: it has read its Welcome, and wants to
	// hear from now on who has ended and why the job ends. Programs that know
	// nothing of gridrun never say it, and are told nothing.
	Attach struct{}
	// Lookup asks where process Proc listens; Address answers. The host service
	// of host h is process -1-h.
	Lookup  struct{ Proc int }
	Address struct {
		Proc  int
		Host  string // where it runs, as the launcher calls it
		Addrs []string
		Error string
	}
	// Conn brings a connection accepted for this process, as a descriptor.
	// Process From has opened it and proved that it knows the job's key.
	Conn struct{ From int }
	// Service asks for a connection to the host service; it comes back in a
	// Service packet, as a descriptor, or with Error.
	Service struct {
		Rank  int
		Error string
	}
	// Told answers Inspect: the process's Go stacks and unmatched messages, in
	// pieces of which the last has More unset. The agent passes it on with Proc.
	Told struct {
		Proc      int
		Seq       uint32
		Stacks    []byte
		Unmatched []Unmatched
		More      bool
	}
	// Failed reports that a rank of this process has failed (before it exits).
	Failed struct{ Failure Failure }
	// Cause tells a rank why the job ends.
	Cause struct{ Failure Failure }
	// Progress is drawn by the launcher when it has a terminal.
	Progress struct {
		Rank        int
		Done, Total int64
		Label       string
	}
)

// messages lists every kind once; its order is the wire's: append only.
var messages = []func() Message{
	func() Message { return new(Start) },
	func() Message { return new(Input) },
	func() Message { return new(Grant) },
	func() Message { return new(Signal) },
	func() Message { return new(Stop) },
	func() Message { return new(Gone) },
	func() Message { return new(Inspect) },
	func() Message { return new(Beat) },
	func() Message { return new(Ready) },
	func() Message { return new(Started) },
	func() Message { return new(Output) },
	func() Message { return new(Want) },
	func() Message { return new(Exit) },
	func() Message { return new(Report) },
	func() Message { return new(Done) },
	func() Message { return new(Trouble) },
	func() Message { return new(Notice) },
	func() Message { return new(Welcome) },
	func() Message { return new(Lookup) },
	func() Message { return new(Address) },
	func() Message { return new(Conn) },
	func() Message { return new(Service) },
	func() Message { return new(Failed) },
	func() Message { return new(Cause) },
	func() Message { return new(Progress) },
	func() Message { return new(Locate) },
	func() Message { return new(Located) },
	func() Message { return new(Hello) },
	func() Message { return new(Stage) },
	func() Message { return new(Attach) },
	func() Message { return new(Offer) },
	func() Message { return new(Bound) },
	func() Message { return new(Memory) },
	func() Message { return new(Recorded) },
	func() Message { return new(Clock) },
	func() Message { return new(Told) },
	func() Message { return new(Survey) },
	func() Message { return new(Facts) },
	func() Message { return new(Try) },
	func() Message { return new(Tried) },
}

func (*Start) kind() byte    { return 1 }
func (*Input) kind() byte    { return 2 }
func (*Grant) kind() byte    { return 3 }
func (*Signal) kind() byte   { return 4 }
func (*Stop) kind() byte     { return 5 }
func (*Gone) kind() byte     { return 6 }
func (*Inspect) kind() byte  { return 7 }
func (*Beat) kind() byte     { return 8 }
func (*Ready) kind() byte    { return 9 }
func (*Started) kind() byte  { return 10 }
func (*Output) kind() byte   { return 11 }
func (*Want) kind() byte     { return 12 }
func (*Exit) kind() byte     { return 13 }
func (*Report) kind() byte   { return 14 }
func (*Done) kind() byte     { return 15 }
func (*Trouble) kind() byte  { return 16 }
func (*Notice) kind() byte   { return 17 }
func (*Welcome) kind() byte  { return 18 }
func (*Lookup) kind() byte   { return 19 }
func (*Address) kind() byte  { return 20 }
func (*Conn) kind() byte     { return 21 }
func (*Service) kind() byte  { return 22 }
func (*Failed) kind() byte   { return 23 }
func (*Cause) kind() byte    { return 24 }
func (*Progress) kind() byte { return 25 }
func (*Locate) kind() byte   { return 26 }
func (*Located) kind() byte  { return 27 }
func (*Hello) kind() byte    { return 28 }
func (*Stage) kind() byte    { return 29 }
func (*Attach) kind() byte   { return 30 }
func (*Offer) kind() byte    { return 31 }
func (*Bound) kind() byte    { return 32 }
func (*Told) kind() byte     { return 36 }
func (*Survey) kind() byte   { return 37 }
func (*Facts) kind() byte    { return 38 }
func (*Try) kind() byte      { return 39 }
func (*Tried) kind() byte    { return 40 }

// ErrControl is what bytes that no gridrun would send decode to.
var ErrControl = errors.New("malformed control message")

// Marshal encodes m: its kind byte and a msgpack map of its fields.
func Marshal(m Message) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte(m.kind())
	if err := msgpack.NewEncoder(&buf).Encode(m); err != nil {
		return nil, fmt.Errorf("control message %T: %w", m, err)
	}
	if buf.Len() > MaxControl {
		return nil, fmt.Errorf("control message %T of %d bytes, the most is %d", m, buf.Len(), MaxControl)
	}
	return buf.Bytes(), nil
}

// Unmarshal decodes what Marshal made. Whatever b holds, it returns a message
// or an error.
func Unmarshal(b []byte) (m Message, err error) {
	if len(b) == 0 || len(b) > MaxControl {
		return nil, fmt.Errorf("%w: %d bytes", ErrControl, len(b))
	}
	if b[0] == 0 || int(b[0]) > len(messages) {
		return nil, fmt.Errorf("%w: kind %d", ErrControl, b[0])
	}
	m = messages[b[0]-1]()
	if err := msgpack.Unmarshal(b[1:], m); err != nil {
		return nil, fmt.Errorf("%w: %T: %v", ErrControl, m, err)
	}
	return m, nil
}

package wire

// A Watch is what is to be observed of a job's ranks; the zero value is nothing.
type Watch struct {
	Counts  bool // messages, bytes and waits, for --stats
	Events  int  // a timeline: the newest so many events of each rank
	Profile bool // a CPU profile of each process
}

// Record says whether ranks need memory to record in.
func (w Watch) Record() bool { return w.Counts || w.Events > 0 }

// Any says whether anything is observed.
func (w Watch) Any() bool { return w.Record() || w.Profile }

// What a Memory or a Recorded is about.
const (
	MemoryRecord  = "record"  // where a process's ranks record (internal/trace)
	MemoryProfile = "profile" // where a process leaves its profile
	RecordHead    = "head"    // the counters of a rank
	RecordRing    = "ring"    // its events
	RecordProfile = "profile"
)

type (
	// Memory follows Welcome, with the descriptor of memory for What, once for
	// each that the Watch asks for.
	Memory struct{ What string }
	// Recorded is a piece of what a process has recorded, sent when it has ended,
	// against the credit of output. End is the last of a process.
	Recorded struct {
		Proc, Rank int
		What       string
		Data       []byte
		End        bool
		// With End:
		Began, Ended int64  // the process, by the host's clock; 0: it did not start
		Exit         Exit   // how it ended
		Waits        []Wait // what its ranks were blocked in when it died
	}
	// Clock asks the agent for its time; it sends the message back.
	Clock struct {
		Sent int64  // the launcher's clock when it asked
		Here int64  // the agent's clock (CLOCK_MONOTONIC), in the answer
		Boot string // names the running system: two hosts of the same one share a clock
	}
)

func (*Memory) kind() byte   { return 33 }
func (*Recorded) kind() byte { return 34 }
func (*Clock) kind() byte    { return 35 }

package observe

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"gridrun/internal/hostclock"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
	"gridrun/launcher/place"
	"gridrun/launcher/profile"
	"gridrun/launcher/tally"
	"gridrun/launcher/timeline"
)

// Want is what the user wants to know of a job beyond its output. The zero
// value is nothing.
type Want struct {
	Stats     bool   // a table when the job has ended
	StatsFile string // the same as JSON
	Trace     string // a timeline's file
	Events    int    // of each rank in the timeline, the newest; 0: DefaultEvents
	Profile   string // a merged CPU profile's file
}

// DefaultEvents is how many events of each rank a timeline keeps: 2 MiB.
const DefaultEvents = 1 << 15

// Watch is what agents and ranks are told of it.
func (o Want) Watch() (w wire.Watch) {
	w.Counts = o.Stats || o.StatsFile != ""
	w.Profile = o.Profile != ""
	if o.Trace != "" {
		if w.Events = o.Events; w.Events == 0 {
			w.Events = DefaultEvents
		}
	}
	return w
}

// Validate says what cannot be wanted.
func (o Want) Validate() error {
	switch {
	case o.Events < 0 || o.Events > trace.MaxEvents:
		return fmt.Errorf("--trace-events %d: 1 to %d", o.Events, trace.MaxEvents)
	case o.Events > 0 && o.Trace == "":
		return errors.New("--trace-events is for --trace FILE")
	}
	return nil
}

// Time bounds how long agents may take to send what ranks have recorded.
const Time = 10 * time.Minute

// An Observer gathers what processes have recorded. The hosts' goroutines call
// it; each holds the lock while it adds one process.
type Observer struct {
	job   string // its id
	plan  place.Plan
	want  Want
	clock hostclock.Clock
	boot  string

	mu       sync.Mutex
	timeline *timeline.Writer // nil: not wanted
	profile  *profile.Merger
	out      *os.File // of the profile
	counts   *os.File // of the counts as JSON
	stats    tally.Tally
	pending  map[int]*recorded // by process
	ended    map[int]bool
	samples  [][]timeline.Sample // by host
	shared   []bool              // by host: it has our clock
	lines    map[int]timeline.Line
	dropped  map[uint64][]int // ranks by how many events they have lost
	silent   []int            // ranks that recorded nothing
	troubles []string
}

// recorded is what has come of one process.
type recorded struct {
	heads, rings map[int][]byte // by rank
	profile      []byte
}

// New makes the files that are wanted of a job; nil, which does nothing, when
// nothing is.
func New(want Want, job string, plan place.Plan) (o *Observer, err error) {
	if !want.Watch().Any() {
		return nil, nil
	}
	hosts := len(plan.Hosts)
	o = &Observer{job: job, plan: plan, want: want, clock: hostclock.New(), boot: hostclock.BootID(), pending: map[int]*recorded{}, ended: map[int]bool{},
		samples: make([][]timeline.Sample, hosts), shared: make([]bool, hosts), lines: map[int]timeline.Line{}, dropped: map[uint64][]int{}}
	for i, host := range plan.Hosts {
		o.shared[i] = host.Local() // a short job ends before the answer is there
	}
	if err := o.create(); err != nil {
		o.giveUp()
		return nil, err
	}
	return o, nil
}

// create makes the files before anything runs, so that a job does not end with
// nowhere to put what it has counted.
func (o *Observer) create() (err error) {
	if o.want.StatsFile != "" {
		if o.counts, err = os.Create(o.want.StatsFile); err != nil {
			return fmt.Errorf("--stats-file: %w", err)
		}
	}
	if o.want.Trace != "" {
		if o.timeline, err = timeline.Create(o.want.Trace, o.clock.Now()); err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
	}
	if o.want.Profile != "" {
		if o.out, err = os.Create(o.want.Profile); err != nil {
			return fmt.Errorf("--profile: %w", err)
		}
		o.profile = new(profile.Merger)
	}
	return nil
}

// giveUp closes what create has made.
func (o *Observer) giveUp() {
	if o.counts != nil {
		o.counts.Close()
	}
	if o.timeline != nil {
		o.timeline.Abort()
	}
}

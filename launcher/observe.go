package launcher

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gridrun/internal/trace"
	"gridrun/internal/wire"
	"gridrun/launcher/profile"
	"gridrun/launcher/rankset"
	"gridrun/launcher/tally"
	"gridrun/launcher/timeline"
)

// Observe is what the user wants to know of a job beyond its output. The zero
// value is nothing.
type Observe struct {
	Stats     bool   // a table when the job has ended
	StatsFile string // the same as JSON
	Trace     string // a timeline's file
	Events    int    // of each rank in the timeline, the newest; 0: DefaultEvents
	Profile   string // a merged CPU profile's file
}

// DefaultEvents is how many events of each rank a timeline keeps: 2 MiB.
const DefaultEvents = 1 << 15

func (o Observe) watch() (w wire.Watch) {
	w.Counts = o.Stats || o.StatsFile != ""
	w.Profile = o.Profile != ""
	if o.Trace != "" {
		if w.Events = o.Events; w.Events == 0 {
			w.Events = DefaultEvents
		}
	}
	return w
}

func (o Observe) validate() error {
	switch {
	case o.Events < 0 || o.Events > trace.MaxEvents:
		return fmt.Errorf("--trace-events %d: 1 to %d", o.Events, trace.MaxEvents)
	case o.Events > 0 && o.Trace == "":
		return errors.New("--trace-events is for --trace FILE")
	}
	return nil
}

// recordTime bounds how long agents may take to send what ranks have recorded.
const recordTime = 10 * time.Minute

// An observer gathers what processes have recorded. The hosts' goroutines call
// it; each holds the lock while it adds one process.
type observer struct {
	job   *Job
	want  Observe
	clock trace.Clock
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

// newObserver makes the files that are wanted; nil when nothing is.
func newObserver(j *Job) (o *observer, err error) {
	if !j.spec.Observe.watch().Any() {
		return nil, nil
	}
	hosts := len(j.plan.Hosts)
	want := j.spec.Observe
	for _, file := range []*string{&want.StatsFile, &want.Trace, &want.Profile} {
		*file = j.fileOfStart(*file)
	}
	o = &observer{job: j, want: want, clock: trace.NewClock(), boot: trace.BootID(), pending: map[int]*recorded{}, ended: map[int]bool{},
		samples: make([][]timeline.Sample, hosts), shared: make([]bool, hosts), lines: map[int]timeline.Line{}, dropped: map[uint64][]int{}}
	for i, host := range j.plan.Hosts {
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
func (o *observer) create() (err error) {
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
func (o *observer) giveUp() {
	if o.counts != nil {
		o.counts.Close()
	}
	if o.timeline != nil {
		o.timeline.Abort()
	}
}

// clockLooks is how often a host's clock is asked at first, one question upon
// the other; then once in clockPause.
const (
	clockLooks = 8
	clockPause = time.Second
)

// ask asks a host for its time, when that is of use.
func (o *observer) ask(l *link) {
	if o != nil && o.timeline != nil {
		l.send(&wire.Clock{Sent: o.clock.Now()})
	}
}

// told takes a host's time and asks again.
func (o *observer) told(host int, m *wire.Clock, l *link) {
	if o == nil || o.timeline == nil {
		return
	}
	back := o.clock.Now()
	o.mu.Lock()
	o.shared[host] = o.boot != "" && m.Boot == o.boot
	o.samples[host] = append(o.samples[host], timeline.Sample{Sent: m.Sent, Here: m.Here, Back: back})
	n := len(o.samples[host])
	if n > 4*clockLooks { // of what is old, the quickest of each pair tells the most
		o.samples[host] = timeline.Thin(o.samples[host])
	}
	shared := o.shared[host]
	o.mu.Unlock()
	switch {
	case shared:
	case n < clockLooks:
		o.ask(l)
	default:
		time.AfterFunc(clockPause, func() { o.ask(l) })
	}
}

// piece takes a part of what a process has recorded.
func (o *observer) piece(host int, m *wire.Recorded) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pending[m.Proc]
	if p == nil {
		p = &recorded{heads: map[int][]byte{}, rings: map[int][]byte{}}
		o.pending[m.Proc] = p
	}
	most := trace.Size(o.want.watch().Events)
	switch m.What {
	case wire.RecordHead:
		p.heads[m.Rank] = bounded(p.heads[m.Rank], m.Data, trace.HeadSize)
	case wire.RecordRing:
		p.rings[m.Rank] = bounded(p.rings[m.Rank], m.Data, most)
	case wire.RecordProfile:
		p.profile = bounded(p.profile, m.Data, maxProfile)
	}
	if m.End && !o.ended[m.Proc] {
		o.ended[m.Proc] = true
		delete(o.pending, m.Proc)
		o.add(host, m, p)
	}
}

// maxProfile bounds the profile of one process.
const maxProfile = 256 << 20

// bounded appends, but not beyond what there can be.
func bounded(to, data []byte, most int) []byte {
	if len(to)+len(data) > most {
		return to
	}
	return append(to, data...)
}

// add takes a whole process. Called with o.mu held.
func (o *observer) add(host int, end *wire.Recorded, p *recorded) {
	ranks := o.job.plan.Procs[end.Proc].Ranks
	name := o.job.plan.Hosts[host].Name
	started := end.Began > 0
	if started {
		o.stats.Process(tally.Process{Ranks: ranks, CPU: end.Exit.CPU, RSS: end.Exit.RSS})
	}
	if o.profile != nil && started {
		var err error
		switch {
		case len(p.profile) > 0:
			err = o.profile.Add(p.profile, name, ranks)
		case end.Exit.Code != 0:
			err = fmt.Errorf("no profile of %s, which did not end well", rankset.Label(ranks))
		default:
			err = fmt.Errorf("no profile of %s, which %s not use rt, or left without returning from its body", rankset.Label(ranks), do(ranks))
		}
		if err != nil {
			o.trouble(err.Error())
		}
	}
	if !o.want.watch().Record() {
		return
	}
	for _, rank := range ranks {
		dump, err := trace.Decode(p.heads[rank], p.rings[rank])
		if err == nil && dump != nil && dump.Rank != rank {
			err = fmt.Errorf("%w: it is rank %d's", trace.ErrMemory, dump.Rank)
		}
		if err != nil {
			o.trouble(fmt.Sprintf("what rank %d has recorded cannot be read: %v", rank, err))
			continue
		}
		if started {
			o.stats.Add(tally.Rank{Rank: rank, Dump: dump, Waits: end.Waits})
		}
		if dump == nil && started {
			o.silent = append(o.silent, rank)
		}
		if o.timeline == nil {
			continue
		}
		if dump != nil && dump.Dropped > 0 {
			o.dropped[dump.Dropped] = append(o.dropped[dump.Dropped], rank)
		}
		o.timeline.Rank(timeline.Rank{Rank: rank, Host: host, HostName: name, Clock: o.line(host),
			Began: end.Began, Ended: end.Ended, Exit: end.Exit, Dump: dump, Waits: end.Waits})
	}
}

func do(ranks []int) string {
	if len(ranks) == 1 {
		return "does"
	}
	return "do"
}

// line leads from a host's time to ours, the same for all its ranks.
func (o *observer) line(host int) timeline.Line {
	l, known := o.lines[host]
	if !known {
		if !o.shared[host] {
			var ok bool
			if l, ok = timeline.Fit(o.samples[host]); !ok {
				o.trouble(fmt.Sprintf("the clock of %s is unknown: its ranks stand wrong in time", o.job.plan.Hosts[host].Name))
			}
		}
		o.lines[host] = l
	}
	return l
}

func (o *observer) trouble(text string) {
	if !slices.Contains(o.troubles, text) {
		o.troubles = append(o.troubles, text)
	}
}

// finish writes what is wanted and returns what to show the user: a table, and
// lines. It is called when no host says anything any more.
func (o *observer) finish() (table string, lines []string) {
	if o == nil {
		return "", nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var missing []int
	for p, proc := range o.job.plan.Procs {
		if !o.ended[p] {
			missing = append(missing, proc.Ranks...)
		}
	}
	if len(missing) > 0 {
		o.trouble("nothing recorded has come from " + rankset.Label(missing))
	}
	if o.timeline != nil {
		o.finishTimeline()
	}
	if o.profile != nil {
		if err := errors.Join(o.profile.Write(o.out), o.out.Close()); err != nil {
			o.trouble(fmt.Sprintf("--profile: %v", err))
		}
	}
	if o.counts != nil {
		b, err := o.stats.JSON()
		if err == nil {
			_, err = o.counts.Write(append(b, '\n'))
		}
		if err = errors.Join(err, o.counts.Close()); err != nil {
			o.trouble(fmt.Sprintf("--stats-file: %v", err))
		}
	}
	if o.want.Stats {
		table = o.stats.Text()
	}
	return table, o.troubles
}

func (o *observer) finishTimeline() {
	var counts []uint64
	for n := range o.dropped {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	if len(counts) > 0 {
		var ranks []int
		for _, n := range counts {
			ranks = append(ranks, o.dropped[n]...)
		}
		o.trouble(fmt.Sprintf("--trace: of %s the oldest events are missing, up to %d of a rank; --trace-events keeps more", rankset.Label(ranks), counts[len(counts)-1]))
	}
	if len(o.silent) > 0 {
		o.trouble(fmt.Sprintf("--trace: of %s there is nothing but begin and end: not a program that uses gridrun's rt", rankset.Label(o.silent)))
	}
	about := map[string]any{"job": o.job.id, "ranks": o.job.plan.NP}
	var clocks []string
	for h, l := range o.lines {
		if !o.shared[h] {
			clocks = append(clocks, fmt.Sprintf("%s: within %v", o.job.plan.Hosts[h].Name, time.Duration(l.Error).Round(time.Microsecond)))
		}
	}
	slices.Sort(clocks)
	if len(clocks) > 0 {
		about["clocks"] = strings.Join(clocks, ", ")
	}
	if err := o.timeline.Close(about); err != nil {
		o.trouble(fmt.Sprintf("--trace: %v", err))
	}
}

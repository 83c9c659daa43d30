package observe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridrun/launcher/rankset"
)

// Finish writes what is wanted and returns what to show the user: a table, and
// lines. It is called when no host says anything any more.
func (o *Observer) Finish() (table string, lines []string, err error) {
	if o == nil {
		return "", nil, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var missing []int
	for p, proc := range o.plan.Procs {
		if !o.ended[p] {
			missing = append(missing, proc.Ranks...)
		}
	}
	if len(missing) > 0 {
		o.trouble("nothing recorded has come from " + rankset.Label(missing))
	}
	if o.timeline != nil {
		err = unwritten("--trace", o.finishTimeline())
	}
	if o.profile != nil {
		err = errors.Join(err, unwritten("--profile", o.profile.Write(o.out), o.out.Close()))
	}
	if o.counts != nil {
		b, failed := o.stats.JSON()
		if failed == nil {
			_, failed = o.counts.Write(append(b, '\n'))
		}
		err = errors.Join(err, unwritten("--stats-file", failed, o.counts.Close()))
	}
	if o.want.Stats {
		table = o.stats.Text()
	}
	return table, o.troubles, err
}

// unwritten is the first error of those with which a file could not be written.
func unwritten(flag string, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	return nil
}

func (o *Observer) finishTimeline() error {
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
	about := map[string]any{"job": o.job, "ranks": o.plan.NP}
	var clocks []string
	for h, l := range o.lines {
		if !o.shared[h] {
			clocks = append(clocks, fmt.Sprintf("%s: within %v", o.plan.Hosts[h].Name, time.Duration(l.Error).Round(time.Microsecond)))
		}
	}
	slices.Sort(clocks)
	if len(clocks) > 0 {
		about["clocks"] = strings.Join(clocks, ", ")
	}
	return o.timeline.Close(about)
}

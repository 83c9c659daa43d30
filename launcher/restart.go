package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gridrun/launcher/job"
	"gridrun/launcher/observe"
	"gridrun/launcher/place"
)

// A restart is the next start of a job that has failed (--restarts): the same
// programs and ranks, placed on the hosts that are left. Run makes it when
// nothing of the last start is left on any host that can be reached.
type restart struct {
	spec Spec
	plan place.Plan
	wait time.Duration
}

// farewell is the line that a run ends with. It decides whether the job is
// started again: not after success, the user's signals and --timeout, nor when
// it could not be started at all.
func (r *run) farewell(result job.Result) string {
	j := r.job
	if !result.Again || j.attempt >= j.spec.Restarts {
		return result.Summary
	}
	var lost []place.Host
	without := ""
	for _, h := range result.Lost {
		// An agent that ends on this machine does not mean that the machine is gone.
		if host := j.plan.Hosts[h]; !host.Local() {
			lost = append(lost, host)
			without += ", " + host.Name
		}
	}
	next, err := j.next(lost)
	if err != nil {
		return fmt.Sprintf("%s; not started again: %v", result.Summary, err)
	}
	r.again = next
	if without != "" {
		without = " without " + strings.TrimPrefix(without, ", ")
	}
	return fmt.Sprintf("restart %d of %d%s: %s", j.attempt+1, j.spec.Restarts, without, result.Summary)
}

// next places the job on the hosts that are left. Slots bind as at the first start.
func (j *Job) next(lost []place.Host) (*restart, error) {
	n := &restart{spec: j.spec}
	n.spec.Apps = slices.Clone(j.spec.Apps)
	if len(n.spec.Apps) == 1 { // all slots there were, not all that are left
		n.spec.Apps[0].NP = j.plan.NP
	}
	isLost := func(h place.Host) bool {
		return slices.ContainsFunc(lost, func(l place.Host) bool { return l.String() == h.String() })
	}
	if f := j.spec.MapBy.Rankfile; f != nil {
		if i := slices.IndexFunc(f.Hosts, isLost); i >= 0 {
			return nil, fmt.Errorf("the rankfile places ranks on %v, which is lost", f.Hosts[i])
		}
	}
	n.spec.Hosts = slices.DeleteFunc(slices.Clone(j.spec.Hosts), isLost)
	if len(j.spec.Hosts) > 0 && len(n.spec.Hosts) == 0 {
		return nil, errors.New("no host is left")
	}
	var err error
	if n.plan, err = n.spec.place(); err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		// A host that cannot be reached any more ends its ranks by itself, after
		// its own lease; it may have begun to count a little later than we did.
		n.wait = j.spec.Lease / 2
	}
	return n, nil
}

// pause waits before the restart. It returns the signal that asks to end
// meanwhile, or 0.
func (n *restart) pause(ctx context.Context, signals <-chan os.Signal) int {
	timer := time.NewTimer(n.wait)
	defer timer.Stop()
	for {
		select {
		case s := <-signals:
			switch s {
			case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
				return int(s.(syscall.Signal))
			}
		case <-ctx.Done():
			return int(syscall.SIGTERM)
		case <-timer.C:
			return 0
		}
	}
}

// restart makes the job the one that comes next.
func (j *Job) restart(n *restart) {
	j.running.Store(nil)
	j.spec, j.plan, j.Notices = n.spec, n.plan, nil
	j.lay()
	j.attempt++
	j.name()
}

// fileOfStart is the name under which this start writes a file that the user has
// named: what earlier ones have written stays. "t.json" is "t.restart.1.json".
func (j *Job) fileOfStart(path string) string {
	if path == "" || j.attempt == 0 {
		return path
	}
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s.restart.%d%s", strings.TrimSuffix(path, ext), j.attempt, ext)
}

// observes is what the user wants to know, with the names of this start's files.
func (j *Job) observes() observe.Want {
	want := j.spec.Observe
	for _, file := range []*string{&want.StatsFile, &want.Trace, &want.Profile} {
		*file = j.fileOfStart(*file)
	}
	return want
}

// restartVariable tells ranks how often the job has been started again.
func (j *Job) restartVariable() []string {
	if j.spec.Restarts == 0 {
		return nil
	}
	return []string{fmt.Sprintf("GRIDRUN_RESTART=%d", j.attempt)}
}

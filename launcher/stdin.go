package launcher

import (
	"slices"

	"gridrun/launcher/stdin"
)

// feedsProc says whether a process gets standard input: --stdin.
func (j *Job) feedsProc(proc int) bool {
	if j.noInput {
		return false
	}
	switch j.spec.Stdin {
	case "all":
		return true
	case "none":
		return false
	}
	return slices.Contains(j.plan.Procs[proc].Ranks, j.stdinRank)
}

// openInput makes the feeder of standard input, for the processes that get it.
func (r *run) openInput() error {
	var sinks []*stdin.Sink
	for p, proc := range r.job.plan.Procs {
		if r.job.feedsProc(p) {
			sinks = append(sinks, &stdin.Sink{Proc: p, Send: r.hosts[proc.Host].link.send})
		}
	}
	if sinks == nil {
		return nil
	}
	var err error
	r.input, err = stdin.New(r.io.Stdin, sinks, func(err error) {
		r.outputFailed("cannot keep standard input: ", err)
	})
	return err
}

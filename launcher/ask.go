package launcher

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"gridrun/launcher/diagnose"
	"gridrun/launcher/job"
	"gridrun/launcher/registry"
)

// A picture is what is known of all ranks, and the job's phase.
type picture struct {
	diagnose.Job
	phase job.Phase
}

// inquire asks the agents what their ranks do. Anybody may call it while the job
// runs.
func (r *run) inquire(ctx context.Context, deep bool) (picture, error) {
	answer := make(chan picture, 1)
	var id int
	r.post(func() {
		r.asked++
		id = r.asked
		r.askers[id] = answer
		r.do(r.machine.Step(job.Asked{By: id, Deep: deep}))
	})
	select {
	case p := <-answer:
		return p, nil
	case <-r.ended:
		return picture{}, errors.New("the job has just ended")
	case <-ctx.Done():
		r.post(func() { delete(r.askers, id) })
		return picture{}, ctx.Err()
	}
}

// answer gives what the agents have said to who has asked.
func (r *run) answer(who int, j diagnose.Job) {
	if who != job.Terminal {
		if c := r.askers[who]; c != nil {
			c <- picture{j, r.machine.Phase()}
			delete(r.askers, who)
		}
		return
	}
	r.say(strings.TrimRight(diagnose.Text(j, false), "\n"))
	if r.machine.Phase() < job.Stopping && !r.machine.Expired() {
		r.say("the job goes on; Ctrl-C ends it")
	}
}

// Summary and Stacks answer `gridrun ps` and `gridrun stacks`.
func (r *run) Summary(ctx context.Context) (registry.Summary, error) {
	p, err := r.inquire(ctx, false)
	if err != nil {
		return registry.Summary{}, err
	}
	s := registry.Summary{
		Job: r.job.id, Pid: os.Getpid(), Started: r.began, Program: strings.Join(r.job.commands(), " : "),
		Hosts: p.Hosts, Ranks: r.job.plan.NP, State: p.phase.String(),
	}
	for _, d := range p.Procs {
		switch d.Phase {
		case diagnose.Running:
			s.Running += len(d.Ranks)
		case diagnose.Ended:
			s.Ended += len(d.Ranks)
			s.CPU += d.CPU
		}
		if d.Phase == diagnose.Running && d.State != nil {
			s.CPU += time.Duration(d.State.CPU)
			s.Memory += d.State.Memory
		}
	}
	return s, nil
}

func (r *run) Stacks(ctx context.Context, all bool) (string, error) {
	p, err := r.inquire(ctx, true)
	if err != nil {
		return "", err
	}
	return diagnose.Text(p.Job, all), nil
}

// register makes the job known to `gridrun ps` and `gridrun stacks`. It runs as
// well where that cannot be.
func (r *run) register() {
	if r.io.Registry == "" {
		return
	}
	server, err := registry.Listen(r.io.Registry, r.job.id, r)
	if err != nil {
		r.verbose("gridrun ps and stacks will not find this job: %v", err)
		return
	}
	r.server = server
}

// commands are the command lines of the job's programs, for a shell.
func (j *Job) commands() []string {
	var commands []string
	for _, a := range j.spec.Apps {
		var words []string
		for _, w := range a.Command {
			words = append(words, quote(w))
		}
		commands = append(commands, strings.Join(words, " "))
	}
	return commands
}

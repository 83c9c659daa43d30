package main

import (
	"context"
	"os/signal"
	"slices"
	"syscall"

	"gridrun/bench/cost"
	"gridrun/bench/launch"
	"gridrun/bench/message"
	"gridrun/collectives"
	"gridrun/jobs"
	"gridrun/rt"
)

// builtins are the jobs of this binary: the sample workloads, and those of
// gridrun's own measurements, whose names start with _ and are not listed.
func builtins() []jobs.Job {
	return append(jobs.All(),
		jobs.Job{Name: launch.HelloJob, Body: hello},
		jobs.Job{Name: launch.ParkJob, Body: park},
		jobs.Job{Name: message.JobName, Body: message.Job},
		jobs.Job{Name: cost.JobName, Body: cost.Job})
}

func findJob(name string) rt.Body {
	for _, j := range builtins() {
		if j.Name == name {
			return j.Body
		}
	}
	return nil
}

func jobNames() (names []string) {
	for _, j := range builtins() {
		names = append(names, j.Name)
	}
	return names
}

// hello is the job whose start `gridrun bench launch` times: wired up once.
func hello(ctx context.Context, w *rt.World) error { return collectives.Barrier(ctx, w) }

// park says hello and stays until it is stopped, so that its memory can be measured.
func park(ctx context.Context, w *rt.World) error {
	if err := collectives.Barrier(ctx, w); err != nil {
		return err
	}
	if slices.Contains(w.Args(), launch.TalkArg) {
		if err := talk(ctx, w); err != nil {
			return err
		}
	}
	if slices.Contains(w.Args(), launch.StubbornArg) {
		signal.Ignore(syscall.SIGTERM)
		ctx = context.WithoutCancel(ctx)
	}
	return launch.Park(ctx, w.Stdout())
}

// talk exchanges messages with every other rank, as bench/peers/hello.c does.
func talk(ctx context.Context, w *rt.World) error {
	const messages, bytes = 8, 8192
	out, in := make([]byte, bytes), make([]byte, bytes)
	me, n := w.Rank(), w.Size()
	for d := 1; d < n; d++ {
		for range messages {
			if _, err := rt.SendRecv(ctx, w, (me+d)%n, out, (me+n-d)%n, in, 0); err != nil {
				return err
			}
		}
	}
	return collectives.Barrier(ctx, w)
}

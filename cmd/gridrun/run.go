package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"gridrun/internal/rundir"
	"gridrun/internal/wire"
	"gridrun/launcher"
	"gridrun/launcher/observe"
	"gridrun/launcher/output"
	"gridrun/launcher/rankset"
)

// run starts a job and returns its exit code; the error is what prevented it.
func (*runFlags) run(ctx context.Context, words []string) (int, error) {
	flags, apps, err := parse(words)
	if err != nil {
		return 0, err
	}
	var own early
	if !flags.DryRun && flags.Host == "" && flags.Hostfile == "" {
		own.begin()
	}
	defer own.end()
	spec, err := flags.spec()
	if err != nil {
		return 0, err
	}
	choices, err := flags.choices(names(spec.Hosts), func(text string) { fmt.Fprintln(os.Stderr, "gridrun:", text) })
	if err != nil {
		return 0, err
	}
	for i := range apps {
		apps[i].Env = append(choices[:len(choices):len(choices)], apps[i].Env...) // -x comes last and wins
	}
	spec.Apps, spec.Builtins = apps, jobNames()

	signals := catch()
	starters, err := newStarters(ctx, flags.hostFlags, spec.Away(), !flags.NoWarm)
	if err != nil {
		return 0, err
	}
	if err := starters.shape(flags); err != nil {
		return 0, err
	}
	job, ended, err := prepare(spec, starters, signals)
	switch {
	case ended != 0:
		return 128 + int(ended), nil
	case err != nil:
		return 0, err
	}
	if spec.DryRun {
		_, err := fmt.Print(job.Text())
		return 0, err
	}
	io := launcher.IO{Stdin: os.Stdin, Stdout: output.Patient{File: os.Stdout}, Stderr: output.Patient{File: os.Stderr}, Signals: signals}
	if columns, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		io.Columns = columns
	}
	if io.Registry, err = rundir.Path(); err != nil {
		io.Registry = ""
		if spec.Verbose {
			fmt.Fprintln(os.Stderr, "gridrun: gridrun ps and stacks will not find this job:", err)
		}
	}
	starters.job.Store(job)
	starters.own = &own
	return job.Run(ctx, starters, io), nil
}

// prepare asks hosts what they take, places the job and finds or builds its
// programs; a signal that asks to end is returned, and ends all that.
func prepare(spec launcher.Spec, starters *starters, signals <-chan os.Signal) (job *launcher.Job, ended syscall.Signal, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case s := <-signals:
				switch s {
				case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
					ended = s.(syscall.Signal)
					cancel()
					return
				case syscall.SIGTSTP:
					syscall.Kill(os.Getpid(), syscall.SIGSTOP) // what we have started has got it too
				}
			case <-ctx.Done():
				return
			}
		}
	})
	if spec.Hosts, err = starters.survey(ctx, spec.Hosts); err == nil {
		job, err = launcher.Prepare(ctx, spec)
	}
	if err == nil && !spec.DryRun {
		err = starters.resolve(ctx, job.Remote())
	}
	cancel()
	watcher.Wait()
	return job, ended, err
}

// catch has the signals that concern a job delivered; those that were ignored
// when gridrun started (nohup, background jobs of scripts) stay so. SIGPIPE is
// caught so that writing to a closed pipe is an error and not our end.
func catch() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGCONT,
	} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	signal.Notify(signals, syscall.SIGPIPE)
	return signals
}

// spec is what the flags mean to the launcher.
func (f runFlags) spec() (launcher.Spec, error) {
	s := launcher.Spec{
		Oversubscribe:   f.Oversubscribe,
		RanksPerProcess: int(f.RanksPerProcess),
		BindTo:          f.BindTo,
		ReportBindings:  f.ReportBindings,
		Transport:       f.Transport,
		Net:             f.Net,
		Encrypt:         f.Encrypt,
		Streams:         int(f.Streams),
		Stage:           f.Stage,
		TagOutput:       f.TagOutput,
		TimestampOutput: f.TimestampOutput,
		FoldOutput:      f.FoldOutput,
		OutputDir:       f.OutputDir,
		Tee:             f.Tee,
		Stdin:           f.Stdin,
		EnvStyles:       f.EnvStyle,
		Verbose:         f.Verbose,
		DryRun:          f.DryRun,
		Observe: observe.Want{
			Stats: f.Stats, StatsFile: f.StatsFile, Trace: f.Trace, Events: int(f.TraceEvents), Profile: f.Profile,
		},
	}
	if f.Port != nil {
		s.Ports = wire.PortRange(*f.Port)
	}
	if f.Timeout != nil {
		if s.Timeout = time.Duration(*f.Timeout); s.Timeout == 0 {
			return s, errors.New("--timeout 0: a job needs some time")
		}
	}
	switch f.OnFailure {
	case "", "stop":
	case "continue":
		s.Continue = true
	default:
		return s, fmt.Errorf("--on-failure %s: it is stop or continue", f.OnFailure)
	}
	s.Restarts = int(f.Restarts)
	if f.Grace != nil {
		if s.Grace = time.Duration(*f.Grace); s.Grace == 0 {
			s.Grace = -1
		}
	}
	if f.Lease != nil {
		if s.Lease = time.Duration(*f.Lease); s.Lease < time.Second/10 {
			return s, errors.New("--lease: at least 0.1 seconds; hosts are asked three times in that time")
		}
	}
	var err error
	if s.MapBy, err = f.policy(); err != nil {
		return s, err
	}
	if s.Wrap, err = splitWords(f.Wrap); err != nil {
		return s, fmt.Errorf("--wrap: %w", err)
	}
	if s.WrapRanks, err = rankset.Expand(f.WrapRanks); err != nil {
		return s, fmt.Errorf("--wrap-ranks: %w", err)
	}
	s.Hosts, err = f.hosts()
	return s, err
}

// version names the build: release or revision, and Go's version.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "gridrun, unknown build"
	}
	what := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (what == "" || what == "(devel)") {
			what = s.Value
		}
	}
	if what == "" {
		what = "(devel)"
	}
	return fmt.Sprintf("gridrun %s, %s", what, info.GoVersion)
}

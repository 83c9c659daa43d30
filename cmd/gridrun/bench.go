package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gridrun/bench"
	"gridrun/bench/launch"
)

// launchFlags are the flags of `gridrun bench launch`.
type launchFlags struct {
	NP       count    `name:"np" short:"n" default:"93" placeholder:"N" help:"Number of ranks (default: 93)."`
	Host     string   `short:"H" placeholder:"HOST:SLOTS,..." help:"Hosts to run on (default: this machine)."`
	Hostfile string   `placeholder:"FILE" help:"File with a host a line: name slots=N."`
	BuildDir string   `placeholder:"DIR" help:"Directory all hosts see, for others' hello."`
	Program  string   `placeholder:"'PROG ARGS'" help:"What all start (default: a hello for each)."`
	Rounds   count    `default:"5" placeholder:"N" help:"Runs of each launcher (default: 5)."`
	Alone    bool     `help:"Measure gridrun only."`
	Peers    []string `default:"openmpi,mpich" placeholder:"NAME,..." help:"openmpi, mpich (default: both)."`
	Limit    seconds  `default:"60" placeholder:"S" help:"A run that takes longer is lost (default: 60)."`
	Phases   bool     `help:"Show gridrun's steps as well."`
	Warm     bool     `help:"Bring hosts up first; warm and cold in turn."`
	Memory   bool     `help:"Measure the memory of a rank instead."`
	Talk     bool     `help:"With --memory: ranks that talked to all."`
	Kill     bool     `help:"Time the end of a job one of whose ranks dies."`
	Stubborn bool     `help:"With --kill: ranks that ignore SIGTERM."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// run times the starts and prints what it found.
func (f *launchFlags) run(ctx context.Context, _ []string) (code int, err error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	return 0, f.measure(ctx)
}

// check refuses flags that do not go together.
func (f *launchFlags) check() error {
	remote := f.Host != "" || f.Hostfile != ""
	switch {
	case f.Host != "" && f.Hostfile != "":
		return errors.New("--host and --hostfile both name hosts; give one of them")
	case f.Warm && !remote:
		return errors.New("--warm is for other hosts; name some with --host or --hostfile")
	case f.Memory && (remote || f.Program != "" || f.Phases):
		return errors.New("--memory measures the hello on this machine; leave out --host, --hostfile, --program and --phases")
	case f.Talk && !f.Memory:
		return errors.New("--talk is about the memory of a rank; add --memory")
	case f.Kill && (remote || f.Program != "" || f.Phases || f.Memory):
		return errors.New("--kill kills a rank of the hello on this machine; leave out --host, --hostfile, --program, --phases and --memory")
	case f.Stubborn && !f.Kill:
		return errors.New("--stubborn is about the end of a job; add --kill")
	case f.Kill && f.NP < 2:
		return errors.New("--kill needs a rank to kill and others to end; give -np 2 or more")
	case remote && f.Program == "" && f.BuildDir == "" && !f.Warm:
		return errors.New("the other launchers' hello is compiled here and must be seen by all hosts; name a directory they share with --build-dir, or start a program they have with --program /bin/true")
	case f.Limit == 0:
		return errors.New("--limit 0: a run needs some time")
	}
	return nil
}

func (f *launchFlags) measure(ctx context.Context) error {
	task, err := f.task()
	if err != nil {
		return err
	}
	defer os.RemoveAll(task.Dir)
	if f.Warm {
		var down func()
		if task.Warm, down, err = f.bringUp(ctx, task.Self); err != nil {
			return err
		}
		defer down()
		if f.BuildDir == "" {
			task.Peers = nil
		}
	}
	contenders, missing, err := launch.Find(ctx, task)
	if err != nil {
		return err
	}
	progress := func(what string) { fmt.Fprintln(os.Stderr, what) }
	var report launch.Report
	switch {
	case f.Memory:
		report, err = launch.Memory(ctx, contenders, int(f.NP))
	case f.Kill:
		report, err = launch.Kills(ctx, contenders, int(f.NP), int(f.Rounds), time.Duration(f.Limit), progress)
	default:
		report, err = launch.Times(ctx, contenders, int(f.NP), int(f.Rounds), time.Duration(f.Limit), progress)
	}
	if err == nil && f.Phases {
		report.Phases, err = launch.Phases(ctx, contenders[0], int(f.NP))
	}
	if err != nil {
		return err
	}
	report.Describe(task, missing)
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	report.Print(os.Stdout)
	return nil
}

// task is what the flags ask for; its directory is the caller's to remove.
func (f *launchFlags) task() (t launch.Task, err error) {
	if t.Self, err = os.Executable(); err != nil {
		return t, err
	}
	t.Program, t.Talk, t.Stubborn = strings.Fields(f.Program), f.Talk, f.Stubborn
	if !f.Alone && !f.Stubborn {
		if t.Peers, err = bench.Peers(f.Peers); err != nil {
			return t, err
		}
	}
	switch {
	case f.Host != "":
		t.Hosts, err = bench.HostsFromList(f.Host)
	case f.Hostfile != "":
		var file *os.File
		if file, err = openFile("--hostfile", f.Hostfile); err != nil {
			return t, err
		}
		defer file.Close()
		t.Hosts, err = bench.HostsFromFile(f.Hostfile, file)
	}
	if err != nil {
		return t, err
	}
	if t.Dir, err = os.MkdirTemp(f.BuildDir, "gridrun-bench-*"); err != nil {
		return t, fmt.Errorf("--build-dir: %w", err)
	}
	return t, os.Chmod(t.Dir, 0o755) // other hosts may log in as somebody else
}

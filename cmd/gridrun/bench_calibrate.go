package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"gridrun/bench/calibrate"
	"gridrun/bench/message"
	"gridrun/internal/cost"
	"gridrun/launcher/place"
)

// calibrateFlags are the flags of `gridrun bench calibrate`.
type calibrateFlags struct {
	Host     string     `short:"H" placeholder:"HOST:SLOTS,..." help:"Measure TCP between these hosts."`
	Hostfile string     `placeholder:"FILE" help:"Measure TCP between the hosts of this file."`
	Costs    string     `placeholder:"FILE" help:"Keep the figures there (default: a cache)."`
	Rounds   count      `default:"3" placeholder:"N" help:"Times that all is measured (default: 3)."`
	Budget   seconds    `default:"0.02" placeholder:"S" help:"Time for a figure (default: 0.02)."`
	Show     bool       `help:"Measure nothing; show what was measured."`
	Check    bool       `help:"Run every algorithm beside its prediction."`
	NP       []count    `name:"np" short:"n" placeholder:"N,..." help:"Ranks of tables and checks (default: 2,8,32)."`
	Over     string     `default:"shm" enum:"shm,tcp,mem" placeholder:"shm|tcp|mem" help:"With --check: how ranks talk (default: shm)."`
	Tests    []string   `placeholder:"OP,..." help:"With --check: AllReduce,... (default: all)."`
	Sizes    []sizeFlag `placeholder:"BYTES,..." help:"With --check (default: 8,4K,64K,1M)."`
}

const calibrateAbout = `Measures, in about ten seconds, what messages, meetings in shared memory, copies
and folds cost on this machine, and keeps it in the user's cache. Jobs started
from here then choose algorithms of collectives by a model of these costs;
without, by built-in switch points. With -H or --hostfile the figures are for
jobs on these hosts, or some of them. gridrun run --costs none does without,
--algorithm AllReduce=ring wants one by name. Nothing else should run meanwhile.
--check with the last figures shows how far to trust the model.`

func (f *calibrateFlags) run(ctx context.Context, _ []string) (int, error) {
	task, hosts, err := f.task()
	if err != nil {
		return 0, err
	}
	machine, path := cost.ThisMachine(), f.Costs
	if path == "" {
		dir := cost.Dir()
		if dir == "" {
			return 0, errors.New("there is no cache directory to keep the figures in; set XDG_CACHE_HOME, or give --costs FILE")
		}
		path = machine.Path(dir, hosts...)
	}
	progress := func(what string) { fmt.Fprintln(os.Stderr, what) }
	var r cost.Record
	if f.Show || f.Check {
		if r, err = cost.Read(path, machine); err != nil {
			return 0, fmt.Errorf("%w; run gridrun bench calibrate first", err)
		}
	} else {
		r = cost.Record{Machine: machine, Taken: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Between: cost.Among(hosts)}
		if r.Costs, err = calibrate.Measure(ctx, task, progress); err != nil {
			return 0, err
		}
		if err := r.Write(path); err != nil {
			return 0, fmt.Errorf("keeping the figures: %w", err)
		}
	}
	if f.Check {
		return 0, f.check(ctx, task, &r.Costs, progress)
	}
	f.print(os.Stdout, path, r)
	return 0, nil
}

// ranks are the numbers of ranks that tables and checks are about.
func (f *calibrateFlags) ranks() (all []int) {
	for _, n := range f.NP {
		all = append(all, int(n))
	}
	if all == nil {
		all = []int{2, 8, 32}
	}
	return all
}

// task is what to measure, and between which hosts.
func (f *calibrateFlags) task() (calibrate.Task, []string, error) {
	t := calibrate.Task{Version: version(), Cores: cost.ThisMachine().Cores, Rounds: int(f.Rounds), Budget: time.Duration(f.Budget), Limit: time.Minute}
	var err error
	if t.Self, err = os.Executable(); err != nil {
		return t, nil, err
	}
	var hosts []place.Host
	switch {
	case f.Host != "" && f.Hostfile != "":
		return t, nil, errors.New("--host and --hostfile both name hosts; give one of them")
	case f.Host != "":
		t.Hosts = []string{"--oversubscribe", "--host", f.Host}
		hosts, err = place.ParseHosts(f.Host)
	case f.Hostfile != "":
		t.Hosts = []string{"--oversubscribe", "--hostfile", f.Hostfile}
		file, errOpen := openFile("--hostfile", f.Hostfile)
		if errOpen != nil {
			return t, nil, errOpen
		}
		defer file.Close()
		hosts, err = place.ParseHostfile(f.Hostfile, file)
	}
	if err == nil && t.Hosts != nil && len(hosts) < 2 {
		err = errors.New("TCP is measured between two hosts; name two")
	}
	if err == nil && t.Hosts != nil {
		if t.Slots = min(hosts[0].Slots, hosts[1].Slots); t.Slots == 0 {
			t.Slots = t.Cores
		}
	}
	return t, names(hosts), err
}

// names are those of hosts.
func names(hosts []place.Host) (all []string) {
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	return all
}

func (f *calibrateFlags) print(w io.Writer, path string, r cost.Record) {
	between := "within this machine"
	if r.Between != "" {
		between = "between " + place.FoldHosts(strings.Split(r.Between, ","))
	}
	fmt.Fprintf(w, "%v\nmeasured %s, TCP %s; kept in %s\n\n%s", r.Machine, r.Taken, between, path, calibrate.Print(r.Costs))
	calibrate.PrintSwitchPoints(w, &r.Costs, f.ranks())
}

// check measures the trials that the flags name.
func (f *calibrateFlags) check(ctx context.Context, task calibrate.Task, c *cost.Costs, progress func(string)) error {
	ops := cost.Operations()
	if len(f.Tests) > 0 {
		for _, op := range f.Tests {
			if !slices.Contains(ops, op) {
				return fmt.Errorf("--tests %s: no such operation; there are %s", op, strings.Join(ops, ", "))
			}
		}
		ops = f.Tests
	}
	sizes := []int{8, 4 << 10, 64 << 10, 1 << 20}
	if len(f.Sizes) > 0 {
		sizes = nil
		for _, s := range f.Sizes {
			sizes = append(sizes, int(s))
		}
	}
	for _, p := range f.ranks() {
		trial := calibrate.Trial{Over: message.Over(f.Over), Ranks: p, Sizes: sizes}
		all, err := calibrate.Check(ctx, task, c, trial, ops, progress)
		if err != nil {
			return err
		}
		calibrate.PrintCheck(os.Stdout, trial, all)
	}
	return nil
}

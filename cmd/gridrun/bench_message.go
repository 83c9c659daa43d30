package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gridrun/bench"
	"gridrun/bench/message"
)

// messageFlags are common to the measurements of messages and collectives.
type messageFlags struct {
	Over     string     `default:"shm" enum:"shm,tcp,mem" placeholder:"shm|tcp|mem" help:"How ranks talk (default: shm)."`
	Tests    []string   `placeholder:"NAME,..." help:"Which tests (default: all of them)."`
	Sizes    []sizeFlag `placeholder:"BYTES,..." help:"Sizes in bytes, also 64K or 1M."`
	Rounds   count      `default:"7" placeholder:"N" help:"Runs of each (default: 7)."`
	Budget   seconds    `default:"0.1" placeholder:"S" help:"Time for a test and size (default: 0.1)."`
	Limit    seconds    `default:"120" placeholder:"S" help:"Longer runs are lost (default: 120)."`
	Hostfile string     `placeholder:"FILE" help:"Measure on the hosts in this file."`
	NoTLS    bool       `name:"no-tls" help:"With --hostfile: not encrypted as well."`
	BuildDir string     `placeholder:"DIR" help:"Directory all hosts see, for the others."`
	Alone    bool       `help:"Measure gridrun only."`
	Peers    []string   `default:"openmpi,mpich" placeholder:"NAME,..." help:"openmpi, mpich; threads: bare C threads."`
	JSON     bool       `name:"json" help:"Print JSON, for go run ./bench/plot."`
}

type p2pFlags struct {
	NP           count `name:"np" short:"n" default:"2" placeholder:"N" help:"Number of ranks (default: 2)."`
	messageFlags `embed:""`
}

type collectivesFlags struct {
	NP           count `name:"np" short:"n" default:"8" placeholder:"N" help:"Number of ranks (default: 8)."`
	messageFlags `embed:""`
}

// What the two say of themselves.
const (
	p2pAbout = `
Tests (--tests latency,rate): latency is half a round trip, bandwidth a window
of 64 messages one way, bidirectional one each way, rate the messages a second
of all pairs; busyreceiver and busysender are a transfer while the other rank
computes (busysender/4: on 4 goroutines). Runs of gridrun, Open MPI and MPICH
take turns; what is not installed is left out and named.
docs/benchmarks.md explains the JSON.`
	collectivesAbout = `
Tests (--tests bcast,allreduce): barrier, bcast, allreduce, reduce, gather,
reducescatter, scatter, allgather, alltoall, scan, halo; allreduce/ring has an
algorithm, allreduce-int32-max a type and an operation. Times are the slowest
rank's. Runs of gridrun, Open MPI and MPICH take turns; what is not installed is
left out and named. docs/benchmarks.md explains the JSON.`
)

// sizeFlag is a number of bytes: 8, 64K, 1M, 1G.
type sizeFlag int

func (s *sizeFlag) UnmarshalText(b []byte) error {
	text, shift := string(b), 0
	for i, suffix := range []string{"K", "M", "G"} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			text, shift = number, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n<<shift > 1<<30 {
		return fmt.Errorf("%q is no size; write 8, 64K or 1M, at most 1G", b)
	}
	*s = sizeFlag(n << shift)
	return nil
}

func (f *p2pFlags) task() message.Task {
	return f.messageFlags.task(f.NP, message.PairTests(), []int{8, 1 << 10, 8 << 10, 64 << 10, 1 << 20, 4 << 20})
}

func (f *p2pFlags) run(ctx context.Context, _ []string) (int, error) {
	return 0, f.measure(ctx, f.task())
}

func (f *collectivesFlags) task() message.Task {
	return f.messageFlags.task(f.NP, message.CollectiveTests(), []int{8, 1 << 10, 64 << 10, 1 << 20})
}

func (f *collectivesFlags) run(ctx context.Context, _ []string) (int, error) {
	return 0, f.measure(ctx, f.task())
}

// task is what the flags ask for, with defaults for tests and sizes.
func (f *messageFlags) task(np count, tests []string, sizes []int) message.Task {
	over := message.Over(f.Over)
	if f.Hostfile != "" {
		over = message.Hosts
	}
	t := message.Task{
		Ranks: int(np), Over: over, Tests: tests, Sizes: sizes, Rounds: int(f.Rounds),
		Budget: time.Duration(f.Budget), Limit: time.Duration(f.Limit),
	}
	if len(f.Tests) > 0 {
		t.Tests = f.Tests
	}
	if len(f.Sizes) > 0 {
		t.Sizes = nil
		for _, s := range f.Sizes {
			t.Sizes = append(t.Sizes, int(s))
		}
	}
	return t
}

// measure runs the task and prints what it found.
func (f *messageFlags) measure(ctx context.Context, t message.Task) error {
	if err := t.Check(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var hosts bench.Hosts
	switch {
	case f.Hostfile == "" && f.BuildDir != "":
		return errors.New("--build-dir is for the peers on other hosts; name these with --hostfile")
	case f.Hostfile == "" && f.NoTLS:
		return errors.New("--no-tls is for connections between hosts; name these with --hostfile")
	case f.Hostfile != "":
		file, err := openFile("--hostfile", f.Hostfile)
		if err != nil {
			return err
		}
		hosts, err = bench.HostsFromFile(f.Hostfile, file)
		file.Close()
		if err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(f.BuildDir, "gridrun-bench-*")
	if err != nil {
		return fmt.Errorf("--build-dir: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // other hosts may log in as somebody else
		return err
	}
	contenders := []message.Contender{message.Own(self, version(), t.Over, t.Ranks)}
	peers := !f.Alone && !t.Ours() && t.Over != message.Goroutines // which the peers do not have
	if f.Hostfile != "" {
		own := contenders[0].At("--hostfile", f.Hostfile)
		contenders = []message.Contender{own, own.With("one stream", "--streams", "1")}
		if !f.NoTLS {
			contenders = append(contenders, own.With("TLS", "--encrypt"))
		}
		peers = peers && f.BuildDir != ""
	}
	var missing []string
	if peers {
		var others []message.Contender
		others, missing, err = message.Peers(ctx, dir, t.Over, hosts, f.Peers)
		if err != nil {
			return err
		}
		contenders = append(contenders, others...)
	} else if !f.Alone && t.Over == message.Goroutines && t.Channels() {
		own := contenders[0]
		contenders = append(contenders, own.Channels(0), own.Channels(message.ChannelRoom))
	}
	report, err := message.Compare(ctx, t, contenders, func(what string) { fmt.Fprintln(os.Stderr, what) })
	if err != nil {
		return err
	}
	report.Missing = missing
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	report.Print(os.Stdout)
	return nil
}

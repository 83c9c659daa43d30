package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gridrun/bench/message"
)

// costFlags are the flags of `gridrun bench cost`.
type costFlags struct {
	NP        count   `name:"np" short:"n" default:"2" placeholder:"N" help:"Number of ranks (default: 2)."`
	Rounds    count   `default:"11" placeholder:"N" help:"Runs of each (default: 11)."`
	Budget    seconds `default:"0.3" placeholder:"S" help:"Time for a test (default: 0.3)."`
	WithTrace bool    `help:"Measure --trace as well."`
	JSON      bool    `name:"json" help:"Print JSON."`
}

// contenders are gridrun as it is, without what is always published, and watching
// its ranks.
func (f *costFlags) contenders(self string) []message.Contender {
	plain := message.Own(self, version(), message.SharedMemory, int(f.NP))
	all := []message.Contender{
		plain,
		plain.With("no wait table", "-x", "GRIDRUN_WAITS=off"),
		plain.With("--stats", "--stats-file", "/dev/null"),
	}
	if f.WithTrace {
		all = append(all, plain.With("--trace", "--trace", "/dev/null"))
	}
	return all
}

func (f *costFlags) task() message.Task {
	return message.Task{Ranks: int(f.NP), Over: message.SharedMemory, Tests: []string{"rate", "latency"}, Sizes: []int{8},
		Rounds: int(f.Rounds), Budget: time.Duration(f.Budget), Limit: time.Minute}
}

// run measures in turn what messages cost with and without being watched.
func (f *costFlags) run(ctx context.Context, _ []string) (int, error) {
	t := f.task()
	if err := t.Check(); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	report, err := message.Compare(ctx, t, f.contenders(self), func(what string) { fmt.Fprintln(os.Stderr, what) })
	if err != nil {
		return 0, err
	}
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return 0, e.Encode(report)
	}
	report.Print(os.Stdout)
	return 0, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"gridrun/bench/launch"
)

// benchFlags are the measurements as commands.
type benchFlags struct {
	Launch launchFlags `cmd:"" help:"Time whole starts, side by side with mpirun and mpiexec."`
}

type launchFlags struct {
	NP     count `name:"np" short:"n" default:"93" placeholder:"N" help:"Number of ranks (default: 93)."`
	Rounds count `default:"5" placeholder:"N" help:"Runs of each launcher (default: 5)."`
	Memory bool  `help:"Measure the memory of a rank instead."`
	JSON   bool  `name:"json" help:"Print JSON."`
}

// bench runs `gridrun bench ...`.
func bench(args []string) error {
	var flags benchFlags
	helped := false
	k, err := kong.New(&flags, kong.Name("gridrun bench"), kong.Exit(func(int) { helped = true }))
	if err != nil {
		return err
	}
	for i, a := range args {
		if a == "-np" {
			args[i] = "--np"
		}
	}
	switch _, err := k.Parse(args); {
	case helped:
		return nil
	case err != nil:
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return flags.Launch.run(ctx)
}

func (f launchFlags) run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gridrun-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	contenders, missing, err := launch.Find(ctx, self, dir)
	if err != nil {
		return err
	}
	var report launch.Report
	if f.Memory {
		report, err = launch.Memory(ctx, contenders, int(f.NP))
	} else {
		report, err = launch.Times(ctx, contenders, int(f.NP), int(f.Rounds), func(what string) { fmt.Fprintln(os.Stderr, what) })
	}
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

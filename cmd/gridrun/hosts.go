package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gridrun/launcher"
	"gridrun/launcher/place"
	"gridrun/launcher/program"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh"
)

// starters start agents on this machine as processes and on others through ssh.
type starters struct {
	local  launcher.Local
	remote *ssh.Starter
}

func (s starters) Start(ctx context.Context, host place.Host) (launcher.Agent, error) {
	if host.Local() {
		return s.local.Start(ctx, host)
	}
	return s.remote.Start(ctx, host)
}

// newStarter is what a job's hosts need. Names that do not resolve are all
// listed before anything is connected.
func newStarter(job *launcher.Job, flags runFlags) (launcher.Starter, error) {
	hosts := job.Remote()
	if len(hosts) == 0 {
		return launcher.Local{}, nil
	}
	config, err := ssh.LoadConfig(flags.SSHConfig)
	if err != nil && flags.LauncherCommand == "" {
		return nil, err
	}
	command := flags.LauncherCommand
	if command != "" && flags.SSHConfig != "" {
		command += " -F " + flags.SSHConfig
	}
	remote, err := ssh.New(ssh.Options{
		Agent:    ship.Self("gridrun", buildSelf),
		Config:   config,
		Command:  command,
		Notice:   job.Tell,
		Progress: job.Shipped,
	})
	if err != nil {
		return nil, err
	}
	if err := remote.Resolve(context.Background(), hosts); err != nil {
		return nil, err
	}
	return starters{remote: remote}, nil
}

// buildSelf makes gridrun for hosts of another architecture, from the source in
// the directory where we are or that GRIDRUN_SOURCE names.
func buildSelf(ctx context.Context, p ship.Platform) (string, error) {
	dir := os.Getenv("GRIDRUN_SOURCE")
	if dir == "" {
		dir = "."
	}
	main := filepath.Join(dir, "cmd", "gridrun")
	if _, err := os.Stat(filepath.Join(main, "main.go")); err != nil {
		return "", errors.New("gridrun's source is not here; set GRIDRUN_SOURCE to a checkout of it")
	}
	return program.Finder{}.Build(ctx, main, p.OS, p.Arch)
}

// policy is --map-by or --rankfile.
func (f runFlags) policy() (place.Policy, error) {
	if f.Rankfile == "" {
		return place.ParsePolicy(f.MapBy)
	}
	if f.MapBy != "" {
		return place.Policy{}, errors.New("--map-by and --rankfile both place ranks; give one of them")
	}
	file, err := os.Open(f.Rankfile)
	if err != nil {
		return place.Policy{}, fmt.Errorf("--rankfile: %w", err)
	}
	defer file.Close()
	ranks, err := place.ParseRankfile(f.Rankfile, file)
	if err != nil {
		return place.Policy{}, err
	}
	if ranks.Notice != "" {
		fmt.Fprintln(os.Stderr, "gridrun:", ranks.Notice)
	}
	return place.Policy{Kind: place.ByRankfile, Rankfile: ranks}, nil
}

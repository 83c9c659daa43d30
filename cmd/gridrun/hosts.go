package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"gridrun/internal/agent/guard"
	"gridrun/launcher"
	"gridrun/launcher/agents"
	"gridrun/launcher/keeper"
	"gridrun/launcher/place"
	"gridrun/launcher/program"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh"
	"gridrun/launcher/ssh/sshconf"
)

// starters start agents on this machine as processes and on others through ssh,
// or take those that a keeper has waiting.
type starters struct {
	own    *early // nil: none
	local  agents.Local
	warm   warm
	remote *ssh.Starter
	fanout *int                         // --fanout; nil: not given
	lease  time.Duration                // 0: the default
	job    atomic.Pointer[launcher.Job] // whose screen shows what there is to say
}

func (s *starters) Start(ctx context.Context, host place.Host) (agents.Agent, error) {
	if j := s.job.Load(); j != nil && j.Alone() {
		if own := s.own.take(); own != nil {
			return own, nil
		}
		if guard.Childless() {
			return startOwn()
		}
	}
	if host.Local() {
		return s.local.Start(ctx, host)
	}
	if _, kept := s.warm.keeps(host); kept {
		agent, err := s.warm.client.Start(ctx, s.warm.way, keeper.HostOf(host), s.shipped)
		if err == nil || ctx.Err() != nil {
			return agent, err
		}
		if j := s.job.Load(); j != nil {
			j.TellVerbose(fmt.Sprintf("%s is started through ssh, as the keeper cannot: %v", host, err))
		}
	}
	return s.remote.Start(ctx, host)
}

// shape takes what the flags say about the way to hosts.
func (s *starters) shape(f runFlags) error {
	if f.Lease != nil {
		s.lease = time.Duration(*f.Lease)
	}
	switch s.fanout = f.Fanout; {
	case f.Fanout == nil || *f.Fanout == 0:
		return nil
	case *f.Fanout < 2:
		return fmt.Errorf("--fanout %d: 0 connects to every host directly, 2 and more make a tree", *f.Fanout)
	case s.remote != nil && !s.remote.Relays():
		return errors.New("--fanout works with the ssh that is built in, not with --launcher-command")
	}
	return nil
}

// autoFanout is the tree's where nobody has said --fanout, from autoHosts hosts.
const (
	autoFanout = 32
	autoHosts  = 500
)

// Plan makes a tree of the hosts that are started through ssh, if they are many
// enough or the user wants one. It is an agents.Planner.
func (s *starters) Plan(hosts []place.Host) {
	hosts = s.cold(hosts)
	if len(hosts) == 0 {
		return
	}
	fanout := 0
	switch {
	case s.fanout != nil:
		fanout = *s.fanout
	case len(hosts) >= autoHosts && s.remote.Relays():
		fanout = autoFanout
	}
	// Agents, whose lease it is, notice before relays do.
	s.remote.Plan(hosts, fanout, 2*cmp.Or(s.lease, launcher.DefaultLease))
}

// Sleep and Wake are about hosts that are reached through others. They make an
// agents.Sleeper of it.
func (s *starters) Sleep(limit time.Duration) {
	if s.remote != nil {
		s.remote.Sleep(limit)
	}
}

func (s *starters) Wake() {
	if s.remote != nil {
		s.remote.Wake()
	}
}

// cold are the hosts that ssh has to reach.
func (s *starters) cold(hosts []place.Host) []place.Host {
	return slices.DeleteFunc(slices.Clone(hosts), func(h place.Host) bool {
		_, kept := s.warm.keeps(h)
		return kept || h.Local()
	})
}

// tell and shipped show the user what starting has to say, once the job runs.
func (s *starters) tell(text string) {
	if j := s.job.Load(); j != nil {
		j.Tell(text)
	}
}

func (s *starters) shipped(host string, done, total int64) {
	if j := s.job.Load(); j != nil {
		j.Shipped(host, done, total)
	}
}

// newStarters is what any host needs; other machines get ssh and, if it may be
// used, the keeper.
func newStarters(ctx context.Context, flags hostFlags, away, useWarm bool) (s *starters, err error) {
	s = &starters{}
	if !away {
		return s, nil
	}
	if useWarm {
		s.warm = findWarm(ctx, flags)
	}
	s.remote, err = newSSH(flags, s.tell, s.shipped)
	return s, err
}

// newSSH starts agents as the flags say.
func newSSH(flags hostFlags, notice func(string), progress func(host string, done, total int64)) (*ssh.Starter, error) {
	config, err := sshconf.LoadConfig(flags.SSHConfig)
	if err != nil {
		if flags.LauncherCommand == "" {
			return nil, err
		}
		config = sshconf.Unread(flags.SSHConfig)
	}
	return ssh.New(ssh.Options{
		Agent:    ship.Self("gridrun", buildSelf),
		Config:   config,
		Command:  flags.LauncherCommand,
		Notice:   notice,
		Progress: progress,
	})
}

// survey asks hosts that have no slots written how many ranks they take; the
// keeper knows its own. Names that do not resolve are all listed before anything
// is connected.
func (s *starters) survey(ctx context.Context, hosts []place.Host) ([]place.Host, error) {
	hosts = slices.Clone(hosts)
	for i, h := range hosts {
		if cpus, kept := s.warm.keeps(h); kept && h.Slots == 0 && cpus > 0 {
			hosts[i].Slots = min(cpus, place.MaxSlots)
		}
	}
	unknown := func(h place.Host) bool { return !h.Local() && h.Slots == 0 }
	if !slices.ContainsFunc(hosts, unknown) {
		return hosts, nil
	}
	if err := s.resolve(ctx, hosts); err != nil {
		return nil, err
	}
	s.Plan(slices.DeleteFunc(slices.Clone(hosts), func(h place.Host) bool { return !unknown(h) }))
	return agents.Survey(ctx, s, hosts)
}

// resolve looks up the names of hosts that must be connected to.
func (s *starters) resolve(ctx context.Context, hosts []place.Host) error {
	if hosts = s.cold(hosts); len(hosts) == 0 {
		return nil
	}
	return s.remote.Resolve(ctx, hosts)
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

// hosts are those of --host or --hostfile; none: this machine.
func (f hostFlags) hosts() ([]place.Host, error) {
	switch {
	case f.Host != "" && f.Hostfile != "":
		return nil, errors.New("--host and --hostfile both name hosts; give one of them")
	case f.Host != "":
		return place.ParseHosts(f.Host)
	case f.Hostfile == "":
		return nil, nil
	}
	file, err := openFile("--hostfile", f.Hostfile)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return place.ParseHostfile(f.Hostfile, file)
}

// openFile opens what a flag names for reading; a directory opens, but cannot be
// read, and is refused while the flag is known.
func openFile(flag, path string) (*os.File, error) {
	file, err := os.Open(path)
	if err == nil {
		var st os.FileInfo
		if st, err = file.Stat(); err == nil && st.IsDir() {
			err = &os.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
		}
		if err != nil {
			file.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return file, nil
}

// policy is --map-by or --rankfile.
func (f runFlags) policy() (place.Policy, error) {
	if f.Rankfile == "" {
		return place.ParsePolicy(f.MapBy)
	}
	if f.MapBy != "" {
		return place.Policy{}, errors.New("--map-by and --rankfile both place ranks; give one of them")
	}
	file, err := openFile("--rankfile", f.Rankfile)
	if err != nil {
		return place.Policy{}, err
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

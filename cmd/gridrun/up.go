package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"gridrun/internal/rundir"
	"gridrun/launcher"
	"gridrun/launcher/keeper"
	"gridrun/launcher/place"
)

// upAbout is the help's story of up.
const upAbout = `
Leaves a process on this machine, the keeper, that holds a connection to every
host and an agent there that waits for a job. Jobs on these hosts start without
ssh. More hosts may be added by another gridrun up. A host that went away is
started through ssh, and the keeper connects to it anew. gridrun down ends all.`

// upFlags are the flags of `gridrun up`.
type upFlags struct {
	hostFlags
	Idle   seconds `default:"3600" placeholder:"S" help:"End after S seconds without a job (3600)."`
	Status bool    `help:"Only show what is up."`
}

// run has the hosts kept by a keeper, which it starts if there is none, and shows
// all that is up.
func (f *upFlags) run(ctx context.Context, _ []string) (int, error) {
	if f.Idle == 0 {
		return 0, errors.New("--idle 0: the keeper would end before the first job; gridrun down ends it")
	}
	client, err := keeper.Find(ctx)
	switch {
	case err != nil:
		return 0, err
	case f.Status && client == nil:
		return 0, errors.New("nothing is up; `gridrun up --hostfile FILE` keeps hosts ready")
	case f.Status:
		return 0, showKept(ctx, client)
	}
	hosts, err := f.remote()
	if err != nil {
		return 0, err
	}
	if client == nil {
		if client, err = startKeeper(ctx, time.Duration(f.Idle)); err != nil {
			return 0, err
		}
	}
	way, err := f.way()
	if err != nil {
		return 0, err
	}
	failed := 0
	seen := func(h keeper.HostStatus) {
		if !h.Up {
			failed++
			fmt.Fprintf(os.Stderr, "gridrun: host %s\n", strings.TrimPrefix(h.Why, h.Host.Name+": host "))
		}
	}
	if err := client.Up(ctx, way, hosts, seen, func(text string) { fmt.Fprintln(os.Stderr, "gridrun:", text) }); err != nil {
		return 0, err
	}
	if failed == len(hosts) {
		return launcher.CodeRefused, nil
	}
	if err := showKept(ctx, client); err != nil || failed > 0 {
		return launcher.CodeRefused, err
	}
	return 0, nil
}

// remote are the hosts that ssh reaches, each once.
func (f *upFlags) remote() (found []keeper.Host, err error) {
	hosts, err := f.hosts()
	if err != nil {
		return nil, err
	}
	known := map[keeper.Host]bool{}
	for _, h := range hosts {
		if at := keeper.HostOf(h); !h.Local() && !known[at] {
			known[at] = true
			found = append(found, at)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no other machine is named; write --hostfile FILE or -H a,b")
	}
	return found, nil
}

// way is how these flags reach hosts.
func (f hostFlags) way() (w keeper.Way, err error) {
	w.Command = f.LauncherCommand
	if w.Config = f.SSHConfig; w.Config != "" && w.Config != "none" {
		w.Config, err = filepath.Abs(w.Config)
	}
	return w, err
}

// showKept prints what a keeper has.
func showKept(ctx context.Context, c *keeper.Client) error {
	s, err := c.Refresh(ctx)
	if err != nil {
		return err
	}
	up := 0
	t := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for _, h := range s.Hosts {
		state := "up"
		if h.Up {
			up++
		} else {
			first, _, _ := strings.Cut(h.Why, "\n")
			state = "not up: " + first
		}
		fmt.Fprintf(t, "%s\t%d CPUs\t%d jobs\t%s\n", h.Host, h.CPUs, h.Jobs, state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Printf("%d of %d hosts up, kept by process %d for %v; it ends %v after the last job\n",
		up, len(s.Hosts), s.Pid, time.Since(time.Unix(s.Since, 0)).Round(time.Second), time.Duration(s.Idle))
	return err
}

// downFlags are the flags of `gridrun down`.
type downFlags struct {
	Now bool `help:"Also when jobs use it; they end."`
}

// downLimit bounds the end of a keeper.
const downLimit = 30 * time.Second

// run ends the keeper and all that it has on hosts.
func (f *downFlags) run(ctx context.Context, _ []string) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, downLimit, errors.New("the keeper does not end"))
	defer cancel()
	client, err := keeper.Find(ctx)
	var other *keeper.OtherBuild
	switch {
	case errors.As(err, &other):
	case err != nil:
		return 0, err
	case client == nil:
		_, err := fmt.Println("nothing is up")
		return 0, err
	}
	if err := client.Down(ctx, f.Now); err != nil {
		return 0, err
	}
	_, err = fmt.Printf("%d hosts are no longer kept\n", len(client.Status.Hosts))
	return 0, err
}

// startKeeper starts a keeper in a session of its own and returns when it answers.
func startKeeper(ctx context.Context, idle time.Duration) (*keeper.Client, error) {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	cmd := exec.Command("/proc/self/exe", "__keeper", idle.String())
	cmd.Args[0] = "gridrun"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("starting the keeper: %w", err)
	}
	cmd.Process.Release() // it outlives us
	said := make([]byte, 4096)
	n := 0
	for err == nil {
		var more int
		more, err = ready.Read(said[n:])
		n += more
	}
	client, err := keeper.Find(ctx)
	if n > 0 && (err != nil || client == nil) { // else another gridrun up was faster
		return nil, fmt.Errorf("starting the keeper: %s", said[:n])
	}
	if err == nil && client == nil {
		err = errors.New("the keeper does not answer")
	}
	return client, err
}

// readyFD is where a keeper says why it cannot start; its end means that it has.
const readyFD = 3

// runKeeper is the keeper's process.
func runKeeper(args []string) int {
	ready := os.NewFile(readyFD, "ready")
	fail := func(err error) int {
		fmt.Fprint(ready, err)
		return launcher.CodeRefused
	}
	idle, err := time.ParseDuration(strings.Join(args, " "))
	if err != nil {
		return fail(err)
	}
	path, err := keeper.SocketPath()
	if err != nil {
		return fail(err)
	}
	if live, err := rundir.Sweep(filepath.Dir(path), keeper.Suffix); err != nil || len(live) > 0 {
		return fail(errors.Join(err, errors.New("there is one already")))
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	ready.Close()
	k := &keeper.Keeper{Idle: idle, Dial: func(way keeper.Way, notice func(string)) (keeper.Dialer, error) {
		s, err := newSSH(hostFlags{LauncherCommand: way.Command, SSHConfig: way.Config}, notice, nil)
		if err != nil {
			return nil, err
		}
		return keeper.SSH{Starter: s}, nil
	}}
	if k.Serve(context.Background(), l) != nil {
		return launcher.CodeRefused
	}
	return 0
}

// warm is a keeper that jobs may use; the zero value is none.
type warm struct {
	client *keeper.Client
	way    keeper.Way
}

// findWarm looks for a keeper. One that cannot be used is worth a line.
func findWarm(ctx context.Context, flags hostFlags) (w warm) {
	client, err := keeper.Find(ctx)
	if err == nil {
		w.way, err = flags.way()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "gridrun: not started warm: %v\n", err)
		return warm{}
	}
	w.client = client
	return w
}

// keeps says whether the keeper has the host, and the CPUs there.
func (w warm) keeps(h place.Host) (cpus int, kept bool) {
	if w.client == nil {
		return 0, false
	}
	return w.client.Kept(w.way, keeper.HostOf(h))
}

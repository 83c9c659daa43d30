package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gridrun/bench"
)

// Names of the built-in jobs that are measured.
const (
	HelloJob = "__hello"
	ParkJob  = "__park"
	// TalkArg has the ranks of a job that parks talk to all others first.
	TalkArg = "talk"
	// StubbornArg has them stay whatever they are told, until they are killed.
	StubbornArg = "stubborn"
)

// A Task is what all launchers do.
type Task struct {
	Self    string   // gridrun's executable
	Dir     string   // for programs and hostfiles; other hosts must see it too
	Program []string // with arguments; none: the hello
	Hosts   bench.Hosts
	Talk    bool // ranks talk to all others before they park
	// Stubborn ranks that park end only when killed.
	Stubborn bool
	// Warm is not nil where gridrun's hosts are up: starts with and without that
	// are measured. It waits until they are ready for the next job.
	Warm func(ctx context.Context) error
	// Peers are the other launchers; none: gridrun alone.
	Peers []bench.Peer
}

// parkArgs are the arguments of a program that parks.
func (t Task) parkArgs() []string {
	switch {
	case t.Talk:
		return []string{TalkArg}
	case t.Stubborn:
		return []string{StubbornArg}
	}
	return nil
}

// what is the task in words.
func (t Task) what() string {
	if len(t.Program) == 0 {
		return "hello (one barrier)"
	}
	return strings.Join(t.Program, " ")
}

// A Contender can start the task's ranks.
type Contender struct {
	Name, Version string
	// run and park are the commands without the number of ranks. The ranks of
	// park say their process id and stay.
	run, park []string
	// settle, if not nil, comes before a run, outside of its time.
	settle func(ctx context.Context) error
}

// command starts ranks; when ctx ends, the launcher is asked to end and then killed.
func (c Contender) command(ctx context.Context, command []string, ranks int) *exec.Cmd {
	args := append([]string{"-np", strconv.Itoa(ranks)}, command[1:]...)
	cmd := exec.CommandContext(ctx, command[0], args...)
	// The hosts are those of the task, whatever gridrun's user prefers.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GRIDRUN_HOST=") || strings.HasPrefix(v, "GRIDRUN_HOSTFILE=")
	})
	cmd.Env = append(cmd.Env, bench.PeerEnv...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // also for ranks that a launcher leaves behind
	return cmd
}

// A peer is how another launcher is used.
type peer struct {
	bench.Peer
	flags []string
}

// peers are all that there are.
var peers = []peer{
	{Peer: bench.OpenMPI, flags: []string{"--oversubscribe"}},
	{Peer: bench.MPICH},
}

// Find returns gridrun and the peers of this machine, whose programs are compiled
// into the task's directory; missing says which are not here, and why.
func Find(ctx context.Context, t Task) (found []Contender, missing []string, err error) {
	program := t.Program
	if len(program) == 0 {
		program = []string{HelloJob}
	}
	self := append([]string{t.Self}, t.Hosts.Flags...)
	own := Contender{
		Name: "gridrun", Version: bench.VersionOf(ctx, t.Self, "version", bench.OwnVersion),
		run: slices.Concat(self, program), park: slices.Concat(self, []string{ParkJob}, t.parkArgs()), settle: t.Warm,
	}
	found = []Contender{own}
	if t.Warm != nil {
		cold := own
		found[0].Name, cold.Name = "gridrun, warm", "gridrun, cold"
		cold.run = slices.Concat(self, []string{"--no-warm"}, program)
		found = append(found, cold)
	}
	for _, p := range peers {
		if !slices.ContainsFunc(t.Peers, func(wanted bench.Peer) bool { return wanted.Name == p.Name }) {
			continue
		}
		c, why, err := p.contender(ctx, t)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", p.Name, err)
		case why != "":
			missing = append(missing, p.Name+": "+why)
		default:
			found = append(found, c)
		}
	}
	return found, missing, nil
}

// contender makes all that p needs for the task; why says what is not here.
func (p peer) contender(ctx context.Context, t Task) (c Contender, why string, err error) {
	launcher, err := p.Launcher()
	if err != nil {
		return c, err.Error(), nil
	}
	start := append([]string{launcher}, p.flags...)
	if t.Hosts.Len() > 0 {
		flags, err := p.At(t.Dir, t.Hosts)
		if err != nil {
			return c, "", err
		}
		start = append(start, flags...)
	}
	c = Contender{Name: p.Name, Version: p.Version(ctx)}
	if len(t.Program) > 0 {
		c.run, c.settle = slices.Concat(start, t.Program), t.Warm
		return c, "", nil
	}
	hello, err := p.Compile(ctx, t.Dir, "hello", bench.Hello)
	if err != nil {
		return c, err.Error(), nil
	}
	c.run, c.park, c.settle = slices.Concat(start, []string{hello}), slices.Concat(start, []string{hello, "park"}, t.parkArgs()), t.Warm
	return c, "", nil
}

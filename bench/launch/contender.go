package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
)

// A Task is what all launchers do.
type Task struct {
	Self    string   // gridrun's executable
	Dir     string   // for programs and hostfiles; other hosts must see it too
	Program []string // with arguments; none: the hello
	Hosts   Hosts
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
}

// command starts ranks; when ctx ends, the launcher is asked to end and then killed.
func (c Contender) command(ctx context.Context, command []string, ranks int) *exec.Cmd {
	args := append([]string{"-np", strconv.Itoa(ranks)}, command[1:]...)
	cmd := exec.CommandContext(ctx, command[0], args...)
	// The hosts are those of the task, whatever gridrun's user prefers; Open MPI
	// asks root twice whether it means it.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GRIDRUN_HOST=") || strings.HasPrefix(v, "GRIDRUN_HOSTFILE=")
	})
	cmd.Env = append(cmd.Env, "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // also for ranks that a launcher leaves behind
	return cmd
}

// A peer is how another launcher is used.
type peer struct {
	name      string
	launchers []string // its names, the first that is there counts
	compiler  string
	flags     []string
	// hosts are its flags for a hostfile that hostfile writes.
	hosts    func(path string) []string
	hostfile func(Hosts) (string, error)
	version  func(said string) string
}

var peers = []peer{
	{
		name: "Open MPI", launchers: []string{"mpirun.openmpi"}, compiler: "mpicc.openmpi",
		flags:    []string{"--oversubscribe"},
		hosts:    func(path string) []string { return []string{"--hostfile", path, "--mca", "btl", "tcp,self,vader"} },
		hostfile: Hosts.openMPI,
		version:  lastWordOf("(Open"),
	},
	{
		name: "MPICH", launchers: []string{"mpiexec.hydra", "mpiexec.mpich"}, compiler: "mpicc.mpich",
		hosts:    func(path string) []string { return []string{"-launcher", "ssh", "-f", path} },
		hostfile: Hosts.mpich,
		version:  lastWordOf("Version:"),
	},
}

// lastWordOf finds the line that holds mark, and in it a version.
func lastWordOf(mark string) func(string) string {
	return func(said string) string {
		for line := range strings.Lines(said) {
			if words := strings.Fields(line); len(words) > 0 && strings.Contains(line, mark) {
				return words[len(words)-1]
			}
		}
		return ""
	}
}

// ownVersion takes gridrun's from `gridrun VERSION, go1.26`.
func ownVersion(said string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(said, "gridrun "), ",")
	return version
}

// Find returns gridrun and the peers of this machine, whose programs are compiled
// into the task's directory; missing says which are not here, and why.
func Find(ctx context.Context, t Task) (found []Contender, missing []string, err error) {
	program := t.Program
	if len(program) == 0 {
		program = []string{HelloJob}
	}
	self := append([]string{t.Self}, t.Hosts.flags...)
	found = []Contender{{
		Name: "gridrun", Version: versionOf(ctx, t.Self, "version", ownVersion),
		run: slices.Concat(self, program), park: slices.Concat(self, []string{ParkJob}),
	}}
	if err := os.WriteFile(filepath.Join(t.Dir, "hello.c"), []byte(bench.Hello), 0o600); err != nil {
		return nil, nil, err
	}
	for _, p := range peers {
		c, why, err := p.contender(ctx, t)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", p.name, err)
		case why != "":
			missing = append(missing, p.name+": "+why)
		default:
			found = append(found, c)
		}
	}
	return found, missing, nil
}

// contender makes all that p needs for the task; why says what is not here.
func (p peer) contender(ctx context.Context, t Task) (c Contender, why string, err error) {
	launcher := p.launcher()
	if launcher == "" {
		return c, fmt.Sprintf("no %s in $PATH", p.launchers[0]), nil
	}
	start := append([]string{launcher}, p.flags...)
	word := strings.ReplaceAll(p.name, " ", "")
	if len(t.Hosts.list) > 0 {
		text, err := p.hostfile(t.Hosts)
		if err != nil {
			return c, "", err
		}
		path := filepath.Join(t.Dir, word+"-hosts")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return c, "", err
		}
		start = append(start, p.hosts(path)...)
	}
	c = Contender{Name: p.name, Version: versionOf(ctx, launcher, "--version", p.version)}
	if len(t.Program) > 0 {
		c.run = slices.Concat(start, t.Program)
		return c, "", nil
	}
	hello := filepath.Join(t.Dir, word+"-hello")
	if said, err := exec.CommandContext(ctx, p.compiler, "-O2", "-o", hello, filepath.Join(t.Dir, "hello.c")).CombinedOutput(); err != nil {
		return c, fmt.Sprintf("%s: %v %s", p.compiler, err, strings.TrimSpace(string(said))), nil
	}
	c.run, c.park = slices.Concat(start, []string{hello}), slices.Concat(start, []string{hello, "park"})
	return c, "", nil
}

func (p peer) launcher() string {
	for _, name := range p.launchers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// versionOf asks a launcher; "" if it does not say.
func versionOf(ctx context.Context, launcher, flag string, find func(string) string) string {
	said, err := exec.CommandContext(ctx, launcher, flag).Output()
	if err != nil {
		return ""
	}
	return find(string(said))
}

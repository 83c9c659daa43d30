package message

import (
	"bytes"
	"context"
	"errors"
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

// Over is how ranks reach each other.
type Over string

// All ranks are on one machine, but over Hosts.
const (
	Hosts        Over = "hosts" // each on one of its own, over TCP
	SharedMemory Over = "shm"
	TCP          Over = "tcp" // loopback
	Goroutines   Over = "mem" // ranks of one process; the peers have no such thing
)

// A Contender can run the tests.
type Contender struct {
	Name, Version string
	command       []string // its words before the number of ranks
	program       []string
	env           []string
}

const ownName = "gridrun"

// Own is gridrun, whose executable is self and which says version of itself.
func Own(self, version string, over Over, ranks int) Contender {
	c := Contender{Name: ownName, Version: bench.OwnVersion(version), command: []string{self}, program: []string{JobName}}
	switch over {
	case TCP:
		c.command = append(c.command, "--transport", "tcp")
	case Goroutines:
		c.command = append(c.command, "--ranks-per-process", strconv.Itoa(ranks))
	}
	return c
}

// At is the same with flags that say where its ranks are.
func (c Contender) At(flags ...string) Contender {
	return Contender{c.Name, c.Version, append(slices.Clip(c.command), flags...), c.program, c.env}
}

// With is the same with more flags, under a name that tells them.
func (c Contender) With(name string, flags ...string) Contender {
	c.Name, c.Version = name, ""
	c.command = append(slices.Clip(c.command), flags...)
	return c
}

// Threads is the name of what shows the floor of tests with a computing peer: plain
// threads in C that share memory (bench/peers/threads.c).
const Threads = "threads"

// Peers are those of names (openmpi, mpich, threads) that are installed, with their
// programs compiled into dir; missing says which are not here, and why.
// With hosts, dir is one that they see, too.
func Peers(ctx context.Context, dir string, over Over, hosts bench.Hosts, names []string) (found []Contender, missing []string, err error) {
	if slices.Contains(names, Threads) {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == Threads })
		c := Contender{Name: Threads}
		program, err := bench.Compile(ctx, "cc", dir, Threads, bench.Threads)
		if err != nil {
			missing = append(missing, Threads+": "+err.Error())
		} else {
			c.command = []string{program}
			found = append(found, c)
		}
	}
	peers, err := bench.Peers(names)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range peers {
		launcher, err := p.Launcher()
		if err != nil {
			missing = append(missing, p.Name+": "+err.Error())
			continue
		}
		program, err := p.Compile(ctx, dir, "message", bench.Message)
		if err != nil {
			missing = append(missing, p.Name+": "+err.Error())
			continue
		}
		c := Contender{Name: p.Name, Version: p.Version(ctx), command: []string{launcher}, program: []string{program}}
		if hosts.Len() > 0 {
			flags, err := p.At(dir, hosts)
			if err != nil {
				return nil, nil, err
			}
			c.command = append(c.command, flags...)
		}
		found = append(found, c.reaching(over))
	}
	return found, missing, nil
}

// reaching adds what makes a peer use over, on a machine of fewer cores than ranks.
func (c Contender) reaching(over Over) Contender {
	switch c.Name {
	case bench.OpenMPI.Name:
		c.command = append(c.command, "--oversubscribe")
		if over == TCP {
			c.command = append(c.command, "--mca", "pml", "ob1", "--mca", "btl", "tcp,self")
		}
	case bench.MPICH.Name:
		if over == TCP {
			c.env = []string{"MPIR_CVAR_NOLOCAL=1", "UCX_TLS=tcp,self"}
		}
	}
	return c
}

// run starts the ranks and returns their rows; the error says also what they said.
func (c Contender) run(ctx context.Context, ranks int, words []string, limit time.Duration) ([]Row, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not finished after %v", limit))
	defer cancel()
	args := slices.Concat(c.command[1:], []string{"-np", strconv.Itoa(ranks)}, c.program, words)
	cmd := exec.CommandContext(ctx, c.command[0], args...)
	if slices.Contains(c.program, JobName) {
		cmd.Args[0] = ownName // whatever its file is called
	}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GRIDRUN_HOST") })
	cmd.Env = slices.Concat(cmd.Env, bench.PeerEnv, c.env)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil && len(c.program) > 0 {
		endAll(c.program[0])
	}
	rows, errRows := readRows(&out)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		text := strings.TrimSpace(said.String())
		err = errors.New(strings.TrimSpace(fmt.Sprintf("%s: %v\n%s", c.Name, err, text[:min(len(text), 2000)])))
	}
	return rows, errors.Join(err, errRows)
}

// endAll kills what a lost run of a peer has left behind: processes of its program,
// which would use the CPUs during all further runs.
func endAll(program string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == program {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

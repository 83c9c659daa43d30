package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"gridrun/bench"
)

// Names of the built-in jobs that are measured.
const (
	HelloJob = "__hello"
	ParkJob  = "__park"
)

// A Contender can start ranks that say hello.
type Contender struct {
	Name string
	// hello and park are the commands without the number of ranks.
	hello, park []string
}

func (c Contender) command(ctx context.Context, command []string, ranks int) *exec.Cmd {
	args := append([]string{"-np", strconv.Itoa(ranks)}, command[1:]...)
	cmd := exec.CommandContext(ctx, command[0], args...)
	// Open MPI asks root twice whether it means it.
	cmd.Env = append(os.Environ(), "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	return cmd
}

// Find returns gridrun, the binary self, and the peers of this machine, whose
// programs are compiled into dir; missing says which are not here, and why.
func Find(ctx context.Context, self, dir string) (found []Contender, missing []string, err error) {
	found = []Contender{{"gridrun", []string{self, HelloJob}, []string{self, ParkJob}}}
	source := filepath.Join(dir, "hello.c")
	if err := os.WriteFile(source, []byte(bench.Hello), 0o600); err != nil {
		return nil, nil, err
	}
	for _, p := range []struct {
		name      string
		launchers []string
		compiler  string
		flags     []string
	}{
		{"Open MPI", []string{"mpirun.openmpi"}, "mpicc.openmpi", []string{"--oversubscribe"}},
		{"MPICH", []string{"mpiexec.hydra", "mpiexec.mpich"}, "mpicc.mpich", nil},
	} {
		launcher := ""
		for _, name := range p.launchers {
			if path, err := exec.LookPath(name); err == nil {
				launcher = path
				break
			}
		}
		if launcher == "" {
			missing = append(missing, fmt.Sprintf("%s: no %s in $PATH", p.name, p.launchers[0]))
			continue
		}
		program := filepath.Join(dir, strings.ReplaceAll(p.name, " ", "")+"-hello")
		if said, err := exec.CommandContext(ctx, p.compiler, "-O2", "-o", program, source).CombinedOutput(); err != nil {
			missing = append(missing, fmt.Sprintf("%s: %s: %v %s", p.name, p.compiler, err, strings.TrimSpace(string(said))))
			continue
		}
		start := append([]string{launcher}, p.flags...)
		found = append(found, Contender{p.name, append(start, program), append(start[:len(start):len(start)], program, "park")})
	}
	return found, missing, nil
}

package launcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/program"
	"gridrun/launcher/ship"
)

// A Shipper is an Agent on a host that does not see this machine's files.
type Shipper interface {
	// Ship brings what it lacks to the host and returns the paths there.
	Ship(ctx context.Context, files ...ship.Source) ([]string, error)
}

// installed are directories whose programs belong to each host: a host has its
// own, of its own system, and none is shipped.
var installed = []string{"/bin", "/sbin", "/usr", "/opt", "/nix", "/snap"}

// source returns what must be brought to other hosts to run a program there;
// nil for what they have themselves.
func source(name string, p program.Program) ship.Source {
	switch {
	case p.Build != nil:
		return ship.Built(filepath.Base(p.Path), func(ctx context.Context, at ship.Platform) (string, error) {
			if at == ship.Here() {
				return p.Path, nil
			}
			return p.Build(ctx, at.OS, at.Arch)
		})
	case p.Job != "", !strings.Contains(name, "/"):
		return nil
	}
	for _, dir := range installed {
		if strings.HasPrefix(p.Path, dir+"/") {
			return nil
		}
	}
	return ship.Executable(p.Path)
}

// paths returns where the agent's host has each App's program; "" for built-in
// jobs and for Apps that have no ranks there.
func (j *Job) paths(ctx context.Context, h int, agent agents.Agent) ([]string, error) {
	paths := make([]string, len(j.programs))
	shipper, remote := agent.(Shipper)
	var files []ship.Source
	var apps []int
	for _, p := range j.plan.Procs {
		if p.Host != h || slices.Contains(apps, p.App) || paths[p.App] != "" {
			continue
		}
		name := j.spec.Apps[p.App].Command[0]
		switch {
		case !remote:
			paths[p.App] = j.programs[p.App].Path
		case j.sources[p.App] != nil:
			files, apps = append(files, j.sources[p.App]), append(apps, p.App)
		case j.programs[p.App].Job == "":
			paths[p.App] = name // the host's own
		}
	}
	if len(files) == 0 {
		return paths, nil
	}
	there, err := shipper.Ship(ctx, files...)
	if err != nil {
		return nil, fmt.Errorf("bringing the program: %w", err)
	}
	for i, app := range apps {
		paths[app] = there[i]
	}
	return paths, nil
}

// Remote returns the hosts of the job that are other machines.
func (j *Job) Remote() (hosts []place.Host) {
	for _, h := range j.plan.Hosts {
		if !h.Local() {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// number is the number of a host in the plan; -1: it is not there.
func (j *Job) number(h place.Host) int {
	if n, there := j.numbers[h.String()]; there {
		return n
	}
	return -1
}

// Alone says that the launcher's machine is the only one of the job.
func (j *Job) Alone() bool { return len(j.plan.Hosts) == 1 && j.plan.Hosts[0].Local() }

// used drops the hosts that have no ranks: nothing is started there.
func used(p place.Plan) place.Plan {
	number := make([]int, len(p.Hosts))
	for i := range number {
		number[i] = -1
	}
	var hosts []place.Host
	procs := slices.Clone(p.Procs)
	for i := range procs {
		h := procs[i].Host
		if number[h] < 0 {
			number[h] = len(hosts)
			hosts = append(hosts, p.Hosts[h])
		}
		procs[i].Host = number[h]
	}
	p.Hosts, p.Procs = hosts, procs
	return p
}

// checkDir says why ranks of this machine cannot start in dir.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("--wdir: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("--wdir: %s is no directory", dir)
	}
	return nil
}

// ownVariables are the GRIDRUN_ variables of an environment, without those that
// tell a process which rank it is.
func ownVariables(environ []string) (own []string) {
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GRIDRUN_RANK", "GRIDRUN_SIZE", "GRIDRUN_LOCAL_RANK", "GRIDRUN_LOCAL_SIZE", "GRIDRUN_JOB", "GRIDRUN_RESTART", "GRIDRUN_CONTROL", "GRIDRUN_CPUS", "GRIDRUN_HOME":
			continue
		}
		if strings.HasPrefix(name, "GRIDRUN_") {
			own = append(own, kv)
		}
	}
	return own
}

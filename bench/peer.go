package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Peer is another implementation of MPI that gridrun is measured against.
type Peer struct {
	Name      string
	launchers []string // its names, the first that is there counts
	compiler  string
	version   func(said string) string
	// hosts are its flags for a hostfile that hostfile writes.
	hosts    func(path string) []string
	hostfile func(Hosts) (string, error)
}

// The peers, where they are installed. Their names are as Debian gives them when
// both are there.
var (
	OpenMPI = Peer{
		Name: "Open MPI", launchers: []string{"mpirun.openmpi"}, compiler: "mpicc.openmpi", version: LastWordOf("(Open"),
		hosts:    func(path string) []string { return []string{"--hostfile", path, "--mca", "btl", "tcp,self,vader"} },
		hostfile: Hosts.openMPI,
	}
	MPICH = Peer{
		Name: "MPICH", launchers: []string{"mpiexec.hydra", "mpiexec.mpich"}, compiler: "mpicc.mpich", version: LastWordOf("Version:"),
		hosts:    func(path string) []string { return []string{"-launcher", "ssh", "-f", path} },
		hostfile: Hosts.mpich,
	}
)

// Peers are those that users call by these names: openmpi and mpich.
func Peers(names []string) (found []Peer, err error) {
	all := map[string]Peer{"openmpi": OpenMPI, "mpich": MPICH}
	for _, name := range names {
		p, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("--peers %s: there are openmpi and mpich; bench p2p has threads, too", name)
		}
		found = append(found, p)
	}
	return found, nil
}

// word is its name as part of a file's.
func (p Peer) word() string { return strings.ReplaceAll(p.Name, " ", "") }

// Launcher is its launcher's path; the error says that it is not here.
func (p Peer) Launcher() (string, error) {
	for _, name := range p.launchers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s in $PATH", p.launchers[0])
}

// Version asks its launcher; "" if it does not say.
func (p Peer) Version(ctx context.Context) string {
	launcher, err := p.Launcher()
	if err != nil {
		return ""
	}
	return VersionOf(ctx, launcher, "--version", p.version)
}

// Compile makes a program of the C source text in dir, and returns its path.
func (p Peer) Compile(ctx context.Context, dir, name, text string) (string, error) {
	return Compile(ctx, p.compiler, dir, p.word()+"-"+name, text)
}

// Compile makes a program of that name of the C source text in dir, and returns its
// path.
func Compile(ctx context.Context, compiler, dir, name, text string) (string, error) {
	program := filepath.Join(dir, name)
	source := program + ".c"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return "", err
	}
	if said, err := exec.CommandContext(ctx, compiler, "-O2", "-pthread", "-o", program, source).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %v %s", compiler, err, strings.TrimSpace(string(said)))
	}
	return program, nil
}

// VersionOf asks a launcher with flag, and find takes the version from what it
// says; "" if it does not.
func VersionOf(ctx context.Context, launcher, flag string, find func(string) string) string {
	said, err := exec.CommandContext(ctx, launcher, flag).Output()
	if err != nil {
		return ""
	}
	return find(string(said))
}

// LastWordOf finds the line that holds mark, and in it a version.
func LastWordOf(mark string) func(string) string {
	return func(said string) string {
		for line := range strings.Lines(said) {
			if words := strings.Fields(line); len(words) > 0 && strings.Contains(line, mark) {
				return words[len(words)-1]
			}
		}
		return ""
	}
}

// OwnVersion takes gridrun's from `gridrun VERSION, go1.26`.
func OwnVersion(said string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(said, "gridrun "), ",")
	return version
}

// PeerEnv is what the peers need beside the environment: Open MPI asks root twice
// whether it means it.
var PeerEnv = []string{"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"}

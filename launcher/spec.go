package launcher

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
	"gridrun/launcher/observe"
	"gridrun/launcher/place"
	"gridrun/launcher/program"
)

// DefaultGrace is the time between SIGTERM and SIGKILL.
const DefaultGrace = 2 * time.Second

// DefaultLease is how long a host of another machine may be silent.
const DefaultLease = 3 * time.Second

// An App is one program of the job; `a : b` has two.
type App struct {
	NP      int      // ranks; 0: as many as there are slots (only one App)
	Command []string // the program's name and its arguments
	Env     []string // additions, "K=V"
	Dir     string   // where it starts; "": here
}

// A Spec is what the user asked for. Only Apps must be given.
type Spec struct {
	Apps []App
	// Hosts to run on; none: this machine, which then takes any number of ranks.
	Hosts         []place.Host
	MapBy         place.Policy
	Oversubscribe bool
	// Restarts is how often a job that fails is started again.
	Restarts int
	// Continue keeps the survivors when a rank fails.
	Continue        bool
	RanksPerProcess int // 0: 1
	// BindTo binds each process to its part of its host's CPUs: "core" or
	// "socket"; "" and "none": not.
	BindTo         string
	ReportBindings bool // show what each process is bound to
	Timeout        time.Duration
	Grace          time.Duration // 0: DefaultGrace; negative: none
	// Lease is the silence of the launcher that ends an agent and its ranks, and
	// the silence of an agent that loses its host. 0: DefaultLease with other
	// machines in the job, none without: there the end of the connection shows.
	Lease     time.Duration
	Transport string // "": shared memory inside a host; "tcp": TCP everywhere
	// Net are the networks (CIDRs) that connections between hosts use; none: all.
	Net     []string
	Ports   wire.PortRange // each host listens on one of them; zero: any
	Encrypt bool           // TLS on connections between hosts
	Streams int            // connections of two processes for long data, where hosts are far from each other; 0: 4
	// How output is shown: with ranks or the time before each line, or identical
	// lines of several ranks once.
	TagOutput, TimestampOutput, FoldOutput bool
	// OutputDir gets a file for each process and stream, with the same lines as
	// would be shown; Tee shows them as well. "": no files.
	OutputDir string
	Tee       bool
	// Stdin is who gets standard input: "all", "none", or a rank; "": rank 0.
	Stdin string
	// Wrap is a command that starts the program of WrapRanks (nil: of all), as its
	// last words. {rank}, {host} and {job} in it are replaced, {{ is a brace.
	Wrap      []string
	WrapRanks []int
	// EnvStyles are families of names that ranks find in the environment.
	EnvStyles []string
	Verbose   bool
	DryRun    bool // for the caller: Prepare is all it wants
	// Stage are files of this machine that every host gets for the time of the job.
	Stage []string
	// Observe is what the user wants to know of the job's ranks.
	Observe observe.Want
	// Builtins are the names of the built-in jobs.
	Builtins []string
}

// Exit codes of gridrun itself.
const (
	CodeTimeout = 124
	CodeRefused = program.Refused // usage, slots, launch, lost host
)

// An Error is a job that cannot be started; Code is the exit code for it.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the exit code for err: an Error's, else CodeRefused.
func ExitCode(err error) int {
	var e *Error
	var p *program.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	case errors.As(err, &p):
		return p.Code
	}
	return CodeRefused
}

// Away says whether the job may have ranks on other machines.
func (s *Spec) Away() bool {
	hosts := s.Hosts
	if f := s.MapBy.Rankfile; f != nil {
		hosts = append(slices.Clip(hosts), f.Hosts...)
	}
	return slices.ContainsFunc(hosts, remote)
}

func remote(h place.Host) bool { return !h.Local() }

// Validate says what cannot work, whatever the machine.
func (s *Spec) Validate() error {
	if len(s.Apps) == 0 {
		return errors.New("no program to run")
	}
	for _, a := range s.Apps {
		if len(a.Command) == 0 {
			return errors.New("no program to run")
		}
		if a.NP < 0 {
			return fmt.Errorf("-np %d: a program has at least 1 rank", a.NP)
		}
		for _, kv := range a.Env {
			if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
				return fmt.Errorf("-x %s: not of the form NAME=VALUE", kv)
			}
		}
		for _, text := range slices.Concat(a.Command, a.Env) { // not append: what lies behind a command may be another's
			if strings.ContainsRune(text, 0) {
				return fmt.Errorf("%q: arguments and variables cannot hold a zero byte", text)
			}
		}
		if a.Dir != "" && !s.Away() {
			if err := checkDir(a.Dir); err != nil {
				return err
			}
		}
	}
	for _, n := range s.Net {
		if _, err := netip.ParsePrefix(n); err != nil {
			return fmt.Errorf("--net %s: not a network like 10.1.0.0/16 or fd00::/64", n)
		}
	}
	if n, err := strconv.ParseUint(s.Stdin, 10, 31); s.Stdin != "" && s.Stdin != "all" && s.Stdin != "none" && (err != nil || fmt.Sprint(n) != s.Stdin) {
		return fmt.Errorf("--stdin %s: it is a rank, all or none", s.Stdin)
	}
	if err := s.Observe.Validate(); err != nil {
		return err
	}
	for _, style := range s.EnvStyles {
		if !slices.Contains(wire.EnvStyles, style) {
			return fmt.Errorf("--env-style %s: there are %s", style, strings.Join(wire.EnvStyles, ", "))
		}
	}
	if err := checkWrap(s.Wrap); err != nil {
		return err
	}
	switch p := s.Ports; {
	case s.WrapRanks != nil && s.Wrap == nil:
		return errors.New("--wrap-ranks says which ranks --wrap is for; give a command with --wrap")
	case s.Tee && s.OutputDir == "":
		return errors.New("--tee shows what --output-dir keeps; give a directory, or leave it out")
	case s.FoldOutput && s.OutputDir != "" && !s.Tee:
		return errors.New("--fold-output folds what is shown, and --output-dir shows nothing; add --tee, or leave one of them out")
	case p.Lo < 0 || p.Hi > 65535 || p.Lo > p.Hi || p.Lo == 0 && p.Hi > 0:
		return fmt.Errorf("--port %d-%d: ports are 1 to 65535, the lower one first", p.Lo, p.Hi)
	case s.BindTo != "" && s.BindTo != cpuset.None && s.BindTo != cpuset.Core && s.BindTo != cpuset.Socket:
		return fmt.Errorf("--bind-to %s: it is none, core or socket; CPUs by number stand in a rankfile (slot=0-3)", s.BindTo)
	case s.RanksPerProcess < 0:
		return fmt.Errorf("--ranks-per-process %d: at least 1", s.RanksPerProcess)
	case s.Timeout < 0:
		return fmt.Errorf("--timeout %v: not a time to wait", s.Timeout)
	case s.Transport != "" && s.Transport != "shm" && s.Transport != "tcp":
		return fmt.Errorf("--transport %s: it is shm or tcp", s.Transport)
	}
	return nil
}

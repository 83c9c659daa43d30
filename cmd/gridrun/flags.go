package main

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gridrun/internal/wire"
)

// hostFlags name hosts and how they are reached; verbs that have to do with
// hosts embed them.
type hostFlags struct {
	Host            string `group:"Hosts" short:"H" placeholder:"HOST:SLOTS,..." help:"Hosts to run on."`
	Hostfile        string `group:"Hosts" placeholder:"FILE" help:"File with a host a line: name slots=N."`
	LauncherCommand string `group:"Hosts" placeholder:"CMD" help:"Reach hosts with this ssh (default: built in)."`
	SSHConfig       string `group:"Hosts" name:"ssh-config" placeholder:"FILE" help:"Instead of ~/.ssh/config."`
}

// runFlags are the flags of `gridrun run`. Each is also an environment variable
// (GRIDRUN_ and its name in capitals, _ for -) and a line of the config file.
// The group is the heading that a flag stands under in help and manual.
type runFlags struct {
	NP              count  `group:"Ranks" name:"np" short:"n" placeholder:"N" help:"Number of ranks (default: all slots)."`
	MapBy           string `group:"Ranks" placeholder:"slot|node|ppr:N" help:"Fill hosts in order, in turn, or N ranks each."`
	Rankfile        string `group:"Ranks" placeholder:"FILE" help:"Where each rank runs, as --dry-run shows it."`
	Oversubscribe   bool   `group:"Ranks" help:"Allow more ranks than slots."`
	BindTo          string `group:"Ranks" placeholder:"none|core|socket" help:"Give each rank its part of the host's CPUs."`
	RanksPerProcess count  `group:"Ranks" placeholder:"K" help:"Ranks that one process holds (default: 1)."`

	hostFlags
	Lease     *seconds `group:"Hosts" placeholder:"S" help:"Silence that loses a host (default: 3)."`
	Fanout    *int     `group:"Hosts" placeholder:"K" help:"Hosts start K others each (0: none does)."`
	Net       []string `group:"Hosts" placeholder:"CIDR" help:"Networks that hosts talk over (repeatable)."`
	Port      *ports   `group:"Hosts" placeholder:"LO-HI" help:"Each host listens on one of these ports."`
	Encrypt   bool     `group:"Hosts" help:"Encrypt what hosts send each other."`
	Streams   count    `group:"Hosts" placeholder:"N" help:"Connections for long data to far hosts (4)."`
	NoWarm    bool     `group:"Hosts" help:"Do not use what gridrun up has ready."`
	Transport string   `group:"Hosts" hidden:"" placeholder:"shm|tcp" help:"How ranks of one host talk."`

	Export []string `group:"What ranks find" short:"x" sep:"none" placeholder:"VAR[=VALUE]" help:"Variable for every rank (repeatable)."`
	Wdir   string   `group:"What ranks find" placeholder:"DIR" help:"Directory that ranks start in."`
	Stage  []string `group:"What ranks find" sep:"none" placeholder:"FILE" help:"Bring FILE to {stage} everywhere (repeatable)."`

	Reproducible bool   `group:"What ranks find" help:"Fold every reduction in the order of ranks."`
	Algorithm    string `group:"What ranks find" placeholder:"OP=NAME,..." help:"Algorithms of collectives: AllReduce=ring."`
	Costs        string `group:"What ranks find" placeholder:"FILE|none" help:"Figures of gridrun bench calibrate."`

	EnvStyle  []string `group:"What ranks find" placeholder:"STYLE" help:"Also torchrun, openmpi, pmi, slurm names."`
	Wrap      string   `group:"What ranks find" placeholder:"CMD" help:"Start ranks under CMD: 'strace -o t.{rank}'."`
	WrapRanks string   `group:"What ranks find" placeholder:"SET" help:"Only these ranks: 0,3-5 (default: all)."`

	TagOutput       bool   `group:"Output and input" help:"Put the rank before each line of output."`
	TimestampOutput bool   `group:"Output and input" help:"Put the time before each line of output."`
	FoldOutput      bool   `group:"Output and input" help:"Show lines that many ranks print once."`
	OutputDir       string `group:"Output and input" placeholder:"DIR" help:"Write to files DIR/rank.N.out and .err."`
	Tee             bool   `group:"Output and input" help:"With --output-dir: show output as well."`
	Stdin           string `group:"Output and input" placeholder:"RANK|all|none" help:"Who gets standard input (default: rank 0)."`

	Timeout   *seconds `group:"The end" placeholder:"S" help:"End the job after S seconds (exit code 124)."`
	OnFailure string   `group:"The end" placeholder:"stop|continue" help:"Whether ranks go on when one fails."`
	Restarts  repeats  `group:"The end" placeholder:"N" help:"Start a failed job again, up to N times."`
	Grace     *seconds `group:"The end" placeholder:"S" help:"Seconds from SIGTERM to SIGKILL (default: 2)."`

	Stats          bool   `group:"Looking" help:"Count messages, bytes, waits, and show them."`
	StatsFile      string `group:"Looking" placeholder:"FILE" help:"Write the counts as JSON."`
	Trace          string `group:"Looking" placeholder:"FILE" help:"Write a timeline of all ranks, for Perfetto."`
	TraceEvents    count  `group:"Looking" placeholder:"N" help:"Newest events of a rank it keeps (32768)."`
	Profile        string `group:"Looking" placeholder:"FILE" help:"Write one CPU profile of all ranks, for pprof."`
	ReportBindings bool   `group:"Looking" help:"Show which CPUs each rank may use."`
	DryRun         bool   `group:"Looking" help:"Show where every rank would run, and stop."`
	Verbose        bool   `group:"Looking" short:"v" help:"Tell what happens on the way."`
}

// perProgram names the flags that may stand before each program of `a : b`.
var perProgram = []string{"np", "export", "wdir"}

// aliases are other spellings that mpirun's users have in their fingers.
var aliases = map[string]string{
	"n": "np", "machinefile": "hostfile", "hosts": "host", "wd": "wdir", "x": "export",
	"output-filename": "output-dir", "label": "tag-output", "chdir": "wdir",
}

var countType = reflect.TypeFor[count]()

// A count is a number of at least 1; the zero value is "not given".
type count int

func (c *count) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a number of at least 1", b)
	}
	*c = count(n)
	return nil
}

// repeats is how often something is done again; 0 is never.
type repeats int

func (n *repeats) UnmarshalText(b []byte) error {
	u, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a number of at least 0", b)
	}
	*n = repeats(u)
	return nil
}

// seconds is a time: a number of seconds (1.5) or a Go duration (90s, 2m).
type seconds time.Duration

func (s *seconds) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil {
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil || math.IsNaN(f) || f > 1e9 {
			return fmt.Errorf("%q is no time; write seconds (1.5) or a duration (2m)", b)
		}
		d = time.Duration(f * float64(time.Second))
	}
	switch {
	case d < 0:
		return fmt.Errorf("%q is less than no time", b)
	case d > 1e9*time.Second: // sums of times must not overflow
		return fmt.Errorf("%q is longer than 1e9 seconds", b)
	}
	*s = seconds(d)
	return nil
}

// ports is a range of ports, LO-HI, or a single one.
type ports wire.PortRange

func (p *ports) UnmarshalText(b []byte) error {
	lo, hi, isRange := strings.Cut(string(b), "-")
	if !isRange {
		hi = lo
	}
	l, err1 := strconv.ParseUint(lo, 10, 16)
	h, err2 := strconv.ParseUint(hi, 10, 16)
	if err1 != nil || err2 != nil || l == 0 || l > h {
		return fmt.Errorf("%q is no range of ports; write 5000-5010, or 5000 for one", b)
	}
	*p = ports{Lo: int(l), Hi: int(h)}
	return nil
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "GRIDRUN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

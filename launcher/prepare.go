package launcher

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
	"gridrun/launcher/place"
	"gridrun/launcher/program"
	"gridrun/launcher/rankset"
	"gridrun/launcher/ship"
)

// A Job is a Spec made concrete: every program found, every rank placed.
type Job struct {
	// Notices are worth a line each before the job runs.
	Notices []string

	spec     Spec
	plan     place.Plan
	programs []program.Program // of each App
	sources  []ship.Source     // of each App: what other machines lack, or nil
	inputs   []ship.File       // of --stage
	id       string
	key      []byte
	topology wire.Topology
	onHost   [][]int        // processes of each host
	numbers  map[string]int // of the hosts, by place.Host's String
	running  atomic.Pointer[run]

	stdinRank int       // who gets standard input, unless --stdin says all or none
	noInput   bool      // there is none, or an earlier start has read it: nobody gets it
	attempt   int       // how often it has been started again
	began     time.Time // when it was started first
}

// Prepare makes a job of spec. Building a Go package is all the work it may do.
func Prepare(ctx context.Context, spec Spec) (*Job, error) {
	if err := spec.Validate(); err != nil {
		return nil, &Error{CodeRefused, err}
	}
	if spec.Grace == 0 {
		spec.Grace = DefaultGrace
	}
	j := &Job{spec: spec}
	var err error
	if j.plan, err = spec.place(); err != nil {
		return nil, &Error{CodeRefused, err}
	}
	j.lay()
	if n, err := strconv.Atoi(spec.Stdin); err == nil {
		if j.stdinRank = n; n >= j.plan.NP {
			return nil, &Error{CodeRefused, fmt.Errorf("--stdin %d: the job has ranks 0 to %d only", n, j.plan.NP-1)}
		}
	}
	if len(j.Remote()) > 0 && j.spec.Lease == 0 {
		j.spec.Lease = DefaultLease
	}
	if cpus := cpuset.Whole(cpuset.Usable()); len(spec.Hosts) == 0 && len(j.Remote()) == 0 && j.plan.NP > cpus {
		j.notice("%d ranks share %d CPUs", j.plan.NP, cpus)
	}
	slots := 0
	for _, h := range spec.Hosts {
		if slots += h.Slots; h.Slots == 0 { // this machine: placing refuses others
			slots += cpuset.Whole(cpuset.Usable())
		}
	}
	if len(spec.Hosts) > 0 && spec.Oversubscribe && j.plan.NP > slots {
		j.notice("%d ranks share %d slots (--oversubscribe)", j.plan.NP, slots)
	}
	for _, a := range spec.Apps {
		p, err := program.Finder{Jobs: spec.Builtins}.Find(ctx, a.Command[0])
		if err != nil {
			return nil, err
		}
		j.programs = append(j.programs, p)
		j.sources = append(j.sources, source(a.Command[0], p))
	}
	for i, a := range spec.Apps {
		if lib, whose := program.MPI(j.programs[i].Path); lib != "" && j.plan.NP > 1 {
			j.notice("%s is linked against %s (%s), whose server gridrun does not have: each of its processes will be rank 0 of 1; start it with mpiexec", a.Command[0], whose, lib)
		}
	}
	for _, r := range spec.WrapRanks {
		if r >= j.plan.NP {
			return nil, &Error{CodeRefused, fmt.Errorf("--wrap-ranks: no rank %d, the job has ranks 0 to %d", r, j.plan.NP-1)}
		}
	}
	if j.inputs, err = inputs(spec.Stage); err != nil {
		return nil, &Error{CodeRefused, err}
	}
	j.name()
	return j, nil
}

// name gives the job an id and a key of its own.
func (j *Job) name() {
	id := make([]byte, 8)
	rand.Read(id)
	j.id, j.key = hex.EncodeToString(id), make([]byte, 32)
	rand.Read(j.key)
}

// place puts every rank on a host; hosts without ranks are left out.
func (s *Spec) place() (place.Plan, error) {
	request := place.Request{
		Policy:          s.MapBy,
		Oversubscribe:   s.Oversubscribe,
		RanksPerProcess: s.RanksPerProcess,
	}
	cpus := cpuset.Whole(cpuset.Usable())
	for _, h := range s.Hosts {
		switch {
		case h.Slots > 0:
		case h.Local():
			h.Slots = cpus
		default:
			return place.Plan{}, fmt.Errorf("host %v: nobody has said how many ranks it takes", h)
		}
		request.Hosts = append(request.Hosts, h)
	}
	if len(request.Hosts) == 0 && s.MapBy.Kind != place.ByRankfile {
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		request.Hosts = []place.Host{{Name: name, Slots: cpus}}
		request.Oversubscribe = true
	}
	for _, a := range s.Apps {
		request.Apps = append(request.Apps, a.NP)
	}
	plan, err := place.Place(request)
	return used(plan), err
}

func (j *Job) notice(format string, args ...any) {
	j.Notices = append(j.Notices, fmt.Sprintf(format, args...))
}

// Text shows where every rank would run, for --dry-run.
func (j *Job) Text() string {
	return j.plan.Text(j.commands()) + j.bindingPlan()
}

// bindingPlan is what --dry-run can tell of bindings, as comments of a rankfile:
// the sets of this machine, and who decides on others.
func (j *Job) bindingPlan() string {
	var b strings.Builder
	away := false
	for h, host := range j.plan.Hosts {
		if !host.Local() {
			away = true
			continue
		}
		var procs []place.Proc
		var ranks []int
		for _, p := range j.plan.Procs {
			if p.Host == h {
				procs, ranks = append(procs, p), append(ranks, len(p.Ranks))
			}
		}
		allowed, err := cpuset.Allowed()
		if err != nil {
			fmt.Fprintf(&b, "# %v: %v\n", host, err)
			continue
		}
		sets := cpuset.ReadTopology(os.DirFS("/sys"), allowed).Divide(j.spec.BindTo, ranks, cpuset.Whole(cpuset.Usable()))
		for i, p := range procs {
			if p.CPUs == nil && sets != nil { // the rankfile's stand in the plan
				fmt.Fprintf(&b, "# %v: %s: %s\n", host, rankset.Label(p.Ranks), sets[i].Label())
			}
		}
		if sets == nil && j.bindsByPolicy() {
			fmt.Fprintf(&b, "# %v: more ranks than cores, so --bind-to %s binds none\n", host, j.spec.BindTo)
		}
	}
	if away && j.bindsByPolicy() {
		fmt.Fprintf(&b, "# other hosts divide their %ss among their ranks when they start\n", j.spec.BindTo)
	}
	return b.String()
}

func (j *Job) bindsByPolicy() bool {
	return j.spec.BindTo == cpuset.Core || j.spec.BindTo == cpuset.Socket
}

// quote makes a word that a shell reads as it is.
func quote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(c rune) bool {
		return !strings.ContainsRune("%+,-./:=@^_", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// start is what the agent of host h must do, which has the program of each App at
// paths and the inputs in stage.
func (j *Job) start(h, columns int, paths []string, stage string) (*wire.Start, error) {
	here, unknown := os.Getwd()
	m := &wire.Start{
		Version:   wire.Version,
		Job:       j.id,
		Key:       j.key,
		Host:      h,
		Grace:     int64(max(j.spec.Grace, 0)),
		Lease:     int64(j.spec.Lease),
		Continue:  j.spec.Continue,
		Terminal:  columns,
		Transport: map[string]string{"tcp": "tcp"}[j.spec.Transport],
		Net:       j.spec.Net,
		Ports:     j.spec.Ports,
		Encrypt:   j.spec.Encrypt,
		Streams:   j.spec.Streams,
		Watch:     j.spec.Observe.Watch(),
		Away:      remote(j.plan.Hosts[h]),
		Topology:  j.topology,
		TellBound: j.spec.ReportBindings,
		EnvStyles: j.spec.EnvStyles,
		Leader:    j.leader(),
	}
	if j.bindsByPolicy() {
		m.BindTo = j.spec.BindTo
	}
	// Agents on other machines have an environment of their own; only what is
	// named travels.
	var travels []string
	if m.Away {
		travels = ownVariables(os.Environ())
	}
	for _, p := range j.onHost[h] {
		proc := j.plan.Procs[p]
		app := j.spec.Apps[proc.App]
		dir := here
		if app.Dir != "" {
			if dir = app.Dir; !filepath.IsAbs(dir) {
				dir = filepath.Join(here, dir)
			}
		}
		if unknown != nil && !filepath.IsAbs(app.Dir) {
			return nil, fmt.Errorf("the working directory has no name, it may have been removed (%w); cd to one that exists, or give --wdir DIR", unknown)
		}
		args, env := staged(stage, app.Command[1:], append(append(slices.Clip(travels), j.restartVariable()...), app.Env...))
		m.Procs = append(m.Procs, wire.ProcSpec{
			Proc:  p,
			Ranks: proc.Ranks,
			App:   proc.App,
			Path:  paths[proc.App],
			Job:   j.programs[proc.App].Job,
			Args:  args,
			Env:   env,
			Dir:   dir,
			Stdin: j.feedsProc(p),
			CPUs:  proc.CPUs,
			Wrap:  j.wrapper(proc, h),
		})
	}
	return m, nil
}

// lay notes what every host is told, and what is on each, once for all.
func (j *Job) lay() {
	t := wire.Topology{RankProc: make([]int, j.plan.NP), RankApp: make([]int, j.plan.NP)}
	j.numbers = make(map[string]int, len(j.plan.Hosts))
	for i, host := range j.plan.Hosts {
		t.Hosts = append(t.Hosts, host.Name)
		j.numbers[host.String()] = i
	}
	j.onHost = make([][]int, len(j.plan.Hosts))
	for p, proc := range j.plan.Procs {
		t.ProcHost = append(t.ProcHost, proc.Host)
		for _, r := range proc.Ranks {
			t.RankProc[r], t.RankApp[r] = p, proc.App
		}
		j.onHost[proc.Host] = append(j.onHost[proc.Host], p)
	}
	j.topology = t.Packed()
}

// describe names a process for messages: "rank 3" or "ranks 4-7".
func (j *Job) describe(proc int) string { return rankset.Label(j.plan.Procs[proc].Ranks) }

// lineTag is what --tag-output puts before a process's lines.
func (j *Job) lineTag(proc int, stderr bool) string {
	if !j.spec.TagOutput {
		return ""
	}
	tag := "[" + rankset.Fold(j.plan.Procs[proc].Ranks) + "]"
	if stderr {
		tag += "<stderr>"
	}
	return tag + " "
}

// looks is how often in a lease the launcher looks for hosts that are silent,
// and looksPerBeat how many of these pass between two signs of its own life.
const (
	looks        = 12
	looksPerBeat = 4
)

func (j *Job) heartbeat() time.Duration { return j.spec.Lease / looks }

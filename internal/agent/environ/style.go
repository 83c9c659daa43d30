package environ

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"gridrun/internal/wire"
)

// A position is where a process is in the job.
type position struct {
	job              string
	leader           string // host of rank 0, as others reach it
	rank, size       int
	local, localSize int
	app              int
	host, hosts      int
	names            []string // of the hosts
	each             []int    // ranks of each host
}

func (e *Host) position(spec *wire.ProcSpec) position {
	t := &e.start.Topology
	p := position{
		job: e.start.Job, leader: e.start.Leader, size: len(t.RankProc), localSize: len(e.localRank),
		app: spec.App, host: e.start.Host, hosts: len(t.Hosts), names: t.Hosts, each: make([]int, len(t.Hosts)),
	}
	if len(spec.Ranks) > 0 {
		p.rank, p.local = spec.Ranks[0], e.localRank[spec.Ranks[0]]
	}
	if len(e.start.EnvStyles) > 0 {
		for _, proc := range t.RankProc {
			if host := t.ProcHost[proc]; host < len(p.each) {
				p.each[host]++
			}
		}
	}
	return p
}

// styled are the variables of a style. Names that another layer may own (the
// number of a Slurm allocation) are set only where environ has none.
func (p position) styled(style string, environ []string) []string {
	n := strconv.Itoa
	switch style {
	case "torchrun":
		return []string{
			"RANK=" + n(p.rank), "WORLD_SIZE=" + n(p.size),
			"LOCAL_RANK=" + n(p.local), "LOCAL_WORLD_SIZE=" + n(p.localSize),
			"GROUP_RANK=" + n(p.host), "GROUP_WORLD_SIZE=" + n(p.hosts),
			"ROLE_RANK=" + n(p.rank), "ROLE_WORLD_SIZE=" + n(p.size), "ROLE_NAME=default",
			"MASTER_ADDR=" + p.leader, "MASTER_PORT=" + n(p.port()),
			"TORCHELASTIC_RUN_ID=" + p.job, "TORCHELASTIC_RESTART_COUNT=0", "TORCHELASTIC_MAX_RESTARTS=0",
		}
	case "openmpi":
		return []string{
			"OMPI_COMM_WORLD_RANK=" + n(p.rank), "OMPI_COMM_WORLD_SIZE=" + n(p.size),
			"OMPI_COMM_WORLD_LOCAL_RANK=" + n(p.local), "OMPI_COMM_WORLD_LOCAL_SIZE=" + n(p.localSize),
			"OMPI_COMM_WORLD_NODE_RANK=" + n(p.local), "OMPI_UNIVERSE_SIZE=" + n(p.size),
		}
	case "pmi":
		return []string{
			"PMI_RANK=" + n(p.rank), "PMI_SIZE=" + n(p.size), "PMI_APPNUM=" + n(p.app),
			"MPI_LOCALRANKID=" + n(p.local), "MPI_LOCALNRANKS=" + n(p.localSize),
		}
	case "slurm":
		list := strings.Join(p.names, ",")
		set := []string{
			"SLURM_PROCID=" + n(p.rank), "SLURM_NTASKS=" + n(p.size), "SLURM_NPROCS=" + n(p.size),
			"SLURM_LOCALID=" + n(p.local), "SLURM_NODEID=" + n(p.host),
			"SLURM_NNODES=" + n(p.hosts), "SLURM_JOB_NUM_NODES=" + n(p.hosts),
			"SLURM_TASKS_PER_NODE=" + tasksPerNode(p.each), "SLURM_STEP_NODELIST=" + list,
			"SLURM_NODELIST=" + list, "SLURM_JOB_NODELIST=" + list,
		}
		if !slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "SLURM_JOB_ID=") }) {
			set = append(set, "SLURM_JOB_ID="+n(p.port()), "SLURM_JOBID="+n(p.port()))
		}
		return set
	}
	return nil
}

// port is a number that all processes of the job compute and that two jobs
// hardly share: a port below those that systems give out by themselves.
func (p position) port() int {
	h := fnv.New32a()
	h.Write([]byte(p.job))
	return 20000 + int(h.Sum32()%10000)
}

// tasksPerNode writes 4, 4, 2 as Slurm does: 4(x2),2.
func tasksPerNode(each []int) string {
	var b strings.Builder
	for i := 0; i < len(each); {
		run := 1
		for i+run < len(each) && each[i+run] == each[i] {
			run++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(each[i]))
		if run > 1 {
			fmt.Fprintf(&b, "(x%d)", run)
		}
		i += run
	}
	return b.String()
}

// scrub drops what another launcher tells its processes of themselves. An MPI
// program that finds it in a rank's environment would take itself for that
// launcher's process. The user's settings (OMPI_MCA_btl=...) stay.
func scrub(environ []string) []string {
	torch := slices.ContainsFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "TORCHELASTIC_RUN_ID=") })
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return foreign(name) || torch && ofTorch(name)
	})
}

func foreign(name string) bool {
	switch name {
	case "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID", "PRTE_LAUNCHED", "ALPS_APP_PE":
		return true
	}
	if user, ok := strings.CutPrefix(name, "OMPI_MCA_"); ok {
		return hasAnyPrefix(user, "orte_", "ess", "pmix", "prte")
	}
	return hasAnyPrefix(name, "PMI_", "PMI2_", "PMIX_", "OMPI_", "MPI_LOCAL", "HYDI_", "SLURM_PMI", "PALS_")
}

func ofTorch(name string) bool {
	switch name {
	case "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT":
		return true
	}
	return strings.HasPrefix(name, "TORCHELASTIC_")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// style adds the names of --env-style to a process's environment, text; what
// the user has set with -x stays.
func (e *Host) style(text []string, spec *wire.ProcSpec) []string {
	if len(e.start.EnvStyles) == 0 {
		return text
	}
	at := e.position(spec)
	var add []string
	for _, style := range e.start.EnvStyles {
		add = append(add, at.styled(style, text)...)
	}
	add = slices.DeleteFunc(add, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(spec.Env, func(set string) bool { return strings.HasPrefix(set, name+"=") })
	})
	return Merge(text, add)
}

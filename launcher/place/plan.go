package place

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gridrun/internal/cpuset"
	"gridrun/launcher/rankset"
)

// A Proc is one process of the job: ranks of one program on one host.
type Proc struct {
	Host, App int
	Ranks     []int      // ascending
	CPUs      cpuset.Set // that the rankfile binds it to; nil: none
}

// A Plan is every rank's place. Processes stand in the order of their first rank.
type Plan struct {
	Hosts []Host
	Procs []Proc
	NP    int
}

// Text shows the plan, a line for each host, program and set of CPUs in the order of hosts:
//
//	node1: ranks 0-46: windshear --out d
//	bob@node2:2222: ranks 47-92, 4 a process: windshear --out d
//	node3: rank 93, CPUs 0-3,8: windshear --out d
//
// programs names each program of the job. [ParseRankfile] reads the text back.
func (p Plan) Text(programs []string) string {
	type key struct {
		host, app int
		cpus      string
	}
	type line struct {
		key
		ranks []int
		per   int // ranks of the largest process
	}
	var lines []*line
	at := map[key]*line{}
	for _, proc := range p.Procs {
		k := key{proc.Host, proc.App, proc.CPUs.String()}
		l := at[k]
		if l == nil {
			l = &line{key: k}
			at[k], lines = l, append(lines, l)
		}
		l.ranks, l.per = append(l.ranks, proc.Ranks...), max(l.per, len(proc.Ranks))
	}
	slices.SortStableFunc(lines, func(a, b *line) int { return cmp.Or(a.host-b.host, a.app-b.app) })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%v: %s", p.Hosts[l.host], rankset.Label(l.ranks))
		if l.per > 1 {
			fmt.Fprintf(&b, ", %d a process", l.per)
		}
		if l.cpus != "" {
			fmt.Fprintf(&b, ", CPUs %s", l.cpus)
		}
		// an argument may have several lines, a program has one
		fmt.Fprintf(&b, ": %s\n", strings.ReplaceAll(programs[l.app], "\n", `\n`))
	}
	return b.String()
}

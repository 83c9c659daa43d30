package place

import (
	"fmt"
	"strings"

	"gridrun/launcher/rankset"
)

// A Proc is one process of the job: ranks of one program on one host.
type Proc struct {
	Host, App int
	Ranks     []int // ascending
}

// A Plan is every rank's place. Processes stand in the order of their first rank.
type Plan struct {
	Hosts []Host
	Procs []Proc
	NP    int
}

// Text shows the plan, a line for each host and program in the order of hosts:
//
//	node1: ranks 0-46: windshear --out d
//	bob@node2:2222: ranks 47-92, 4 a process: windshear --out d
//
// programs names each program of the job. [ParseRankfile] reads the text back.
func (p Plan) Text(programs []string) string {
	type key struct{ host, app int }
	type line struct {
		ranks []int
		per   int // ranks of the largest process
	}
	lines := map[key]line{}
	for _, proc := range p.Procs {
		k := key{proc.Host, proc.App}
		l := lines[k]
		lines[k] = line{append(l.ranks, proc.Ranks...), max(l.per, len(proc.Ranks))}
	}
	var b strings.Builder
	for h, host := range p.Hosts {
		for app, program := range programs {
			l, ok := lines[key{h, app}]
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "%v: %s", host, rankset.Label(l.ranks))
			if l.per > 1 {
				fmt.Fprintf(&b, ", %d a process", l.per)
			}
			// an argument may have several lines, a program has one
			fmt.Fprintf(&b, ": %s\n", strings.ReplaceAll(program, "\n", `\n`))
		}
	}
	return b.String()
}

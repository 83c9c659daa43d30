package launcher

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// bindings gathers which CPUs the hosts' processes have, for --report-bindings.
// It belongs to the event loop.
type bindings struct {
	plan    place.Plan
	missing int // hosts that have not answered
	rows    []bindingRow
}

// A bindingRow is all ranks, of whatever host, that may use the same CPUs.
type bindingRow struct {
	cpus  string
	ranks []int
	hosts []int
}

func newBindings(plan place.Plan) *bindings { return &bindings{plan: plan, missing: len(plan.Hosts)} }

// add takes a host's answer; complete says that it was the last.
func (b *bindings) add(m *wire.Bound) (complete bool) {
	for _, p := range m.Procs {
		if p.Proc < 0 || p.Proc >= len(b.plan.Procs) {
			continue
		}
		cpus := p.CPUs
		if set, err := cpuset.Parse(cpus); err == nil {
			cpus = set.Label()
		}
		if !p.Bound {
			cpus += ", not bound"
		}
		i := slices.IndexFunc(b.rows, func(r bindingRow) bool { return r.cpus == cpus })
		if i < 0 {
			i = len(b.rows)
			b.rows = append(b.rows, bindingRow{cpus: cpus})
		}
		proc := b.plan.Procs[p.Proc]
		b.rows[i].ranks = append(b.rows[i].ranks, proc.Ranks...)
		b.rows[i].hosts = append(b.rows[i].hosts, proc.Host)
	}
	b.missing--
	return b.missing == 0
}

// take returns the table and forgets it; "" when there is nothing to tell.
func (b *bindings) take() string {
	rows := b.rows
	b.rows = nil
	for i := range rows {
		slices.Sort(rows[i].ranks)
		slices.Sort(rows[i].hosts)
		rows[i].hosts = slices.Compact(rows[i].hosts)
	}
	slices.SortFunc(rows, func(x, y bindingRow) int { return x.ranks[0] - y.ranks[0] })
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		var names []string
		for _, h := range r.hosts {
			names = append(names, b.plan.Hosts[h].Name)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", place.FoldHosts(names), rankset.Label(r.ranks), r.cpus)
	}
	table.Flush() // to memory
	return text.String()
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
		sets := cpuset.ReadTopology(os.DirFS("/sys"), allowed).Divide(j.spec.BindTo, ranks, place.CPUs())
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

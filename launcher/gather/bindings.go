package gather

import (
	"bytes"
	"fmt"
	"slices"
	"text/tabwriter"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// Bindings gathers which CPUs the hosts' processes have, for --report-bindings.
// It belongs to the event loop.
type Bindings struct {
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

// NewBindings waits for all hosts of plan.
func NewBindings(plan place.Plan) *Bindings { return &Bindings{plan: plan, missing: len(plan.Hosts)} }

// Add takes a host's answer; complete says that it was the last.
func (b *Bindings) Add(m *wire.Bound) (complete bool) {
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

// Take returns the table and forgets it; "" when there is nothing to tell.
func (b *Bindings) Take() string {
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

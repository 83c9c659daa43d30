package calibrate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"gridrun/internal/cost"
)

// A table has a column for each number of bytes.
type table struct {
	w     *tabwriter.Writer
	bytes []int
}

func newTable(w io.Writer, title string, bytes []int) table {
	t := table{tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight), bytes}
	fmt.Fprint(t.w, title, "\t")
	for _, n := range bytes {
		fmt.Fprint(t.w, size(n), "\t")
	}
	fmt.Fprintln(t.w)
	return t
}

func (t table) row(name string, c cost.Curve) {
	fmt.Fprint(t.w, name, "\t")
	for _, n := range t.bytes {
		fmt.Fprint(t.w, microseconds(c.At(n)), "\t")
	}
	fmt.Fprintln(t.w)
}

func (t table) end() {
	fmt.Fprintln(t.w)
	t.w.Flush()
}

func microseconds(t cost.Time) string {
	us := float64(t) / float64(cost.Microsecond)
	switch {
	case us >= 100:
		return fmt.Sprintf("%.0f", us)
	case us >= 10:
		return fmt.Sprintf("%.1f", us)
	}
	return fmt.Sprintf("%.2f", us)
}

// size is a number of bytes as one would say it.
func size(n int) string {
	for i, suffix := range []string{"G", "M", "K"} {
		if unit := 1 << (30 - 10*i); n >= unit && n%unit == 0 {
			return fmt.Sprintf("%d%s", n/unit, suffix)
		}
	}
	return fmt.Sprint(n)
}

// Shape is a group that switch points are shown for.
type Shape struct {
	Name  string
	Group cost.Group
}

// Shapes are the usual groups of p ranks: on this machine as processes and as
// goroutines, and on as many hosts, one each or four.
func Shapes(c *cost.Costs, p int) (all []Shape) {
	all = append(all,
		Shape{fmt.Sprintf("%d processes of a host", p), cost.Group{Costs: c, Link: &c.Shm, Ranks: p, Hosts: 1, Most: p, Nodes: 1, Full: p, Board: true}},
		Shape{fmt.Sprintf("%d hosts, a rank each", p), cost.Group{Costs: c, Link: &c.TCP, Ranks: p, Hosts: p, Most: 1, Nodes: p, Full: 1}})
	if p >= 8 {
		all = append(all, Shape{fmt.Sprintf("%d ranks on %d hosts", p, (p+3)/4),
			cost.Group{Costs: c, Link: &c.TCP, Ranks: p, Hosts: (p + 3) / 4, Most: 4, Nodes: (p + 3) / 4, Full: 4}})
	}
	return all
}

// A Range is the algorithm of the lengths from From on.
type Range struct {
	From int
	Name string
}

// longest is where the search for switch points ends.
const longest = 64 << 20

// SwitchPoints are the ranges of an operation's best algorithms. Where every rank
// has a block for each, bytes are those of all blocks.
func SwitchPoints(g *cost.Group, op string) (all []Range) {
	for n := 0; n <= longest; n = next(n) {
		best, _ := g.Best(op, false, true, n)
		if len(all) == 0 || all[len(all)-1].Name != best.Name {
			all = append(all, Range{n, best.Name})
		}
		if op == "Barrier" {
			break
		}
	}
	return all
}

// next steps by quarters of a power of two.
func next(n int) int {
	if n < 8 {
		return 8
	}
	unit := 1
	for 2*unit <= n {
		unit *= 2
	}
	return n + max(unit/4, 1)
}

// PrintSwitchPoints shows them for groups of several sizes.
func PrintSwitchPoints(w io.Writer, c *cost.Costs, sizes []int) {
	for _, p := range sizes {
		for _, s := range Shapes(c, p) {
			fmt.Fprintln(w, s.Name)
			for _, op := range cost.Operations() {
				var parts []string
				for _, r := range SwitchPoints(&s.Group, op) {
					if r.From == 0 {
						parts = append(parts, r.Name)
					} else {
						parts = append(parts, fmt.Sprintf("from %s %s", size(r.From), r.Name))
					}
				}
				if !slices.Equal(parts, []string{cost.Shared}) {
					fmt.Fprintf(w, "  %-14s %s\n", op, strings.Join(parts, ", "))
				}
			}
		}
	}
	fmt.Fprintln(w, "Operations that a list leaves out are always", cost.Shared+".")
}

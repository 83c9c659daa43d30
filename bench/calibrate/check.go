package calibrate

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"gridrun/bench/message"
	"gridrun/internal/cost"
)

// A Verdict is an algorithm's predicted and measured time for some bytes.
type Verdict struct {
	Op, Name            string
	Bytes               int
	Predicted, Measured cost.Time
}

// Off is how many times the prediction is too long or too short.
func (v Verdict) Off() float64 {
	if v.Predicted > v.Measured {
		return float64(v.Predicted) / float64(v.Measured)
	}
	return float64(v.Measured) / float64(v.Predicted)
}

// A Trial is a group of ranks on this machine whose algorithms are compared with
// their predictions.
type Trial struct {
	Over  message.Over
	Ranks int
	Sizes []int // of a vector, or of one rank's block
}

// group is the trial's group as the ranks will see it.
func (t Trial) group(c *cost.Costs) *cost.Group {
	g := &cost.Group{Costs: c, Ranks: t.Ranks, Hosts: 1, Most: t.Ranks, Nodes: 1, Full: t.Ranks}
	switch t.Over {
	case message.Goroutines:
		g.Link = &c.Mem
	case message.TCP:
		g.Link, g.Nodes, g.Full = &c.TCP, t.Ranks, 1
	default:
		g.Link, g.Board = &c.Shm, true
	}
	return g
}

// counted is what an operation's algorithms are chosen by, of bytes as the
// benchmark counts them: a block where there is one for every rank.
func counted(op string, bytes, ranks int) int {
	switch op {
	case "ReduceScatter", "AllGather", "AllToAll":
		return bytes * ranks
	}
	return bytes
}

// testOf is the benchmark's test of an operation; "" if it has none.
func testOf(op string) string {
	name := strings.ToLower(op)
	if !slices.Contains(message.CollectiveTests(), name) {
		return ""
	}
	return name
}

// Check measures every algorithm of a trial.
func Check(ctx context.Context, t Task, c *cost.Costs, trial Trial, ops []string, progress func(string)) (all []Verdict, err error) {
	g := trial.group(c)
	for _, op := range ops {
		test := testOf(op)
		if test == "" {
			continue
		}
		var names, tests []string
		for _, name := range append(cost.Names(op, false), cost.Shared) {
			if _, ok := g.Predict(op, name, 0); ok {
				names, tests = append(names, name), append(tests, test+"/"+name)
			}
		}
		var rows []message.Row
		for round := range t.Rounds {
			progress(fmt.Sprintf("round %d of %d: %s of %d ranks over %s", round+1, t.Rounds, op, trial.Ranks, trial.Over))
			got, err := t.start(ctx, run{ranks: trial.Ranks, over: trial.Over, tests: tests, sizes: trial.Sizes})
			if err != nil {
				return all, err
			}
			rows = append(rows, got...)
		}
		for i, name := range names {
			for _, p := range curveOf(rows, tests[i]) {
				predicted, _ := g.Predict(op, name, counted(op, p.Bytes, trial.Ranks))
				all = append(all, Verdict{op, name, p.Bytes, predicted, p.Time})
			}
		}
	}
	return all, nil
}

// A Quality says how good predictions were.
type Quality struct {
	Median, Worst float64 // Off
	// Lost is how much longer the algorithm that the model picks takes than the
	// fastest one measured, on average over all operations and lengths; LostMost
	// is the worst case.
	Lost, LostMost float64
	Right, Cases   int // how often it picks the fastest
}

// Judge sums verdicts up.
func Judge(all []Verdict) (q Quality) {
	type key struct {
		op    string
		bytes int
	}
	picked, fastest := map[key]Verdict{}, map[key]Verdict{}
	var offs []float64
	for _, v := range all {
		offs = append(offs, v.Off())
		k := key{v.Op, v.Bytes}
		if p, ok := picked[k]; !ok || v.Predicted < p.Predicted {
			picked[k] = v
		}
		if f, ok := fastest[k]; !ok || v.Measured < f.Measured {
			fastest[k] = v
		}
	}
	if len(offs) == 0 {
		return q
	}
	q.Median, q.Worst = median(offs), slices.Max(offs)
	for k, p := range picked {
		lost := float64(p.Measured)/float64(fastest[k].Measured) - 1
		q.Lost += lost / float64(len(picked))
		q.LostMost = max(q.LostMost, lost)
		q.Cases++
		if p.Name == fastest[k].Name {
			q.Right++
		}
	}
	return q
}

// median of some figures, which it sorts.
func median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// PrintCheck shows verdicts, the algorithm that the model picks marked by > and the
// fastest by <.
func PrintCheck(w io.Writer, trial Trial, all []Verdict) {
	fmt.Fprintf(w, "%d ranks over %s: predicted / measured, us (> picked, < fastest)\n", trial.Ranks, trial.Over)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "operation\talgorithm\t")
	for _, n := range trial.Sizes {
		fmt.Fprint(t, size(n), "\t")
	}
	fmt.Fprintln(t)
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].Op == all[i].Op && all[j].Name == all[i].Name {
			j++
		}
		fmt.Fprintf(t, "%s\t%s\t", all[i].Op, all[i].Name)
		for _, v := range all[i:j] {
			mark := ""
			if isLeast(all, v, func(v Verdict) cost.Time { return v.Predicted }) {
				mark = ">"
			}
			if isLeast(all, v, func(v Verdict) cost.Time { return v.Measured }) {
				mark += "<"
			}
			fmt.Fprintf(t, "%s %s / %s\t", mark, microseconds(v.Predicted), microseconds(v.Measured))
		}
		fmt.Fprintln(t)
		i = j
	}
	t.Flush()
	q := Judge(all)
	fmt.Fprintf(w, "off by a factor of %.2f in the median, %.1f at worst; the fastest is picked %d times of %d, the picked take %.0f %% longer on average, %.0f %% at worst\n\n",
		q.Median, q.Worst, q.Right, q.Cases, 100*q.Lost, 100*q.LostMost)
}

func isLeast(all []Verdict, v Verdict, by func(Verdict) cost.Time) bool {
	for _, o := range all {
		if o.Op == v.Op && o.Bytes == v.Bytes && by(o) < by(v) {
			return false
		}
	}
	return true
}

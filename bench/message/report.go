package message

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"gridrun/bench"
)

// A Figure is one contender's result for one test and size.
type Figure struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Value is the median of the runs' medians, Best the best run's.
	Value float64 `json:"value"`
	Best  float64 `json:"best"`
	// P90 and P99 are the medians of the runs' percentiles.
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	// Ratio says how many times better gridrun is; below 1 it is worse.
	Ratio float64 `json:"ratio,omitempty"`
	Runs  []Row   `json:"runs,omitempty"`
}

// A Case is one test and size.
type Case struct {
	Test    string   `json:"test"`
	Bytes   int      `json:"bytes"`
	Figures []Figure `json:"figures"` // of all contenders, gridrun first
}

// A Report is what the command prints.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Over    Over          `json:"over"`
	Ranks   int           `json:"ranks"`
	Rounds  int           `json:"rounds"`
	Names   []string      `json:"names"`
	Cases   []Case        `json:"cases"`
	Lost    []string      `json:"lost,omitempty"`
	Missing []string      `json:"missing,omitempty"`
	Busy    []float64     `json:"busy_cpus"` // others' work before each round
}

// fill makes cases of every contender's rows.
func (r *Report) fill(contenders []Contender, rows [][]Row) {
	for _, c := range contenders {
		r.Names = append(r.Names, strings.TrimSpace(c.Name+" "+c.Version))
	}
	for _, first := range rows[0] {
		if slices.ContainsFunc(r.Cases, func(c Case) bool { return c.Test == first.Test && c.Bytes == first.Bytes }) {
			continue
		}
		c := Case{Test: first.Test, Bytes: first.Bytes}
		for i, own := range contenders {
			var runs []Row
			for _, row := range rows[i] {
				if row.Test == c.Test && row.Bytes == c.Bytes {
					runs = append(runs, row)
				}
			}
			c.Figures = append(c.Figures, figureOf(own.Name, runs, r.Ranks))
		}
		for i := range c.Figures[1:] {
			c.Figures[i+1].compare(c.Figures[0])
		}
		r.Cases = append(r.Cases, c)
	}
}

// figureOf summarizes the runs of one case; without any its Value is 0.
func figureOf(name string, runs []Row, ranks int) Figure {
	if len(runs) == 0 {
		return Figure{Name: name}
	}
	t, _ := find(runs[0].Test)
	u := t.unit
	show := func(ns float64) float64 { return u.show(ns, runs[0].Bytes, ranks) }
	// of has the least and the median of a column.
	of := func(column func(Row) float64) (least, median float64) {
		var all []float64
		for _, row := range runs {
			all = append(all, column(row))
		}
		slices.Sort(all)
		n := len(all)
		return show(all[0]), show((all[(n-1)/2] + all[n/2]) / 2)
	}
	f := Figure{Name: name, Unit: u.String(), Runs: runs}
	f.Best, f.Value = of(func(r Row) float64 { return r.Median })
	_, f.P90 = of(func(r Row) float64 { return r.P90 })
	_, f.P99 = of(func(r Row) float64 { return r.P99 })
	return f
}

func (f *Figure) compare(own Figure) {
	switch {
	case f.Value == 0 || own.Value == 0:
	case f.Unit == microseconds.String():
		f.Ratio = f.Value / own.Value
	default:
		f.Ratio = own.Value / f.Value
	}
}

// Print writes the report as a table for each test.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%d ranks over %s, medians of %d runs each (best in brackets)\n%s\n", r.Ranks, r.Over, r.Rounds, r.Machine)
	if len(r.Busy) > 0 {
		fmt.Fprintf(w, "CPUs busy with other work before a round: at most %.2f\n", slices.Max(r.Busy))
	}
	test := ""
	var t *tabwriter.Writer
	for _, c := range r.Cases {
		if c.Test != test {
			if t != nil {
				t.Flush()
			}
			test = c.Test
			fmt.Fprintf(w, "\n%s, %s%s\n", c.Test, c.Figures[0].Unit, inBrackets(c.Test))
			t = tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
			fmt.Fprint(t, "bytes\t")
			for _, name := range r.Names {
				fmt.Fprintf(t, "%s\t", name)
			}
			for _, f := range c.Figures[1:] {
				fmt.Fprintf(t, "better than %s\t", f.Name)
			}
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%d\t", c.Bytes)
		for _, f := range c.Figures {
			fmt.Fprintf(t, "%s\t", f)
		}
		for _, f := range c.Figures[1:] {
			if f.Ratio == 0 {
				fmt.Fprint(t, "-\t")
			} else {
				fmt.Fprintf(t, "%.2fx\t", f.Ratio)
			}
		}
		fmt.Fprintln(t)
	}
	if t != nil {
		t.Flush()
	}
	for _, why := range r.Lost {
		fmt.Fprintf(w, "  lost: %s\n", strings.ReplaceAll(why, "\n", "\n    "))
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "  missing: %s\n", m)
	}
}

// inBrackets says what stands there, if it is not the best.
func inBrackets(name string) string {
	if t, _ := find(name); t.held {
		return " (in brackets: the 90th and the 99th percentile)"
	}
	return ""
}

// String is a figure with three digits that count, or a dash.
func (f Figure) String() string {
	if f.Value == 0 {
		return "-"
	}
	if len(f.Runs) > 0 && inBrackets(f.Runs[0].Test) != "" {
		return fmt.Sprintf("%s (%s, %s)", digits(f.Value), digits(f.P90), digits(f.P99))
	}
	return fmt.Sprintf("%s (%s)", digits(f.Value), digits(f.Best))
}

func digits(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

package launch

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Row is one contender's result.
type Row struct {
	Name    string    `json:"name"`
	Seconds []float64 `json:"seconds,omitempty"` // of each run, in order
	Median  float64   `json:"median_seconds,omitempty"`
	// Ratio is the median over gridrun's.
	Ratio float64 `json:"ratio,omitempty"`
	// RankBytes is the proportional memory of a parked rank.
	RankBytes int64 `json:"rank_bytes,omitempty"`
}

// A Report is what the command prints.
type Report struct {
	Ranks   int      `json:"ranks"`
	Rounds  int      `json:"rounds,omitempty"`
	Rows    []Row    `json:"rows"`
	Missing []string `json:"missing,omitempty"`
}

// Times runs every contender rounds times in turn. progress hears of each run.
func Times(ctx context.Context, contenders []Contender, ranks, rounds int, progress func(string)) (Report, error) {
	report := Report{Ranks: ranks, Rounds: rounds}
	for _, c := range contenders {
		report.Rows = append(report.Rows, Row{Name: c.Name})
	}
	for round := range rounds {
		for i, c := range contenders {
			progress(fmt.Sprintf("round %d of %d: %s", round+1, rounds, c.Name))
			began := time.Now()
			if said, err := c.command(ctx, c.hello, ranks).CombinedOutput(); err != nil {
				return report, fmt.Errorf("%s with %d ranks: %w\n%s", c.Name, ranks, err, said)
			}
			report.Rows[i].Seconds = append(report.Rows[i].Seconds, time.Since(began).Seconds())
		}
	}
	for i := range report.Rows {
		r := &report.Rows[i]
		r.Median = median(r.Seconds)
		r.Ratio = r.Median / report.Rows[0].Median
	}
	return report, nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%d ranks that say hello (one barrier)\n", r.Ranks)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range r.Rows {
		fmt.Fprintf(t, "  %s", row.Name)
		if row.Seconds != nil {
			runs := make([]string, len(row.Seconds))
			for i, s := range row.Seconds {
				runs[i] = fmt.Sprintf("%.3f", s)
			}
			fmt.Fprintf(t, "\t%.3f s\t%.1f times gridrun's\t(%s)", row.Median, row.Ratio, strings.Join(runs, " "))
		}
		if row.RankBytes > 0 {
			fmt.Fprintf(t, "\t%.2f MB a rank", float64(row.RankBytes)/1e6)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, m := range r.Missing {
		fmt.Fprintf(w, "  missing: %s\n", m)
	}
}

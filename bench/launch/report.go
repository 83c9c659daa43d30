package launch

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/bench"
)

// A Row is one contender's result.
type Row struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// First is the run before the others; it does not count.
	First   float64   `json:"first_start_seconds,omitempty"`
	Seconds []float64 `json:"seconds,omitempty"` // of each run that ended well, in order
	Median  float64   `json:"median_seconds,omitempty"`
	Min     float64   `json:"min_seconds,omitempty"`
	Max     float64   `json:"max_seconds,omitempty"`
	// CPU is what launcher, agents and ranks of this machine have computed, in seconds.
	CPU       []float64 `json:"cpu_seconds,omitempty"`
	MedianCPU float64   `json:"median_cpu_seconds,omitempty"`
	cpu       time.Duration
	// Ratio is the median over gridrun's.
	Ratio float64 `json:"ratio,omitempty"`
	// Lost says of each run that failed which and why.
	Lost []string `json:"lost,omitempty"`
	// Code is the launcher's exit code after the death of a rank, and Said what it
	// told the user.
	Code int    `json:"code,omitempty"`
	Said string `json:"said,omitempty"`
	// RankBytes is the proportional memory of a parked rank.
	RankBytes int64 `json:"rank_bytes,omitempty"`
}

// A Report is what the command prints.
type Report struct {
	Machine bench.Machine `json:"machine"`
	What    string        `json:"what"`
	Hosts   int           `json:"hosts,omitempty"` // 0: this machine
	Ranks   int           `json:"ranks"`
	Rounds  int           `json:"rounds,omitempty"`
	Rows    []Row         `json:"rows"`
	Missing []string      `json:"missing,omitempty"`
	// Busy is how many CPUs others used, shortly before each round.
	Busy   []float64 `json:"busy_cpus,omitempty"`
	Phases []Phase   `json:"phases,omitempty"` // gridrun's
}

// Describe fills in what the report is about.
func (r *Report) Describe(t Task, missing []string) {
	r.Machine, r.Hosts, r.Missing = bench.ThisMachine(), t.Hosts.Len(), missing
	if r.What == "" {
		r.What = t.what()
	}
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) {
	where := "this machine"
	if r.Hosts > 0 {
		where = fmt.Sprintf("%d hosts", r.Hosts)
	}
	fmt.Fprintf(w, "%d ranks on %s: %s\n", r.Ranks, where, r.What)
	fmt.Fprintf(w, "%s\n", r.Machine)
	if len(r.Busy) > 0 {
		fmt.Fprintf(w, "CPUs busy with other work before a round: median %.2f, at most %.2f\n", median(r.Busy), slices.Max(r.Busy))
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	if r.Rounds > 0 {
		fmt.Fprintln(t, "launcher\tmedian s\tmin\tmax\tCPU s\tof gridrun's\tfirst start\tlost\t")
		for _, row := range r.Rows {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d of %d\t\n", row.title(), figure("%.3f", row.Median), figure("%.3f", row.Min),
				figure("%.3f", row.Max), figure("%.3f", row.MedianCPU), figure("%.2f", row.Ratio), figure("%.3f", row.First), len(row.Lost), r.Rounds+1)
		}
	} else {
		fmt.Fprintln(t, "launcher\tMB a rank\tof gridrun's\t")
		for _, row := range r.Rows {
			fmt.Fprintf(t, "%s\t%.2f\t%s\t\n", row.title(), float64(row.RankBytes)/1e6, figure("%.2f", row.Ratio))
		}
	}
	t.Flush()
	for _, p := range r.Phases {
		fmt.Fprintf(w, "  gridrun: %s\n", p)
	}
	for _, row := range r.Rows {
		if row.Said != "" {
			fmt.Fprintf(w, "  %s exits with %d and says:\n    %s\n", row.Name, row.Code, strings.ReplaceAll(row.Said, "\n", "\n    "))
		}
	}
	for _, row := range r.Rows {
		for _, why := range row.Lost {
			fmt.Fprintf(w, "  lost: %s\n", strings.ReplaceAll(why, "\n", "\n    "))
		}
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "  missing: %s\n", m)
	}
}

func (r Row) title() string { return strings.TrimSpace(r.Name + " " + r.Version) }

// figure is a number, or a dash where nothing was measured.
func figure(format string, x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf(format, x)
}

package cost

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"gridrun/bench"
)

// A Task is what to measure.
type Task struct {
	Self   string // gridrun's executable
	Rounds int    // slices of each way
	Trace  bool   // --trace as well
	Limit  time.Duration
}

// A Cost is what one way costs more than another, in percent.
type Cost struct {
	Test   string  `json:"test"` // rate, latency
	What   string  `json:"what"`
	Than   string  `json:"than"`
	Nanos  float64 `json:"nanoseconds"` // a message, in the way compared with: the median
	Median float64 `json:"percent"`
	// The 95 % confidence interval of Median.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// A Report is what the command prints.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Rounds  int           `json:"rounds"`
	Costs   []Cost        `json:"costs"`
}

// Measure runs the jobs.
func Measure(ctx context.Context, t Task, progress func(string)) (*Report, error) {
	if t.Rounds < minRounds {
		return nil, fmt.Errorf("--rounds %d: an interval takes at least %d", t.Rounds, minRounds)
	}
	r := &Report{Machine: bench.ThisMachine(), Rounds: t.Rounds}
	for _, test := range []string{"rate", "latency"} {
		progress(test)
		rows, err := t.job(ctx, test, "--stats-file")
		if err != nil {
			return nil, err
		}
		r.Costs = append(r.Costs,
			compare(rows, 1, 0).named(test, "wait table", "nothing"),
			compare(rows, 2, 1).named(test, "--stats", "wait table"),
			compare(rows, 2, 0).named(test, "both", "nothing"))
		if !t.Trace {
			continue
		}
		progress(test + " with --trace")
		if rows, err = t.job(ctx, test, "--trace"); err != nil {
			return nil, err
		}
		r.Costs = append(r.Costs, compare(rows, 2, 1).named(test, "--trace", "wait table"))
	}
	return r, nil
}

// job runs a test and returns the times of each round's slices.
func (t Task) job(ctx context.Context, test, record string) ([][]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.Self, "run", "-np", "2", "--bind-to", "core", record, "/dev/null", JobName, test, strconv.Itoa(t.Rounds))
	cmd.Args[0] = "gridrun" // whatever its file is called
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", test, err, strings.TrimSpace(said.String()))
	}
	rows, err := readRows(bytes.NewReader(out))
	if err == nil && len(rows) != t.Rounds {
		err = fmt.Errorf("%s: %d rounds came of %d", test, len(rows), t.Rounds)
	}
	return rows, err
}

func readRows(r io.Reader) (rows [][]float64, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var row []float64
		for _, word := range strings.Fields(lines.Text()) {
			x, err := strconv.ParseFloat(word, 64)
			if err != nil || !(x > 0) || math.IsInf(x, 0) {
				return nil, fmt.Errorf("%q is no round", lines.Text())
			}
			row = append(row, x)
		}
		if len(row) != len(ways) {
			return nil, fmt.Errorf("%q is no round", lines.Text())
		}
		rows = append(rows, row)
	}
	return rows, errors.Join(lines.Err())
}

// minRounds is the least for which the interval's ends are among the values.
const minRounds = 6

// compare gives what column a costs more than column b: the median of the rounds'
// ratios, and the order statistics between which the true median lies with 95 %
// probability, by the normal approximation of the binomial distribution (Hollander
// and Wolfe, Nonparametric Statistical Methods).
func compare(rows [][]float64, a, b int) Cost {
	var ratios, base []float64
	for _, row := range rows {
		ratios = append(ratios, row[a]/row[b])
		base = append(base, row[b])
	}
	slices.Sort(ratios)
	slices.Sort(base)
	n := len(ratios)
	half := 1.96 * math.Sqrt(float64(n)) / 2
	low := max(int(math.Floor(float64(n)/2-half)), 0)
	high := min(int(math.Ceil(float64(n)/2+half)), n-1)
	percent := func(ratio float64) float64 { return 100 * (ratio - 1) }
	return Cost{Nanos: middle(base), Median: percent(middle(ratios)), Low: percent(ratios[low]), High: percent(ratios[high])}
}

func (c Cost) named(test, what, than string) Cost {
	c.Test, c.What, c.Than = test, what, than
	return c
}

// middle is the median of sorted values.
func middle(x []float64) float64 { return (x[(len(x)-1)/2] + x[len(x)/2]) / 2 }

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "2 ranks, shared memory, 8 bytes, %d slices of %v each\n%s\n\n", r.Rounds, sliceTime, r.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "test\tobserved\tbeside\tns a message\tcost\t95 % of medians")
	for _, c := range r.Costs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\t%+.2f %%\t%+.2f to %+.2f %%\n", c.Test, c.What, c.Than, c.Nanos, c.Median, c.Low, c.High)
	}
	t.Flush()
}

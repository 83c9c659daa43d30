package message

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Row is the result of one test and size in one run, in nanoseconds an
// operation; of a window's messages each is an operation.
type Row struct {
	Test    string  `json:"test"`
	Bytes   int     `json:"bytes"`
	Samples int     `json:"samples"`
	Min     float64 `json:"min_ns"`
	Median  float64 `json:"median_ns"`
	P90     float64 `json:"p90_ns"`
	P99     float64 `json:"p99_ns"`
}

const rowFormat = "row %s %d %d %f %f %f %f\n"

// rowOf summarizes samples, which it sorts.
func rowOf(test string, bytes int, samples []float64) Row {
	slices.Sort(samples)
	last := len(samples) - 1
	return Row{test, bytes, len(samples), samples[0], samples[last/2], samples[last*9/10], samples[last*99/100]}
}

func (r Row) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, rowFormat, r.Test, r.Bytes, r.Samples, r.Min, r.Median, r.P90, r.P99)
	return err
}

// readRows takes the rows out of what a program has said.
func readRows(r io.Reader) (rows []Row, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "row ") {
			continue
		}
		var row Row
		if _, err := fmt.Sscanf(lines.Text()+"\n", rowFormat, &row.Test, &row.Bytes, &row.Samples, &row.Min, &row.Median, &row.P90, &row.P99); err != nil {
			return nil, fmt.Errorf("%q is no row: %w", lines.Text(), err)
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

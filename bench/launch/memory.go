package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Park says which process this is and stays until ctx ends: the rank's half of Memory.
func Park(ctx context.Context, stdout io.Writer) error {
	if _, err := fmt.Fprintln(stdout, os.Getpid()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// Memory measures the proportional memory of a rank that has said hello, for
// every contender. Launchers and agents do not count.
func Memory(ctx context.Context, contenders []Contender, ranks int) (Report, error) {
	report := Report{Ranks: ranks}
	for _, c := range contenders {
		total, err := parked(ctx, c, ranks)
		if err != nil {
			return report, fmt.Errorf("%s with %d ranks: %w", c.Name, ranks, err)
		}
		report.Rows = append(report.Rows, Row{Name: c.Name, Version: c.Version, RankBytes: total / int64(ranks)})
	}
	for i := range report.Rows {
		report.Rows[i].Ratio = float64(report.Rows[i].RankBytes) / float64(report.Rows[0].RankBytes)
	}
	return report, nil
}

// parked starts ranks that stay, sums their memory and ends them.
func parked(ctx context.Context, c Contender, ranks int) (total int64, err error) {
	p, err := startParked(ctx, c, ranks)
	if err != nil {
		return 0, err
	}
	for _, pid := range p.pids {
		pss, e := proportional(pid)
		total, err = total+pss, errors.Join(err, e)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait() // ended by the signal: the code says so
	return total, err
}

// proportional is the PSS of a process, in bytes.
func proportional(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parsePSS(path, text)
}

// parsePSS finds the line `Pss: 123 kB`.
func parsePSS(path string, text []byte) (int64, error) {
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "Pss:" {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no Pss", path)
}

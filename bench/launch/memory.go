package launch

import (
	"bufio"
	"bytes"
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
	cmd := c.command(ctx, c.park, ranks)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(out)
	var pids []int
	for len(pids) < ranks && lines.Scan() {
		pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			err = fmt.Errorf("a rank says %q, not its process id", lines.Text())
			return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		pids = append(pids, pid)
	}
	if len(pids) < ranks {
		return 0, fmt.Errorf("only %d ranks said hello: %w\n%s", len(pids), cmd.Wait(), &said)
	}
	for _, pid := range pids {
		pss, e := proportional(pid)
		total, err = total+pss, errors.Join(err, e)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait() // ended by the signal: the code says so
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

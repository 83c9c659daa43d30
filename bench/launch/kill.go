package launch

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// gonePoll is how often ranks are looked at that have outlived their launcher.
const gonePoll = time.Millisecond

// Kills measures, for every contender in turn, how long it takes from the death
// of one rank by SIGKILL until the launcher has exited and no rank is left. The
// ranks have been through a barrier and do nothing. What the launcher said of it
// and its exit code are kept, of the last round.
func Kills(ctx context.Context, contenders []Contender, ranks, rounds int, limit time.Duration, progress func(string)) (Report, error) {
	report, err := inTurn(ctx, contenders, ranks, rounds, progress, func(c Contender, row *Row) (time.Duration, error) {
		return c.kill(ctx, ranks, limit, row)
	})
	report.What = "one rank is killed (SIGKILL): until launcher and ranks are gone"
	if slices.ContainsFunc(contenders, func(c Contender) bool { return slices.Contains(c.park, StubbornArg) }) {
		report.What += "; the others ignore SIGTERM, and the grace period is 2 s"
	}
	return report, err
}

// kill starts ranks that stay, kills the one in the middle and waits for the end.
func (c Contender) kill(ctx context.Context, ranks int, limit time.Duration, row *Row) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not finished after %v", limit))
	defer cancel()
	p, err := startParked(ctx, c, ranks)
	if err != nil {
		return 0, fmt.Errorf("%s with %d ranks: %w", c.Name, ranks, err)
	}
	victim := p.pids[ranks/2]
	began := time.Now()
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		return 0, fmt.Errorf("killing process %d: %w", victim, err)
	}
	p.cmd.Wait() // the code is what it makes of the death
	row.Code, row.Said = p.cmd.ProcessState.ExitCode(), shorten(p.said.String())
	for _, pid := range p.pids {
		for runs(pid) {
			if ctx.Err() != nil {
				for _, left := range p.pids {
					if runs(left) {
						syscall.Kill(left, syscall.SIGKILL)
					}
				}
				return 0, fmt.Errorf("%s: process %d of the job is still there", c.Name, pid)
			}
			time.Sleep(gonePoll)
		}
	}
	took := time.Since(began)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s with %d ranks: %w", c.Name, ranks, context.Cause(ctx))
	}
	return took, nil
}

// runs says whether a process is there, and not only its exit code.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	after := stat[bytes.LastIndexByte(stat, ')')+1:] // " S 1 ..."
	return len(after) > 1 && after[1] != 'Z' && after[1] != 'X'
}

// shorten leaves the first lines of what a launcher said.
func shorten(said string) string {
	const lines, bytes = 6, 600
	said = strings.TrimSpace(said)
	if all := strings.Split(said, "\n"); len(all) > lines {
		said = strings.Join(all[:lines], "\n") + "\n..."
	}
	if len(said) > bytes {
		said = said[:bytes] + "..."
	}
	return said
}

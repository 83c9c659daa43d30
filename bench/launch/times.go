package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridrun/bench"
)

// quietTime is how long the machine is watched before a round.
const quietTime = 300 * time.Millisecond

// Times runs every contender once, and then rounds times in turn; a run that
// takes longer than limit is ended. progress hears of each run.
func Times(ctx context.Context, contenders []Contender, ranks, rounds int, limit time.Duration, progress func(string)) (Report, error) {
	return inTurn(ctx, contenders, ranks, rounds, progress, func(c Contender, row *Row) (time.Duration, error) {
		took, cpu, err := c.time(ctx, ranks, limit)
		row.cpu = cpu
		return took, err
	})
}

// inTurn measures every contender once, and then rounds times in turn.
func inTurn(ctx context.Context, contenders []Contender, ranks, rounds int, progress func(string), measure func(Contender, *Row) (time.Duration, error)) (Report, error) {
	report := Report{Ranks: ranks, Rounds: rounds}
	for _, c := range contenders {
		report.Rows = append(report.Rows, Row{Name: c.Name, Version: c.Version})
	}
	for round := range rounds + 1 { // round 0 warms up
		if round > 0 {
			report.Busy = append(report.Busy, bench.BusyCPUs(quietTime))
		}
		for i, c := range contenders {
			what := "first start"
			if round > 0 {
				what = fmt.Sprintf("round %d of %d", round, rounds)
			}
			progress(what + ": " + c.Name)
			row := &report.Rows[i]
			took, err := measure(c, row)
			switch {
			case ctx.Err() != nil:
				return report, ctx.Err()
			case err != nil && i == 0:
				return report, err
			case err != nil:
				row.Lost = append(row.Lost, what+": "+err.Error())
			case round == 0:
				row.First = took.Seconds()
			default:
				row.Seconds = append(row.Seconds, took.Seconds())
				row.CPU = append(row.CPU, row.cpu.Seconds())
			}
		}
	}
	for i := range report.Rows {
		report.Rows[i].summarize(report.Rows[0].Seconds)
	}
	return report, nil
}

// time is a run from start to exit; cpu is what the launcher and all that it has
// waited for have computed.
func (c Contender) time(ctx context.Context, ranks int, limit time.Duration) (took, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not finished after %v", limit))
	defer cancel()
	if c.settle != nil {
		if err := c.settle(ctx); err != nil {
			return 0, 0, err
		}
	}
	cmd := c.command(ctx, c.run, ranks)
	began := time.Now()
	said, err := cmd.CombinedOutput()
	took = time.Since(began)
	if s := cmd.ProcessState; s != nil {
		cpu = s.UserTime() + s.SystemTime()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		text := strings.TrimSpace(string(said))
		const most = 2000
		if len(text) > most {
			text = text[:most] + "..."
		}
		return took, cpu, errors.New(strings.TrimSpace(fmt.Sprintf("%s with %d ranks: %v\n%s", c.Name, ranks, err, text)))
	}
	return took, cpu, nil
}

// summarize fills in what follows from a row's seconds and gridrun's.
func (r *Row) summarize(own []float64) {
	if len(r.Seconds) == 0 {
		return
	}
	r.Median, r.Min, r.Max = median(r.Seconds), slices.Min(r.Seconds), slices.Max(r.Seconds)
	r.Ratio, r.MedianCPU = r.Median/median(own), median(r.CPU)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

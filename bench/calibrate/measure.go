package calibrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridrun/bench/message"
	"gridrun/internal/cost"
)

// A Task is what to measure with.
type Task struct {
	Self, Version string // gridrun
	Cores         int
	Hosts         []string // flags that name two hosts or more; none: TCP within this machine
	Slots         int      // that each of these hosts has at least
	Rounds        int
	Budget        time.Duration // for a test and size in each round
	Limit         time.Duration // for a run
}

// Most is how many ranks stand for many more than there are cores.
func (t Task) Most() int { return min(max(8*t.Cores, 16), 64) }

// A run is one start of the job, and where its rows go.
type run struct {
	what  string
	ranks int
	over  message.Over
	flags []string
	tests []string
	sizes []int
	store func(c *cost.Costs, curve func(test string) cost.Curve)
}

var (
	lengths   = []int{8, 1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20}
	crowdedBy = []int{8, 1 << 10, 8 << 10, 64 << 10}
	buffers   = []int{1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, 32 << 20}
)

func (t Task) runs() (all []run) {
	all = append(all, run{what: "memory", ranks: t.Cores, tests: []string{"copy", "fold"}, sizes: buffers, over: message.SharedMemory,
		store: func(c *cost.Costs, curve func(string) cost.Curve) { c.Copy, c.Fold = curve("copy"), curve("fold") }})
	for _, l := range []struct {
		name string
		over message.Over
		of   func(c *cost.Costs) *cost.Layer
	}{
		{"mem", message.Goroutines, func(c *cost.Costs) *cost.Layer { return &c.Mem }},
		{"shm", message.SharedMemory, func(c *cost.Costs) *cost.Layer { return &c.Shm }},
		{"tcp", message.TCP, func(c *cost.Costs) *cost.Layer { return &c.TCP }},
	} {
		two := run{what: l.name + ", 2 ranks", ranks: 2, over: l.over, tests: []string{"latency", "bandwidth", "exchange"}, sizes: lengths}
		many := run{what: l.name, ranks: t.Most(), over: l.over, tests: []string{"exchange"}, sizes: crowdedBy}
		share := t.Most()
		if l.over == message.TCP && t.Hosts != nil {
			share = min(t.Slots, t.Most()/2)
			many.ranks = 2 * share
			two.over, many.over = message.SharedMemory, message.SharedMemory // what hosts have between them is TCP
			two.flags = append(slices.Clip(t.Hosts), "--map-by", "ppr:1")
			many.flags = append(slices.Clip(t.Hosts), "--map-by", fmt.Sprintf("ppr:%d", share))
		}
		if l.over == message.SharedMemory {
			two.tests, many.tests = append(two.tests, "barrier", "barrier/dissemination"), append(many.tests, "barrier")
		}
		many.what = fmt.Sprintf("%s, %d ranks", l.name, many.ranks)
		two.store = func(c *cost.Costs, curve func(string) cost.Curve) {
			layer := l.of(c)
			layer.Latency, layer.Stream, layer.Exchange = curve("latency"), curve("bandwidth"), curve("exchange")
			if l.over == message.SharedMemory {
				c.Meet = curve("barrier").At(0)
				c.Call = max(curve("barrier/dissemination").At(0)-layer.Exchange.At(0), 0)
			}
		}
		many.store = func(c *cost.Costs, curve func(string) cost.Curve) {
			l.of(c).Crowd = divided(curve("exchange"), share)
			if l.over == message.SharedMemory {
				c.Visit = curve("barrier").At(0) / cost.Time(share)
			}
		}
		all = append(all, two, many)
	}
	return all
}

// Measure takes some seconds.
func Measure(ctx context.Context, t Task, progress func(string)) (cost.Costs, error) {
	c := cost.Costs{Cores: t.Cores}
	rows := map[string][]message.Row{}
	runs := t.runs()
	for round := range t.Rounds {
		for _, r := range runs {
			progress(fmt.Sprintf("round %d of %d: %s", round+1, t.Rounds, r.what))
			got, err := t.start(ctx, r)
			if err != nil {
				return c, fmt.Errorf("measuring %s: %w", r.what, err)
			}
			rows[r.what] = append(rows[r.what], got...)
		}
	}
	for _, r := range runs {
		for _, test := range r.tests {
			if len(curveOf(rows[r.what], test)) == 0 {
				return c, fmt.Errorf("measuring %s: nothing came of %s", r.what, test)
			}
		}
		r.store(&c, func(test string) cost.Curve { return curveOf(rows[r.what], test) })
	}
	return c, nil
}

func (t Task) start(ctx context.Context, r run) ([]message.Row, error) {
	own := message.Own(t.Self, t.Version, r.over, r.ranks)
	if r.flags != nil {
		own = own.With(own.Name, r.flags...)
	}
	return own.Rows(ctx, message.Task{Ranks: r.ranks, Over: r.over, Tests: r.tests, Sizes: r.sizes, Budget: t.Budget, Limit: t.Limit})
}

// curveOf is a test's time over its sizes: the median of the samples in the best
// round, for what disturbs only adds. Nothing takes longer than more bytes do.
func curveOf(rows []message.Row, test string) (c cost.Curve) {
	best := map[int]cost.Time{}
	for _, r := range rows {
		if t, ok := best[r.Bytes]; r.Test == test && (!ok || fromNanoseconds(r.Median) < t) {
			best[r.Bytes] = fromNanoseconds(r.Median)
		}
	}
	for bytes, t := range best {
		c = append(c, cost.Point{Bytes: bytes, Time: t})
	}
	slices.SortFunc(c, func(a, b cost.Point) int { return a.Bytes - b.Bytes })
	for i := len(c) - 2; i >= 0; i-- {
		c[i].Time = min(c[i].Time, c[i+1].Time)
	}
	return c
}

func fromNanoseconds(ns float64) cost.Time { return max(cost.Time(ns*float64(cost.Nanosecond)), 1) }

// divided is each time's share of k.
func divided(c cost.Curve, k int) cost.Curve {
	for i := range c {
		c[i].Time = max(c[i].Time/cost.Time(k), 1)
	}
	return c
}

// Print shows what was measured.
func Print(c cost.Costs) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a meeting of two ranks in shared memory %v, a rank's share of one of many %v, a call %v besides its messages\n\n", c.Meet, c.Visit, c.Call)
	table := newTable(&b, "one way, us", append([]int{8}, lengths[1:]...))
	for _, l := range c.Layers() {
		table.row(l.Name+" latency", l.Latency)
		table.row(l.Name+" in a stream", l.Stream)
		table.row(l.Name+" exchange", l.Exchange)
		table.row(l.Name+" a message of many ranks", l.Crowd)
	}
	table.end()
	table = newTable(&b, "on every core, us", buffers)
	table.row("copy", c.Copy)
	table.row("fold float64", c.Fold)
	table.end()
	return b.String()
}

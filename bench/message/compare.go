package message

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridrun/bench"
)

// A Task is what is measured.
type Task struct {
	Ranks  int
	Over   Over
	Tests  []string // names
	Sizes  []int    // bytes of a message, a vector or a part
	Rounds int
	Budget time.Duration // for each test and size in each run
	Limit  time.Duration // for each run
}

// PairTests and CollectiveTests are the names of all tests.
func PairTests() []string       { return names(func(t test) bool { return t.isPair() }) }
func CollectiveTests() []string { return names(func(t test) bool { return !t.isPair() }) }

func (t test) isPair() bool { return t.messages > 1 || t.held }

func names(which func(test) bool) (all []string) {
	for _, t := range tests {
		if which(t) && !t.ours {
			all = append(all, t.name)
		}
	}
	return all
}

// mostThreads bounds the goroutines on which a peer computes.
const mostThreads = 64

// find is the test of that name, which may have a type and an operation after a
// dash, and after a slash an algorithm or the number of goroutines that compute.
func find(name string) (t test, ok bool) {
	name, variant, named := strings.Cut(name, "/")
	name, typeAndOp, typed := strings.Cut(name, "-")
	i := slices.IndexFunc(tests, func(t test) bool { return t.name == name })
	if i < 0 {
		return t, false
	}
	switch t, ok = tests[i], true; {
	case !named:
	case t.held:
		n, err := strconv.Atoi(variant)
		if err != nil || n < 1 || n > mostThreads {
			return t, false
		}
		t.threads = n
	case variant == "" || t.isPair() || t.ours || t.grid || t.plain:
		return t, false
	default:
		t.algorithm = variant
	}
	if typed {
		t, ok = t.as(typeAndOp)
	}
	return t, ok
}

func (t test) fullName() string {
	switch {
	case t.threads > 0:
		return t.name + "/" + strconv.Itoa(t.threads)
	case t.algorithm != "":
		return t.name + "/" + t.algorithm
	}
	return t.name
}

// Ours tells whether one of the tests is gridrun's alone.
func (t Task) Ours() bool {
	return slices.ContainsFunc(t.Tests, func(name string) bool {
		t, _ := find(name)
		return t.ours || t.algorithm != ""
	})
}

// Check refuses what cannot be measured.
func (t Task) Check() error {
	for _, name := range t.Tests {
		test, ok := find(name)
		switch {
		case !ok:
			return fmt.Errorf("--tests %s: no such test; there are %s, and a collective may have an algorithm, such as allreduce/ring, a reduction a type of 8 to 64 bits and sum, prod, min or max, such as allreduce-int32-max, and busyreceiver and busysender a number of goroutines that compute, such as busysender/4",
				name, strings.Join(append(PairTests(), CollectiveTests()...), ", "))
		case test.isPair() && t.Ranks < 2:
			return fmt.Errorf("-np %d: %s needs at least 2 ranks", t.Ranks, name)
		}
	}
	for _, s := range t.Sizes {
		if s < 0 || s > 1<<30 || s%8 != 0 {
			return fmt.Errorf("--sizes %d: sizes are multiples of 8, at most 1G", s)
		}
	}
	if len(t.Tests) == 0 || len(t.Sizes) == 0 || t.Budget <= 0 || t.Limit <= 0 {
		return fmt.Errorf("a measurement needs tests, sizes, and a --budget and a --limit of more than 0")
	}
	return nil
}

// words are the arguments of every contender's program.
func (t Task) words() []string {
	words := []string{strconv.FormatFloat(float64(t.Budget)/1e6, 'f', -1, 64)}
	for _, name := range t.Tests {
		sizes := t.Sizes
		if test, _ := find(name); !test.sized {
			sizes = []int{0}
		}
		var list []string
		for _, s := range sizes {
			list = append(list, strconv.Itoa(s))
		}
		words = append(words, name+":"+strings.Join(list, ","))
	}
	return words
}

// Rows has the contender run the task once.
func (c Contender) Rows(ctx context.Context, t Task) ([]Row, error) {
	return c.run(ctx, t.Ranks, t.words(), t.Limit)
}

// Compare runs the contenders in turn, Rounds times; progress hears of each run.
// A run of a peer that fails is lost, gridrun's own must not fail.
func Compare(ctx context.Context, t Task, contenders []Contender, progress func(string)) (Report, error) {
	report := Report{Ranks: t.Ranks, Over: t.Over, Rounds: t.Rounds, Machine: bench.ThisMachine()}
	rows := make([][]Row, len(contenders))
	for round := range t.Rounds {
		report.Busy = append(report.Busy, bench.BusyCPUs(200*time.Millisecond))
		for i, c := range contenders {
			progress(fmt.Sprintf("round %d of %d: %s", round+1, t.Rounds, c.Name))
			got, err := c.run(ctx, t.Ranks, t.words(), t.Limit)
			switch {
			case ctx.Err() != nil:
				return report, ctx.Err()
			case err != nil && i == 0:
				return report, err
			case err != nil:
				report.Lost = append(report.Lost, fmt.Sprintf("round %d: %v", round+1, err))
			}
			rows[i] = append(rows[i], got...)
		}
	}
	report.fill(contenders, rows)
	return report, nil
}

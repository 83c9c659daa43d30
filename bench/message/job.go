package message

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridrun/collectives"
	"gridrun/rt"
	"gridrun/rt/cart"
)

// JobName is the built-in job that gridrun runs as its own contender.
const JobName = "__message"

const (
	window       = 64 // messages in flight
	mostSamples  = 2000
	leastSamples = 5
	sampleTime   = 50 * time.Microsecond
	warmCalls    = 3
	mostWarm     = 100
	shortest     = 10 * time.Nanosecond // that a call is taken for
)

// A test is one kind of operation.
type test struct {
	name     string
	unit     unit
	messages int  // that one call stands for
	parts    bool // buffers hold a part for every rank
	sized    bool // has a size
	ours     bool // not part of what is compared with the peers
	held     bool // calls add up what they time themselves, in took
	grid     bool // a cube of bytes on a grid of the ranks
	plain    bool // is of messages, and so has no algorithms
	call     func(ctx context.Context, m *rank) error

	algorithm string // "": the best
	room      int    // of the channels that it goes over, see channel.go
	threads   int    // of a test that is held: goroutines that compute, 0 is 1
}

// A rank is what a test's call works on.
type rank struct {
	w       *rt.World
	out, in []byte
	// The same memory as numbers, for reductions.
	outF, inF []float64
	bytes     int // a message, or a part
	root      int // of the next rooted collective
	opts      []collectives.Option
	ack       []byte
	reqs      []*rt.Request
	turn      int           // of a test that is held
	threads   int           // likewise
	took      time.Duration // likewise

	room        int // of channels, where a test goes over these
	there, back chan []byte

	// Of a test on a grid: the rank's cube with a layer of halo around it.
	grid  *cart.Grid
	cube  []float64
	shape []int
}

// Job is a rank of gridrun's own run: [channels=ROOM] BUDGET_MS TEST:SIZE,SIZE ... as for
// bench/peers/message.c. TEST/NAME is a collective with the algorithm of that name, or
// a test of a peer that computes on that many goroutines, TEST-TYPE-OP a reduction of
// that type with that operation.
func Job(ctx context.Context, w *rt.World) error {
	args := w.Args()
	if len(args) == 0 {
		return fmt.Errorf("%s: no time to spend", JobName)
	}
	room := channelRoom(args[0])
	if room >= 0 && len(args) > 1 {
		args = args[1:]
	}
	ms, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		return err
	}
	for _, word := range args[1:] {
		name, list, _ := strings.Cut(word, ":")
		t, ok := find(name)
		if !ok {
			return fmt.Errorf("no test %q", name)
		}
		if room >= 0 {
			if t, ok = t.over(room); !ok {
				continue
			}
		}
		for _, s := range strings.Split(list, ",") {
			bytes, err := strconv.Atoi(s)
			if err != nil {
				return err
			}
			if err := t.measure(ctx, w, bytes, time.Duration(ms*1e6)); err != nil {
				return fmt.Errorf("%s of %d bytes: %w", name, bytes, err)
			}
		}
	}
	return nil
}

// measure runs the test with one size, for about budget, and prints its row.
func (t test) measure(ctx context.Context, w *rt.World, bytes int, budget time.Duration) error {
	m, err := t.prepare(ctx, w, bytes)
	if err != nil {
		return err
	}
	defer m.close()
	if t.algorithm != "" {
		m.opts = []collectives.Option{collectives.Algorithm(t.algorithm)}
	}
	m.threads = max(t.threads, 1)
	if _, err := t.run(ctx, m, 2); err != nil { // warms up
		return err
	}
	took, err := t.run(ctx, m, warmCalls)
	if err != nil {
		return err
	}
	one, err := t.warm(ctx, m, took/warmCalls, budget)
	if err != nil {
		return err
	}
	calls := min(max(int(sampleTime/one), 1), 200)
	if t.held {
		one, calls = computing, 1
	}
	samples := min(max(int(budget/(one*time.Duration(calls))), leastSamples), mostSamples)
	plan := []int{samples, calls} // rank 0's counts
	if err := collectives.Bcast(ctx, w, 0, plan); err != nil {
		return err
	}
	samples, calls = plan[0], plan[1]
	times := make([]float64, samples)
	for i := range times {
		took, err := t.run(ctx, m, calls)
		if err != nil {
			return err
		}
		times[i] = float64(took) / float64(calls) / float64(t.messages)
	}
	if err := collectives.Reduce(ctx, w, 0, times, collectives.Max[float64]); err != nil {
		return err
	}
	if w.Rank() != 0 {
		return nil
	}
	return rowOf(t.fullName(), bytes, times).write(w.Stdout())
}

// warm goes on warming up for a tenth of the budget, where a call is short, and returns
// the least that a call took: the first ones are held up by whatever else goes on at the
// start of a job. Of each run that is the time of the slowest rank; a root may be done
// long before its call has reached the others.
func (t test) warm(ctx context.Context, m *rank, one, budget time.Duration) (time.Duration, error) {
	one = max(one, shortest)
	plan := []int{0} // rank 0's count
	if !t.held {
		plan[0] = min(int(budget/10/(warmCalls*one)), mostWarm)
	}
	if err := collectives.Bcast(ctx, m.w, 0, plan); err != nil {
		return 0, err
	}
	took := []time.Duration{one}
	for range plan[0] {
		all, err := t.run(ctx, m, warmCalls)
		if err != nil {
			return 0, err
		}
		took = append(took, max(all/warmCalls, shortest))
	}
	if err := collectives.AllReduce(ctx, m.w, took, collectives.Max[time.Duration]); err != nil {
		return 0, err
	}
	return slices.Min(took), nil
}

// prepare makes what a test's calls need; collective if that is a grid.
func (t test) prepare(ctx context.Context, w *rt.World, bytes int) (*rank, error) {
	most := bytes
	if t.parts {
		most *= w.Size()
	}
	m := &rank{
		w: w, bytes: bytes, room: t.room,
		out: make([]byte, most), in: make([]byte, most),
		outF: make([]float64, most/8), inF: make([]float64, most/8),
		ack: make([]byte, 1), reqs: make([]*rt.Request, 0, 2*window),
	}
	m.touch()
	if t.grid {
		return m, m.place(ctx)
	}
	return m, nil
}

// touch writes to all buffers: pages that nobody has written to are all the same one,
// which would stay in the nearest cache however long the message is.
func (m *rank) touch() {
	for _, x := range [][]byte{m.out, m.in} {
		for i := range x {
			x[i] = 1
		}
	}
	clear(m.outF) // zeros, whose sums do not grow
	clear(m.inF)
}

func (m *rank) close() {
	if m.grid != nil {
		m.grid.Close()
	}
}

// place puts the ranks on a grid of three dimensions, which ends at its sides.
// Each has a cube of m.bytes, as near as a whole number of float64s an edge gets.
func (m *rank) place(ctx context.Context) (err error) {
	m.grid, err = cart.New(ctx, m.w, cart.Dims(m.w.Size(), 3), nil)
	edge := max(int(math.Round(math.Cbrt(float64(m.bytes)/8))), 1) + 2
	m.shape = []int{edge, edge, edge}
	m.cube = make([]float64, edge*edge*edge)
	for i := range m.cube { // as touch does
		m.cube[i] = 1
	}
	return err
}

// run makes calls in a row after a barrier and returns the time they took.
func (t test) run(ctx context.Context, m *rank, calls int) (time.Duration, error) {
	if err := collectives.Barrier(ctx, m.w); err != nil {
		return 0, err
	}
	m.took = 0
	began := time.Now()
	for range calls {
		if err := t.call(ctx, m); err != nil {
			return 0, err
		}
		m.root = (m.root + 1) % m.w.Size()
	}
	if t.held {
		return m.took, nil
	}
	return time.Since(began), nil
}

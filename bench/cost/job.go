package cost

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"gridrun/collectives"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// JobName is the built-in job that is measured.
const JobName = "__cost"

const (
	window    = 64 // messages in flight
	sliceTime = time.Millisecond
	tag       = rt.Tag(1)
	tagAck    = rt.Tag(2)
)

// A way is what is observed.
type way struct{ waits, records bool }

// ways are measured in one job. Each is compared with the one before it.
var ways = []way{{}, {waits: true}, {waits: true, records: true}}

// A test is what the ranks do, and how many messages one call stands for.
type test struct {
	messages int
	call     func(m *member, ctx context.Context) error
}

var tests = map[string]test{
	"rate":    {window, (*member).windows},
	"latency": {2, (*member).echo},
}

// A member is one of the two ranks.
type member struct {
	w          *rt.World
	x, in, ack []byte
	reqs       []*rt.Request
}

// Job is a rank: TEST ROUNDS. Rank 0 prints a line a round, the nanoseconds a
// message took in each way.
func Job(ctx context.Context, w *rt.World) error {
	if len(w.Args()) != 2 || w.Size() != 2 {
		return fmt.Errorf("%s: 2 ranks, a test and a number of rounds are needed", JobName)
	}
	t, ok := tests[w.Args()[0]]
	rounds, err := strconv.Atoi(w.Args()[1])
	if !ok || err != nil {
		return fmt.Errorf("%s: %v", JobName, w.Args())
	}
	m := &member{w: w, x: make([]byte, 8), in: make([]byte, 8), ack: make([]byte, 1)}
	if _, err := m.slice(ctx, t); err != nil { // warms up
		return err
	}
	g := engine.From(w)
	order := rand.New(rand.NewPCG(1, 2)) // the same on both ranks
	for range rounds {
		took := make([]float64, len(ways))
		for _, i := range order.Perm(len(ways)) {
			g.Observe(ways[i].waits, ways[i].records)
			if took[i], err = m.slice(ctx, t); err != nil {
				return err
			}
		}
		if w.Rank() == 0 {
			fmt.Fprintln(w.Stdout(), took[0], took[1], took[2])
		}
	}
	g.Observe(true, true)
	return nil
}

// slice returns the nanoseconds that a message takes. Rank 0 looks at the clock now
// and then and marks the messages of the last call.
func (m *member) slice(ctx context.Context, t test) (float64, error) {
	if err := collectives.Barrier(ctx, m.w); err != nil {
		return 0, err
	}
	began := time.Now()
	var took time.Duration
	for i := 1; ; i++ {
		if i%16 == 0 {
			took = time.Since(began)
		}
		m.x[0] = 0
		if took >= sliceTime {
			m.x[0] = 1
		}
		if err := t.call(m, ctx); err != nil {
			return 0, err
		}
		if m.w.Rank() == 0 && m.x[0] == 1 || m.w.Rank() == 1 && m.in[0] == 1 {
			return float64(time.Since(began)) / float64(i*t.messages), nil
		}
	}
}

// echo is a message there and one back.
func (m *member) echo(ctx context.Context) error {
	if m.w.Rank() == 0 {
		if err := rt.Send(ctx, m.w, 1, tag, m.x); err != nil {
			return err
		}
		_, err := rt.Recv(ctx, m.w, 1, tag, m.in)
		return err
	}
	if _, err := rt.Recv(ctx, m.w, 0, tag, m.in); err != nil {
		return err
	}
	return rt.Send(ctx, m.w, 0, tag, m.x)
}

// windows is a window of messages from rank 0, then an acknowledgement.
func (m *member) windows(ctx context.Context) error {
	start, peer, x := rt.ISend[byte], 1, m.x
	if m.w.Rank() == 1 {
		start, peer, x = rt.IRecv[byte], 0, m.in
	}
	m.reqs = m.reqs[:0]
	for range window {
		r, err := start(ctx, m.w, peer, tag, x)
		if err != nil {
			return err
		}
		m.reqs = append(m.reqs, r)
	}
	if err := rt.WaitAll(ctx, m.reqs...); err != nil {
		return err
	}
	if m.w.Rank() == 1 {
		return rt.Send(ctx, m.w, 0, tagAck, m.ack)
	}
	_, err := rt.Recv(ctx, m.w, 1, tagAck, m.ack)
	return err
}

package rt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"gridrun/rt"
)

// A program is random work of all ranks, on several groups that overlap, each of
// which has a goroutine in every member: messages of every kind, probes, receives
// from any source, collectives, also started ones, transfers and collectives that
// are cancelled, groups that come, are revoked and go. Within a group the work is a
// sequence of steps, each of which has one outcome, found by a loop over the ranks
// (program_steps_test.go); between groups everything interleaves. In every other
// program ranks die at random moments: the survivors of each group agree on what has
// worked, shrink it, and do the rest.
//
//	GRIDRUN_PROGRAMS=500 go test -run TestPrograms -timeout 1h ./rt    many of them
//	GRIDRUN_PROGRAM=SEED go test -run TestPrograms ./rt                one again
type program struct {
	seed   uint64
	layout rt.Layout
	n      int
	steps  int // of every group
	deaths map[int]time.Duration
}

func newProgram(seed uint64) *program {
	rng := rand.New(rand.NewPCG(seed, 1))
	sizes := []int{1, 2, 3, 5, 8}
	p := &program{seed: seed, layout: rt.Layouts[rng.IntN(len(rt.Layouts))], n: sizes[rng.IntN(len(sizes))], steps: 3 + rng.IntN(6), deaths: map[int]time.Duration{}}
	if seed%2 == 1 && p.n > 1 {
		for range 1 + rng.IntN(p.n-1) {
			p.deaths[rng.IntN(p.n)] = time.Duration(rng.IntN(60_000)) * time.Microsecond
		}
		if len(p.deaths) == p.n {
			delete(p.deaths, rng.IntN(p.n))
		}
	}
	return p
}

func (p *program) String() string {
	return fmt.Sprintf("%s/ranks=%d/deaths=%d/seed=%d", p.layout.Name, p.n, len(p.deaths), p.seed)
}

func TestPrograms(t *testing.T) {
	number := func(name string) (n uint64, ok bool) {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		return n, err == nil
	}
	var seeds []uint64
	if one, ok := number("GRIDRUN_PROGRAM"); ok {
		seeds = append(seeds, one)
	} else if many, ok := number("GRIDRUN_PROGRAMS"); ok {
		for range many {
			seeds = append(seeds, rand.Uint64()>>32)
		}
	} else {
		for seed := range uint64(10) {
			seeds = append(seeds, seed)
		}
	}
	for _, seed := range seeds {
		p := newProgram(seed)
		t.Run(p.String(), func(t *testing.T) {
			if err := leakFree(t, func() error { return p.run(t) }); err != nil {
				t.Fatalf("GRIDRUN_PROGRAM=%d: %v", seed, err)
			}
		})
	}
}

// patience is how long a program may take, and what else would hang: a busy machine
// takes a hundredth of it.
const patience = 3 * time.Minute

func (p *program) run(t *testing.T) error {
	hung := time.AfterFunc(patience, func() {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Logf("GRIDRUN_PROGRAM=%d hangs\n%s", p.seed, bytes.ReplaceAll(stacks, []byte("\n\n"), []byte("\n")))
	})
	defer hung.Stop()
	over := rt.RunOver
	if len(p.deaths) > 0 {
		over = rt.SurviveOver
	}
	return over(t, p.layout, p.n, func(ctx context.Context, w *rt.World) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		timer := time.AfterFunc(patience+10*time.Second, func() { cancel(errors.New("the program hangs")) })
		defer timer.Stop()
		if after, dies := p.deaths[w.Rank()]; dies {
			end := time.AfterFunc(after, func() { cancel(rt.ErrDeath) })
			defer end.Stop()
		}
		err := p.body(ctx, w)
		if cause := context.Cause(ctx); errors.Is(cause, rt.ErrDeath) {
			return rt.ErrDeath
		}
		return err
	})
}

// body is a rank's part. The groups are made while everybody lives, as far as that
// is so: who cannot make one has none, and nobody waits for it there.
func (p *program) body(ctx context.Context, w *rt.World) error {
	groups := []rt.Group{w}
	for i := range 3 {
		// Ranks keep together by an attribute; the order of each group is another.
		rng := rand.New(rand.NewPCG(p.seed, uint64(100+i)))
		color, key := 0, 0
		for r := range p.n {
			c, k := rng.IntN(i+1), rng.IntN(100)
			if r == w.Rank() {
				color, key = c, k
			}
		}
		g, err := rt.Split(ctx, w, color, key)
		if err != nil {
			if len(p.deaths) > 0 && lost(err) {
				break
			}
			return err
		}
		defer g.Close()
		groups = append(groups, g)
	}
	errs := make([]error, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() {
			if err := p.play(ctx, i, g); err != nil {
				errs[i] = fmt.Errorf("group %d: %w", i, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// lost says whether err is what a member's death looks like.
func lost(err error) bool { return errors.Is(err, rt.ErrPeerLost) || errors.Is(err, rt.ErrRevoked) }

// play does the steps of group number i.
func (p *program) play(ctx context.Context, i int, g rt.Group) error {
	for step, try := 0, 0; step < p.steps; try++ {
		members := fnv.New64()
		for r := range g.Size() {
			fmt.Fprintf(members, "%d ", g.WorldRank(r))
		}
		s := &stage{Group: g, number: try, deaths: len(p.deaths) > 0, seed: members.Sum64() ^ p.seed<<20 ^ uint64(i<<16|try)}
		err := s.play(ctx)
		if len(p.deaths) == 0 {
			if err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
			step++
			continue
		}
		if err != nil {
			if ctx.Err() != nil || !lost(err) {
				return fmt.Errorf("step %d: %w", step, err)
			}
			rt.Revoke(g, err)
		}
		ok, ended, err := rt.Agree(ctx, g, err == nil)
		if err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if ok {
			step++
		}
		if !ok || len(ended) > 0 {
			// One may have agreed before it learned of a death, the others not:
			// whoever is still in a call must leave it.
			rt.Revoke(g, errors.New("a member has ended"))
			smaller, err := rt.Shrink(ctx, g)
			if err != nil {
				return fmt.Errorf("after step %d: %w", step, err)
			}
			defer smaller.Close()
			g = smaller
		}
	}
	return nil
}

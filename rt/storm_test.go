package rt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"gridrun/rt"
)

// Goroutines of every rank send and receive with deadlines that cut most of
// them short, at every point of a transfer. Nothing is lost that was not
// cancelled: what the senders say has gone is what the receivers say has come,
// plus what is then still there. Afterwards a full window of short messages
// flows as on the first day.
func TestCancellationStorm(t *testing.T) {
	const n, goroutines, tries = 3, 6, 30
	for i, l := range rt.Layouts {
		t.Run(fmt.Sprintf("%s/seed=%d", l.Name, i), func(t *testing.T) {
			err := leakFree(t, func() error {
				return rt.RunOver(t, l, n, func(ctx context.Context, w *rt.World) error {
					ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
					defer cancel()
					s := &storm{w: w, next: (w.Rank() + 1) % n, prev: (w.Rank() + n - 1) % n}
					if err := s.rage(ctx, goroutines, tries, uint64(i)); err != nil {
						return err
					}
					if err := s.settle(ctx); err != nil {
						return err
					}
					return s.window(ctx)
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

const stormTag, countTag, windowTag rt.Tag = 1, 2, 3

// A storm is one rank's part: it sends to next and receives from prev.
type storm struct {
	w          *rt.World
	next, prev int

	mu        sync.Mutex
	sent, got [2]int // messages, sum of their numbers
}

func (s *storm) note(which *[2]int, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	which[0]++
	which[1] += number
}

func (s *storm) rage(ctx context.Context, goroutines, tries int, seed uint64) error {
	var wg sync.WaitGroup
	errs := make([]error, 2*goroutines)
	for g := range goroutines {
		for role := range 2 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(s.w.Rank()<<16|g<<1|role)))
				for try := range tries {
					short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
					number := g*tries + try
					var err error
					if role == 0 {
						err = s.send(short, rng.IntN(3), number)
					} else {
						err = s.receive(short, rng.IntN(2) == 0)
					}
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						errs[2*g+role] = err
						return
					}
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// longest is the most numbers in a message of the storm: a rendezvous.
const longest = 5000

func (s *storm) send(ctx context.Context, how, number int) error {
	x := make([]int32, []int{1, longest, 10}[how])
	for i := range x {
		x[i] = int32(number)
	}
	var err error
	if how == 2 {
		err = rt.SSend(ctx, s.w, s.next, stormTag, x)
	} else {
		err = rt.Send(ctx, s.w, s.next, stormTag, x)
	}
	if err == nil {
		s.note(&s.sent, number)
	}
	return err
}

func (s *storm) receive(ctx context.Context, any bool) error {
	src := s.prev
	if any {
		src = rt.AnyRank
	}
	x := make([]int32, longest)
	st, err := rt.Recv(ctx, s.w, src, stormTag, x)
	if err != nil {
		return err
	}
	for _, v := range x[:st.Count] {
		if v != x[0] || st.Source != s.prev {
			return fmt.Errorf("%+v holds %d and %d", st, v, x[0])
		}
	}
	s.note(&s.got, int(x[0]))
	return nil
}

// settle receives what the storm has left and compares with what prev has sent.
func (s *storm) settle(ctx context.Context) error {
	expected := make([]int, 2)
	if _, err := rt.SendRecv(ctx, s.w, s.next, s.sent[:], s.prev, expected, countTag); err != nil {
		return err
	}
	for s.got[0] < expected[0] {
		if err := s.receive(ctx, false); err != nil {
			return fmt.Errorf("%d of %d messages came: %w", s.got[0], expected[0], err)
		}
	}
	if s.got != [2]int(expected) {
		return fmt.Errorf("%v came, %v were sent", s.got, expected)
	}
	// The credit of what next has received is on its way ahead of this.
	if _, err := rt.SendRecv(ctx, s.w, s.prev, []int{}, s.next, []int{}, countTag); err != nil {
		return err
	}
	st, found, err := rt.IProbe(s.w, s.prev, stormTag)
	if found || err != nil {
		return fmt.Errorf("a message that was taken back is still there: %+v %w", st, err)
	}
	return nil
}

// window sends as many short messages as a receiver that is busy must take in,
// to one that receives none before they are all sent.
func (s *storm) window(ctx context.Context) error {
	const most = 20 // of 1 KiB: well below half of the window, which a receiver may owe
	for range most {
		if err := rt.Send(ctx, s.w, s.next, windowTag, make([]byte, 1024)); err != nil {
			return fmt.Errorf("credit is missing: %w", err)
		}
	}
	// Everybody has sent before anybody receives.
	d, err := rt.Dup(ctx, s.w)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := rt.Split(ctx, d, -1, 0); err != nil {
		return err
	}
	for range most {
		if _, err := rt.Recv(ctx, s.w, s.prev, windowTag, make([]byte, 1024)); err != nil {
			return err
		}
	}
	return nil
}

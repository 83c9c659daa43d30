package transporttest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// testOrder sends every kind, mixed: one pair is one stream.
func testOrder(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, true)
	kinds := []wire.Kind{wire.Eager, wire.RTS, wire.CTS, wire.Data, wire.Cancel, wire.Cancelled, wire.Credit, wire.Revoke, wire.Bye, wire.Agree, wire.Put, wire.Stored}
	sizes := []int{0, 1, 7, 8, 9, 63, 64, 500, 4095}
	const n = 2000
	link := j.nets[0].Link(1)
	for i := range n {
		kind := kinds[i%len(kinds)]
		size := 0
		if kind == wire.Eager || kind == wire.Data || kind == wire.Revoke || kind == wire.Agree {
			size = sizes[i/len(kinds)%len(sizes)]
		}
		link.Post(frame(kind, 0, 1, i, noise(size, uint64(i))))
	}
	j.rec[1].UntilArrived(n)
	j.rec[0].UntilSent(n)
	events := j.rec[1].Events(0)
	checkOrder(t, events, 0, 1, n)
	for i, e := range events {
		if e.Kind != kinds[i%len(kinds)] {
			t.Fatalf("frame %d is %v, want %v", i, e.Kind, kinds[i%len(kinds)])
		}
	}
}

// testSizes sends bodies around every boundary, both ways.
func testSizes(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, true)
	eager := []int{0, 1, 7, 8, 4095, 4096, transport.EagerMax - 1, transport.EagerMax}
	data := []int{0, 1, 7, 8, 4095, 4096, 8191, 8193, 65537, 1 << 20, 10 << 20}
	if long, ok := j.nets[0].(transport.Placer); ok {
		eager = append(eager, 1, long.EagerMax()/2, 0, long.EagerMax()-1, long.EagerMax(), long.EagerMax(), 9)
	}
	for src := range 2 {
		link := j.nets[src].Link(1 - src)
		number := 0
		for _, size := range eager {
			link.Post(frame(wire.Eager, src, 1-src, number, noise(size, uint64(size))))
			number++
		}
		for _, size := range data {
			link.Post(frame(wire.Data, src, 1-src, number, noise(size, uint64(size))))
			number++
		}
	}
	n := len(eager) + len(data)
	for dst := range 2 {
		j.rec[dst].UntilArrived(n)
		j.rec[dst].UntilSent(n)
		events := j.rec[dst].Events(1 - dst)
		checkOrder(t, events, 1-dst, dst, n)
		for i, size := range append(append([]int{}, eager...), data...) {
			if len(events[i].Bytes) != size {
				t.Errorf("frame %d has %d bytes, want %d", i, len(events[i].Bytes), size)
			}
		}
	}

	// A frame that is not the start of its message: Off counts from there.
	const skip = 1000
	body := noise(100_000, 5)
	f := frame(wire.Data, 0, 1, n, body)
	f.Off, f.Len, f.Tag = skip, uint64(skip+len(body)), skip
	j.nets[0].Link(1).Post(f)
	j.rec[1].UntilArrived(n + 1)
	e := j.rec[1].Events(0)[n]
	e.Bytes = e.Bytes[skip:]
	check(t, e, 0, 1)
}

// testDrop has a receiver that wants no data.
func testDrop(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, func(rec []*Recorder) { rec[1].Drop = true }, true)
	link := j.nets[0].Link(1)
	link.Post(frame(wire.Data, 0, 1, 0, noise(100_000, 1)))
	link.Post(frame(wire.Eager, 0, 1, 1, noise(10, 1)))
	j.rec[1].UntilArrived(1)
	j.rec[0].UntilSent(2)
	check(t, j.rec[1].Events(0)[0], 0, 1)
}

// testPostFromSink posts to the same link from Arrived, Placed and Sent.
func testPostFromSink(t *testing.T, connect Connect) {
	const rounds = 1000
	var nets []transport.Network
	var ready sync.WaitGroup
	ready.Add(1)
	j := newJob(t, 2, connect, func(rec []*Recorder) {
		for i := range rec {
			rec[i].Hook = func(e Event) {
				ready.Wait()
				if e.Seq >= rounds {
					return
				}
				kind := wire.Eager
				if e.Seq%3 == 0 {
					kind = wire.Data
				}
				nets[i].Link(1 - i).Post(frame(kind, i, 1-i, int(e.Seq)+1, noise(int(e.Seq)*17%9000, uint64(e.Seq))))
			}
		}
	}, false)
	nets = j.nets
	ready.Done()
	j.drive(0)
	j.drive(1)
	nets[0].Link(1).Post(frame(wire.Eager, 0, 1, 0, nil))
	// Even numbers go from 0 to 1.
	j.rec[1].UntilArrived(rounds/2 + 1)
	for i, e := range j.rec[1].Events(0) {
		if int(e.Seq) != 2*i {
			t.Fatalf("frame %d has number %d", i, e.Seq)
		}
		check(t, e, 0, 1)
	}

	t.Run("Sent", func(t *testing.T) {
		var nets []transport.Network
		j := newJob(t, 2, connect, func(rec []*Recorder) {
			rec[0].SentHook = func(f *transport.Frame, err error) {
				if err == nil && f.Seq < rounds {
					nets[0].Link(1).Post(frame(wire.Eager, 0, 1, int(f.Seq)+1, f.Body))
				}
			}
		}, false)
		nets = j.nets
		j.drive(0)
		j.drive(1)
		nets[0].Link(1).Post(frame(wire.Eager, 0, 1, 0, noise(700, 3)))
		j.rec[1].UntilArrived(rounds + 1)
		checkOrder(t, j.rec[1].Events(0), 0, 1, rounds+1)
	})
}

// testAllToAll has every process send to every other.
func testAllToAll(t *testing.T, connect Connect) {
	for _, n := range []int{1, 2, 3, 5, 8, 16} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			j := newJob(t, n, connect, nil, true)
			const frames = 30
			var wg sync.WaitGroup
			for src := range n {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(src), uint64(n)))
					for i := range frames {
						for step := 1; step < n; step++ {
							dst := (src + step) % n
							kind, size := wire.Eager, rng.IntN(1<<rng.IntN(13))
							if rng.IntN(4) == 0 {
								kind, size = wire.Data, rng.IntN(1<<rng.IntN(18))
							}
							j.nets[src].Link(dst).Post(frame(kind, src, dst, i, noise(size, rng.Uint64())))
						}
					}
				})
			}
			wg.Wait()
			for i := range n {
				j.rec[i].UntilArrived(frames * (n - 1))
				j.rec[i].UntilSent(frames * (n - 1))
				for src := range n {
					if src != i {
						checkOrder(t, j.rec[i].Events(src), src, i, frames)
					}
				}
			}
		})
	}
}

// testConcurrentPosters has several goroutines post on one link.
func testConcurrentPosters(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, true)
	const posters, frames = 8, 200
	link := j.nets[0].Link(1)
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range frames {
				kind := wire.Eager
				if i%10 == 0 {
					kind = wire.Data
				}
				f := frame(kind, 0, 1, p*frames+i, noise(i*31%5000, uint64(p)))
				link.Post(f)
			}
		})
	}
	wg.Wait()
	j.rec[1].UntilArrived(posters * frames)
	j.rec[0].UntilSent(posters * frames)
	next := [posters]int{}
	for _, e := range j.rec[1].Events(0) {
		check(t, e, 0, 1)
		p, i := int(e.Seq)/frames, int(e.Seq)%frames
		if i != next[p] {
			t.Fatalf("poster %d: frame %d where %d was due", p, i, next[p])
		}
		next[p]++
	}
}

// testBackPressure posts far more than any transport should buffer to a process
// that does not poll: Post returns, the frames stay the poster's, and all
// arrives once it polls.
func testBackPressure(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, false)
	j.drive(0)
	const n = 4000
	link := j.nets[0].Link(1)
	for i := range n {
		link.Post(frame(wire.Eager, 0, 1, i, noise(4096, uint64(i))))
	}
	if _, ok := j.nets[1].(transport.Poller); ok {
		if _, sent, _ := j.rec[0].Counts(); sent > n/2 {
			t.Errorf("%d of %d frames of 4 KiB are sent though nobody polls", sent, n)
		}
		if arrived, _, _ := j.rec[1].Counts(); arrived > 0 {
			t.Errorf("%d frames arrived though nobody polls", arrived)
		}
	}
	j.drive(1)
	j.rec[1].UntilArrived(n)
	j.rec[0].UntilSent(n)
	checkOrder(t, j.rec[1].Events(0), 0, 1, n)
	if _, _, failed := j.rec[0].Counts(); failed > 0 {
		t.Errorf("%d frames failed", failed)
	}
}

package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gridrun/internal/bias"
	"gridrun/internal/transport/shm"
	"gridrun/internal/wire"
)

// sharedPair is two processes of one host, each with one rank, in this one.
func sharedPair(t testing.TB) [2]*Comm { return pairOn(t, 0, func(*Proc) {}) }

// pairOn is one whose processes share so many processors, 0: as many as there are.
// prepare is called before they start.
func pairOn(t testing.TB, cpus int, prepare func(*Proc)) [2]*Comm {
	t.Helper()
	s, err := shm.Create([]int{0, 1}, [][]int{{0}, {1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	topo := &wire.Topology{RankProc: []int{0, 1}, RankApp: []int{0, 0}, ProcHost: []int{0, 0}, Hosts: []string{"h"}}
	var c [2]*Comm
	for q := range c {
		p := NewProc(Config{Job: "test", Proc: q, Ranks: []int{q}, Topology: topo, CPUs: cpus})
		n, err := shm.Open(s, q, p)
		if err != nil {
			t.Fatal(err)
		}
		p.Use(n, []int{1 - q})
		prepare(p)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		c[q] = p.Rank(q).World()
	}
	return c
}

// BenchmarkSendRecv is the work of both ends for one message, on one core.
func BenchmarkSendRecv(b *testing.B) {
	for _, size := range []int{8, 8 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := sharedPair(b)
			ctx := context.Background()
			out := Payload{Bytes: make([]byte, size), Elem: 7, Size: 1}
			in := Payload{Bytes: make([]byte, size), Elem: 7, Size: 1}
			b.ReportAllocs()
			for b.Loop() {
				// Posted first: without credit left the send waits for it.
				r, err := c[1].Recv(ctx, OpRecv, 0, 0, in, false)
				if err != nil {
					b.Fatal(err)
				}
				s, err := c[0].Send(ctx, OpSend, 1, 0, out)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.Finish(ctx); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Finish(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWindow is the work for a message of a window of 64, on one core: what it
// takes to post a receive, to send, and to wait.
func BenchmarkWindow(b *testing.B) {
	const n = 64
	bias.Prepare()
	c := sharedPair(b)
	for _, c := range c { // as while waiters come and go: nobody is to be rung
		p := c.Proc()
		p.takeToken()
		p.attentive.Store(true)
		p.releaseToken()
	}
	ctx := context.Background()
	out := Payload{Bytes: make([]byte, 8), Elem: 7, Size: 1}
	in := Payload{Bytes: make([]byte, 8), Elem: 7, Size: 1}
	var took [3]time.Duration
	var hs [n]*Handle
	rounds := 0
	for b.Loop() {
		at := time.Now()
		lap := func(i int) {
			now := time.Now()
			took[i] += now.Sub(at)
			at = now
		}
		for i := range hs {
			h, err := c[1].IRecv(ctx, OpIRecv, 0, 0, in)
			if err != nil {
				b.Fatal(err)
			}
			hs[i] = h
		}
		lap(0)
		for range hs {
			if _, err := c[0].ISend(ctx, OpISend, 1, 0, out); err != nil {
				b.Fatal(err)
			}
		}
		lap(1)
		if err := WaitAll(ctx, hs[:]...); err != nil {
			b.Fatal(err)
		}
		lap(2)
		c[0].Proc().pollOnce() // credit
		rounds++
	}
	b.ReportMetric(0, "ns/op")
	for i, what := range []string{"post", "send", "wait"} {
		b.ReportMetric(float64(took[i])/float64(rounds*n), "ns/"+what)
	}
}

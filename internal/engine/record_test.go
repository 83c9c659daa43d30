package engine

import (
	"context"
	"sync"
	"testing"
	"time"

	"gridrun/internal/hostclock"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

// observed makes a process of n ranks that record up to so many events each, and
// what decodes their records.
func observed(t *testing.T, n, events int) (*Proc, func() []*trace.Dump) {
	t.Helper()
	topo := &wire.Topology{RankProc: make([]int, n), RankApp: make([]int, n), ProcHost: []int{0}, Hosts: []string{"here"}}
	mem := make([][]byte, n)
	ranks := make([]int, n)
	for r := range ranks {
		ranks[r] = r
		mem[r] = make([]byte, trace.Size(events))
	}
	clock := hostclock.New()
	p := NewProc(Config{Ranks: ranks, Topology: topo, Record: func(r int) *trace.Recorder {
		rec, err := trace.Attach(mem[r], r, clock)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, func() []*trace.Dump {
		p.Close()
		dumps := make([]*trace.Dump, n)
		for r := range mem {
			d, err := trace.Decode(trace.Used(mem[r]))
			if err != nil {
				t.Fatal(err)
			}
			dumps[r] = d
		}
		return dumps
	}
}

// TestRecordedMessages: whatever way a message takes, its sender and its receiver
// record it once, under the same number, and the sender counts it.
func TestRecordedMessages(t *testing.T) {
	p, dumps := observed(t, 2, 1024)
	ctx := context.Background()
	sizes := []int{0, 1, eagerMax, eagerMax + 1, 1 << 20}
	var wg sync.WaitGroup
	wg.Go(func() {
		c := p.Rank(0).World()
		for i, n := range sizes {
			for _, op := range []Op{OpSend, OpSSend, OpISend} {
				r, err := c.Send(ctx, op, 1, Tag(i), Payload{Bytes: make([]byte, n), Size: 1})
				if err == nil {
					_, err = r.Finish(ctx)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Go(func() {
		c := p.Rank(1).World()
		for i, n := range sizes {
			for _, op := range []Op{OpRecv, OpIRecv, OpRecv} {
				src := 0
				if i%2 == 1 {
					src = AnyRank
				}
				r, err := c.IRecv(ctx, op, src, Tag(i), Payload{Bytes: make([]byte, n), Size: 1})
				if err == nil {
					_, err = waitTwice(ctx, r)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Wait()
	d := dumps()
	var out, in []trace.Event
	for _, e := range d[0].Events {
		if e.Kind == trace.Out {
			out = append(out, e)
		}
	}
	for _, e := range d[1].Events {
		if e.Kind == trace.In {
			in = append(in, e)
		}
	}
	if len(out) != 3*len(sizes) || len(in) != len(out) {
		t.Fatalf("%d messages sent and %d received in the timeline, want %d", len(out), len(in), 3*len(sizes))
	}
	for i := range out {
		want := uint64(sizes[i/3])
		if out[i].ID == 0 || out[i].ID != in[i].ID || out[i].Peer != 1 || in[i].Peer != 0 || out[i].Bytes != want || in[i].Bytes != want || in[i].Tag != int32(i/3) {
			t.Errorf("message %d: sent %+v, received %+v", i, out[i], in[i])
		}
		if in[i].Begin+in[i].Dur < out[i].Begin {
			t.Errorf("message %d arrives before it is sent", i)
		}
	}
	for _, op := range []Op{OpSend, OpSSend, OpISend} {
		n := d[0].Sent[op][trace.SameProcess]
		if n.Messages != uint64(len(sizes)) || n.Bytes != 1<<20+2*eagerMax+2 {
			t.Errorf("%v: counted %+v", op, n)
		}
	}
}

// waitTwice takes a request through WaitAny, then through Wait, which must not
// record it again.
func waitTwice(ctx context.Context, r *Handle) (Status, error) {
	if _, _, err := WaitAny(ctx, nil, r); err != nil {
		return Status{}, err
	}
	return r.Wait(ctx)
}

// TestRecordedCalls: a collective is one event with its algorithm, its messages
// count apart from users', and a wait that is long shows whom it was for.
func TestRecordedCalls(t *testing.T) {
	p, dumps := observed(t, 3, 64)
	ctx := context.Background()
	begun := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			c := p.Rank(r).World()
			if r == 0 {
				<-begun
				for !blocked(p.Rank(1)) || !blocked(p.Rank(2)) {
					time.Sleep(time.Millisecond)
				}
			} else if r == 1 {
				close(begun)
			}
			k, err := c.BeginRooted(ctx, OpBcast, 0, 0)
			if err == nil {
				k.Chose("flat", 8)
				if r == 0 {
					err = k.Send(1, 0, make([]byte, 8))
					if err == nil {
						err = k.Send(2, 0, make([]byte, 8))
					}
				} else {
					err = k.Recv(0, 0, make([]byte, 8))
				}
				err = k.End(err)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for r, d := range dumps() {
		var calls, waits int
		for _, e := range d.Events {
			switch e.Kind {
			case trace.Collective:
				calls++
				if d.Name(e) != "flat" || Op(e.Op) != OpBcast || e.Bytes != 8 || e.Peer != 0 || e.Seq != 1 {
					t.Errorf("rank %d: %+v %q", r, e, d.Name(e))
				}
			case trace.Blocked:
				waits++
			default:
				t.Errorf("rank %d: an event of kind %d", r, e.Kind)
			}
		}
		n := d.Ops[OpBcast]
		if calls != 1 || n.Calls != 1 || n.Bytes != 8 {
			t.Errorf("rank %d: %d events, counted %+v", r, calls, n)
		}
		if r == 0 {
			if sent := d.Sent[OpBcast][trace.SameProcess]; sent != (trace.Count{Messages: 2, Bytes: 16}) {
				t.Errorf("rank 0 counts %+v", sent)
			}
			continue
		}
		if waits != 1 || n.Waits != 1 || n.Blocked == 0 || len(d.Longest) != 1 || d.Longest[0].Peer != 0 || Op(d.Longest[0].Op) != OpBcast {
			t.Errorf("rank %d waited for rank 0: %d events, %+v, longest %+v", r, waits, n, d.Longest)
		}
	}
}

func blocked(rk *Rank) bool { return len(rk.Waits()) > 0 }

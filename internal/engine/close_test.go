package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A dozer is a network that is polled and brings nothing: its sleepers sleep
// until somebody rings.
type dozer struct {
	void
	bell   [2]chan struct{}
	asleep [2]chan struct{} // told of every Sleep
}

func newDozer(p *Proc) *dozer {
	d := &dozer{void: void{p}}
	for i := range d.bell {
		d.bell[i], d.asleep[i] = make(chan struct{}, 1), make(chan struct{}, 100)
	}
	return d
}

func (d *dozer) Link(int) transport.Link { return d }
func (d *dozer) Poll() int               { return 0 }
func (d *dozer) Watch(bool) bool         { return false }
func (d *dozer) Wake()                   { d.ring(0); d.ring(1) }
func (d *dozer) Nudge(int)               {}
func (d *dozer) Doze(*spin.Pulse)        { d.Sleep(1, 0) }
func (d *dozer) Sleep(which int, _ int64) {
	d.asleep[which] <- struct{}{}
	<-d.bell[which]
}

func (d *dozer) ring(which int) {
	select {
	case d.bell[which] <- struct{}{}:
	default:
	}
}

// Close returns though a goroutine of the program is still in a receive, holds
// the poll token, and the background poller waits for that. The receive then fails.
func TestCloseWhileSomebodyWaits(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	d := newDozer(p)
	p.Use(d, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	<-d.asleep[1]
	ctx := context.Background()
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := p.Rank(0).World().Recv(ctx, OpRecv, 1, 0, Payload{Bytes: make([]byte, 1), Size: 1}, false)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := r.Finish(ctx); !errors.Is(err, ErrPeerLost) {
			t.Error(err)
		}
	})
	<-d.asleep[0]
	d.ring(1) // the background poller now wants the token
	time.Sleep(time.Millisecond)
	closed := make(chan error)
	go func() { closed <- p.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Close hangs")
	}
	wg.Wait()
}

// taking is a Putter whose other end has taken what is shown to it.
type taking struct{ transport.Putter }

func (taking) Show(transport.Shown) bool { return true }
func (taking) Hide(uint64) bool          { return false }

// What waits for another process when this one closes fails, though the other one
// lives; so does what is begun afterwards. A receive that the other one may be
// writing to keeps its buffer.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	const long = 1 << 20
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	p.Use(void{p}, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c := p.Rank(0).World()
	requests := map[string]*Request{}
	begin := func(name string, from int) {
		t.Helper()
		x := Payload{Bytes: make([]byte, long), Size: 1}
		recv, err := c.Recv(ctx, OpIRecv, from, 1, x, false)
		if err != nil {
			t.Fatal(err)
		}
		send, err := c.Send(ctx, OpISend, 1, 1, x)
		if err != nil {
			t.Fatal(err)
		}
		requests["receive "+name], requests["send "+name] = recv, send
	}
	begin("whose data is on its way", 1)
	p.Arrived(1, &wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Tag: 1, Len: long, Send: 1}, nil)
	begin("from any", AnyRank)
	p.Arrived(1, &wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Tag: 1, Len: long, Send: 2}, nil)
	begin("not matched", 1)
	begin("from any, not matched", AnyRank)
	for name, r := range requests {
		if r.ready() {
			t.Fatalf("a %s is over", name)
		}
	}
	pe := p.Rank(0).peer(1)
	pe.put = taking{}
	taken, err := c.Recv(ctx, OpIRecv, 1, 2, Payload{Bytes: make([]byte, long), Size: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	pe.put = nil
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := c.Probe(ctx, 1, 5, true); !errors.Is(err, ErrPeerLost) {
			t.Errorf("a probe ends with %v", err)
		}
	})
	wg.Go(func() { c.Agree(ctx, true) })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	begin("of a closed process", 1)
	for name, r := range requests {
		if !r.ready() {
			t.Errorf("a %s waits for ever", name)
		} else if _, err := r.Wait(ctx); !errors.Is(err, ErrPeerLost) {
			t.Errorf("a %s ends with %v", name, err)
		}
	}
	if taken.ready() {
		t.Error("a receive is over though its sender may be writing to it")
	}
	wg.Wait()
}

// While a waiter has the poll token from the start, the background poller does not
// sleep in the doorbell, which takes a thread; when the token is free it does.
func TestBackgroundPollerBeginsWhenItIsNeeded(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	d := newDozer(p)
	p.Use(d, []int{1})
	if !p.takeToken() {
		t.Fatal("the token of a new process is taken")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.asleep[1]:
		t.Error("the background poller sleeps in the doorbell although somebody polls")
	case <-time.After(5 * idleTime):
	}
	p.releaseToken()
	select {
	case <-d.asleep[1]:
	case <-time.After(20 * time.Second):
		t.Error("nobody polls, and the background poller does not sleep in the doorbell")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A process that ends before the background poller was needed does not wait for it.
func TestCloseBeforeTheBackgroundPollerIsNeeded(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	d := newDozer(p)
	p.Use(d, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if p.takeToken() {
		p.releaseToken()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

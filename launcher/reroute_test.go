package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
)

// A wayward starter reaches hosts through relays that end: of some before the
// agent is there, of others before it has been told anything.
type wayward struct {
	*fake
	mu    sync.Mutex
	tries map[string]int
	first func(number int) bool // which hosts fail at the first try
}

func (w *wayward) Start(ctx context.Context, host place.Host) (agents.Agent, error) {
	w.mu.Lock()
	w.tries[host.Name]++
	try := w.tries[host.Name]
	w.mu.Unlock()
	var number int
	fmt.Sscanf(host.Name, "node%d", &number)
	failure := fmt.Errorf("%w: it is reached through node1 (%w)", agents.ErrCut, &agents.RelayError{Host: place.Host{Name: "node1"}, Err: errors.New("killed")})
	if try > 1 || !w.first(number) {
		return w.fake.Start(ctx, host)
	}
	if number%2 == 0 {
		return nil, failure
	}
	return &ended{failure}, nil
}

// ended is an agent that has ended before it was told anything.
type ended struct{ how error }

func (e *ended) Read([]byte) (int, error)    { return 0, io.EOF }
func (e *ended) Write(b []byte) (int, error) { return 0, io.ErrClosedPipe }
func (e *ended) Kill()                       {}
func (e *ended) Wait() error                 { return e.how }

// Hundreds of hosts lose their way while they are started, and all are reached
// in the end.
func TestRunTakesAnotherWay(t *testing.T) {
	const hosts = 300
	job := jobOf(t, hosts, func(s *Spec) {
		s.Lease = time.Minute
		for h := range hosts {
			s.Hosts = append(s.Hosts, place.Host{Name: fmt.Sprint("node", h+1), Slots: 1})
		}
	})
	f := &fake{play: func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Output{Proc: a.start.Procs[0].Proc, Data: []byte("ran\n")})
		a.finish(wire.Exit{})
	}}
	w := &wayward{fake: f, tries: map[string]int{}, first: func(n int) bool { return n%5 > 1 }}
	got := runStarter(t, job, f, w, nil)
	if got.code != 0 || strings.Count(got.out, "ran\n") != hosts || got.errOut != "" {
		t.Errorf("code %d, %d of %d ran: %s", got.code, strings.Count(got.out, "ran\n"), hosts, got.errOut)
	}
	for name, n := range w.tries {
		if n > 2 {
			t.Errorf("%s was started %d times", name, n)
		}
	}
}

// A host that never finds a way is given up.
func TestRunGivesUpWays(t *testing.T) {
	job := jobOf(t, 2, func(s *Spec) {
		s.Lease = time.Minute
		s.Hosts = []place.Host{{Name: "node1", Slots: 1}, {Name: "node2", Slots: 1}}
	})
	f := &fake{play: func(a *fakeAgent) {
		a.ready()
		a.hear()
		a.finish(wire.Exit{Signal: 15, Stop: true})
	}}
	w := &endless{fake: f}
	got := runStarter(t, job, f, w, nil)
	if got.code != 125 || !strings.Contains(got.errOut, "gridrun: host node2: ") || !strings.Contains(got.errOut, "the relay on node1 has ended (killed)") || w.tries != maxTries {
		t.Errorf("%d tries: %+v", w.tries, got)
	}
}

// endless has node2 always reached through a relay that ends.
type endless struct {
	*fake
	tries int
}

func (e *endless) Start(ctx context.Context, host place.Host) (agents.Agent, error) {
	if host.Name != "node2" {
		return e.fake.Start(ctx, host)
	}
	e.tries++
	return nil, &agents.RelayError{Host: place.Host{Name: "node1"}, Err: errors.New("killed")}
}

package rt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/engine"
	"gridrun/internal/transport/reach"
	"gridrun/internal/transport/shm"
	"gridrun/internal/transport/tcp"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// A Layout says how a test's ranks are spread: over processes, and these over
// hosts. Processes of one host share memory, unless TCP; goroutine ranks of one
// process use mem. Every process is an engine of its own within the test.
type Layout struct {
	Name         string
	RanksPerProc int
	ProcsPerHost int
	TCP          bool
}

// Layouts are the three transports alone and mixed.
var Layouts = []Layout{
	{"mem", 1 << 20, 1, false},
	{"shm", 1, 1 << 20, false},
	{"tcp", 1, 1 << 20, true},
	{"mem+shm", 2, 1 << 20, false},
	{"shm+tcp", 1, 2, false},
	{"mem+shm+tcp", 2, 2, false},
}

// RunOver is Run with the ranks spread as l says.
func RunOver(t *testing.T, l Layout, n int, body Body) error {
	t.Helper()
	return runOver(t, l, n, body, false)
}

// SurviveOver is RunOver with KeepSurvivors; the deaths are not its error.
func SurviveOver(t *testing.T, l Layout, n int, body Body) error {
	t.Helper()
	return runOver(t, l, n, body, true)
}

// ErrDeath is how a body dies in these tests.
var ErrDeath = errors.New("dies")

func runOver(t *testing.T, l Layout, n int, body Body, keep bool) error {
	t.Helper()
	topo := &wire.Topology{RankApp: make([]int, n)}
	var ranks [][]int
	for r := range n {
		q := r / l.RanksPerProc
		if q == len(ranks) {
			ranks = append(ranks, nil)
			host := q / l.ProcsPerHost
			topo.ProcHost = append(topo.ProcHost, host)
			if host == len(topo.Hosts) {
				topo.Hosts = append(topo.Hosts, fmt.Sprintf("host%d", host))
			}
		}
		ranks[q] = append(ranks[q], r)
		topo.RankProc = append(topo.RankProc, q)
	}
	segments := make([]*shm.Segment, len(topo.Hosts))
	for h := range segments {
		var procs []int
		var of [][]int
		for q, qh := range topo.ProcHost {
			if qh == h {
				procs, of = append(procs, q), append(of, ranks[q])
			}
		}
		s, err := shm.Create(procs, of)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		segments[h] = s
	}
	key := make([]byte, 32)
	owners := make([]*owner, len(topo.Hosts))
	for h := range owners {
		p, err := reach.Listen(reach.Config{Job: "test", Key: key, Host: h, Loopback: true})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		owners[h] = &owner{Port: p, nets: make([]*tcp.Net, len(ranks))}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first *failure
		procs = make([]*engine.Proc, len(ranks))
	)
	for q := range ranks {
		seg := attach(t, segments[topo.ProcHost[q]])
		cfg := engine.Config{Job: "test", Proc: q, Ranks: ranks[q], Topology: topo, Continue: keep,
			Table: func(r int) waittable.Table { return seg.Waits(r) }}
		if !l.TCP {
			cfg.Boards = seg
		}
		p := engine.NewProc(cfg)
		procs[q] = p
		var local, remote []int
		for o, h := range topo.ProcHost {
			switch {
			case o == q:
			case h == topo.ProcHost[q] && !l.TCP:
				local = append(local, o)
			default:
				remote = append(remote, o)
			}
		}
		if len(local) > 0 {
			n, err := shm.Open(seg, q, p)
			if err != nil {
				t.Fatal(err)
			}
			p.Use(n, local)
		}
		if len(remote) > 0 {
			d := reach.NewDialer("test", key, q, topo.Hosts[topo.ProcHost[q]])
			// A machine that stands still for some seconds is no failed link.
			n, err := tcp.Open(tcp.Config{Proc: q, Procs: len(ranks), Job: "test", Key: key,
				Connect: patient, Handshake: patient, Close: patient,
				Dial: func(ctx context.Context, to int) (net.Conn, error) {
					h := topo.ProcHost[to]
					return d.Dial(ctx, reach.Target{Proc: to, Host: h, Name: topo.Hosts[h]}, owners[h].Addrs())
				}}, p)
			if err != nil {
				t.Fatal(err)
			}
			owners[topo.ProcHost[q]].nets[q] = n
			p.Use(n.Polled(), remote)
		}
	}
	for _, o := range owners {
		o.Serve(o)
	}
	for q, p := range procs {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		team := newTeam(ctx, p)
		team.report = func(f *failure) {
			if keep && len(ranks[q]) > 1 {
				for o, other := range procs {
					if o != q {
						other.Ended(f.rank, f.err)
					}
				}
			}
			if keep && errors.Is(f.err, ErrDeath) {
				return
			}
			mu.Lock()
			if first == nil || first.collateral && !f.collateral {
				first = f
			}
			mu.Unlock()
			cancel(&rankError{f})
		}
		wg.Go(func() {
			team.run(body, func(w *World) { w.stdout = io.Discard })
			// As an agent does: of a process that fails, which just exits, the
			// others hear at once; of one that closes in good order, after that.
			failed := team.first()
			if keep && !team.allFailed() {
				failed = nil
			}
			tell := func(err error) {
				for o, other := range procs {
					if o != q {
						other.Gone(ranks[q], failed == nil, err)
					}
				}
			}
			if failed != nil {
				tell(fmt.Errorf("its process ended: %v", failed.err))
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if failed == nil {
				tell(nil)
			}
		})
	}
	wg.Wait()
	if first != nil {
		return first.err
	}
	return nil
}

// attach maps the segment anew, as a process that inherits its descriptor does.
func attach(t *testing.T, s *shm.Segment) *shm.Segment {
	t.Helper()
	fd, err := syscall.Dup(int(s.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	seg, err := shm.Attach(os.NewFile(uintptr(fd), "segment"))
	if err != nil {
		t.Fatal(err)
	}
	// Goroutines that a body has left behind end after its process has closed.
	t.Cleanup(func() { seg.Close() })
	return seg
}

// patient is more than any part of a test takes.
const patient = time.Minute

// An owner has a host's port, and hands connections on as an agent does.
type owner struct {
	*reach.Port
	nets []*tcp.Net
}

func (o *owner) Admit(to int) reach.Status {
	if to < 0 || to >= len(o.nets) || o.nets[to] == nil {
		return reach.Unknown
	}
	return reach.Here
}

func (o *owner) Take(to, _ int, c *net.TCPConn) { o.nets[to].Accepted(c) }

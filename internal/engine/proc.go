package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/spin"
	"gridrun/internal/trace"
	"gridrun/internal/transport"
	"gridrun/internal/transport/mem"
	"gridrun/internal/waittable"
	"gridrun/internal/wire"
)

// Config is what a process must know of its job.
type Config struct {
	Job      string
	Proc     int   // this process
	Ranks    []int // world ranks it holds
	Topology *wire.Topology
	// Table gives the wait table of a local rank; nil: in ordinary memory.
	Table func(rank int) waittable.Table
	// Record gives what notes the doings of a local rank; nil: nothing does.
	Record func(rank int) *trace.Recorder
	// Boards has shared memory for groups; nil: the ranks of several processes
	// have none.
	Boards Boards
	// CPUs is how many processors this host's processes share, 0: as many as this
	// one may use. A process that is bound to a processor of its own sees one.
	CPUs int
	// Quota is how many processors' time they may use, 0: as much as there is.
	Quota float64
	// Continue says that the job goes on when a rank fails.
	Continue bool
	// Dial reaches the host's service process; nil: there is none.
	Dial func(ctx context.Context) (*net.UnixConn, error)
}

// A Proc is this process's part of a job: its ranks and the networks that lead
// to the other processes. It is the Sink of all of them.
type Proc struct {
	Config
	ranks []*Rank // by world rank, nil for ranks of other processes
	world []int32 // 0..n-1

	routes []transport.Link // by process; this process's own leads to itself
	nets   []transport.Network
	pulls  []transport.Puller // by process; nil: its data must be sent
	stores []transport.Storer // by process; nil: no message waits in memory of both
	netOf  []transport.Network
	reach  []reach // by process

	arriving []*message // by process: the long eager message that no receive waited for

	poller    transport.Poller
	attention *uint64       // where peers see whether a waiter holds the token
	two       *two          // poller, when two networks are polled
	token     sync.Mutex    // held by the goroutine that polls
	turns     uint64        // times that it was taken to wait; under the token
	expected  slips         // what its holder waits for in expect
	attentive atomic.Bool   // the background poller is; it alone sets it
	dozing    atomic.Bool   // the token's holder sleeps in the doorbell
	tending   atomic.Bool   // the background poller holds the token
	wanted    atomic.Int32  // waiters that want it from the background poller
	sleepers  atomic.Int32  // waiters asleep without the token
	baton     chan struct{} // capacity 1: to a sleeper, that the token is free
	used      atomic.Bool   // the token has been given up once
	first     chan struct{} // closed then

	looks    int                // polls of a waiter before it yields
	brief    int                // the same when its peer seems to be on the same processor
	shared   atomic.Int32       // waits that are to yield early; set under the token
	hasty    bool               // the last wait did; under the token
	parted   uint64             // the turn in which it went to another processor, or 0; under the token
	yieldFor time.Duration      // and yields before it sleeps
	tick     time.Duration      // of an attentive background poller
	crowded  bool               // the host has more processes than processors
	storeMax int                // bytes of a message that is stored then
	frugal   bool               // or more than its control group lets run all the time
	spreader transport.Spreader // nil: there is nothing to spread
	siblings bool               // several ranks, so several goroutines are likely
	closing  atomic.Bool
	shows    atomic.Uint64 // receives that were shown to their senders
	quit     chan struct{} // closed with closing
	joined   sync.WaitGroup
	// preparing is joined when the token is Close's for ever.
	preparing sync.WaitGroup

	// gone[r] says that world rank r has ended and why; set once, by Down or Bye.
	gone  []atomic.Pointer[end]
	goneN atomic.Int32
	// notes[p] is what the supervisor said of process p before its network noticed.
	notes []atomic.Pointer[end]

	lookout  lookout
	own      ownBoards
	sleeping dormitory

	local sync.Map // values shared by the ranks of this process
	build sync.Mutex
}

// An end is how a rank ended.
type end struct {
	finished bool // with success
	survived bool // by its process, which still carries out what the rank has begun
	writes   bool // likewise, but only to the receives that it has taken (put.go)
	err      error
}

// NewProc makes the process's engine; Use adds networks, Start begins.
func NewProc(cfg Config) *Proc {
	if cfg.CPUs == 0 {
		cfg.CPUs = runtime.NumCPU()
	}
	n := len(cfg.Topology.RankProc)
	p := &Proc{
		Config:   cfg,
		ranks:    make([]*Rank, n),
		world:    make([]int32, n),
		routes:   make([]transport.Link, len(cfg.Topology.ProcHost)),
		pulls:    make([]transport.Puller, len(cfg.Topology.ProcHost)),
		stores:   make([]transport.Storer, len(cfg.Topology.ProcHost)),
		netOf:    make([]transport.Network, len(cfg.Topology.ProcHost)),
		reach:    make([]reach, len(cfg.Topology.ProcHost)),
		arriving: make([]*message, len(cfg.Topology.ProcHost)),
		gone:     make([]atomic.Pointer[end], n),
		notes:    make([]atomic.Pointer[end], len(cfg.Topology.ProcHost)),
		siblings: len(cfg.Ranks) > 1,
		baton:    make(chan struct{}, 1),
		quit:     make(chan struct{}),
		first:    make(chan struct{}),

		attention: new(uint64),
		lookout:   lookout{called: make(chan struct{}, 1)},
	}
	for r := range p.world {
		p.world[r] = int32(r)
	}
	for q := range p.reach {
		p.reach[q] = near
	}
	for _, r := range cfg.Ranks {
		p.ranks[r] = newRank(p, r)
	}
	p.routes[p.Proc] = mem.Loop(p.Proc, p)
	return p
}

// Use routes the frames for procs over n. Of networks that are polled there may
// be two; the first one used has the doorbell for both.
func (p *Proc) Use(n transport.Network, procs []int) {
	p.nets = append(p.nets, n)
	for _, q := range procs {
		p.routes[q] = n.Link(q)
		p.pulls[q], _ = p.routes[q].(transport.Puller)
		p.stores[q], _ = p.routes[q].(transport.Storer)
		p.netOf[q] = n
		p.reach[q] = reachOf(n)
	}
	if a, ok := n.(transport.Attended); ok {
		p.attention = a.Attention()
	}
	if poller, ok := n.(transport.Poller); ok {
		if p.poller != nil {
			p.two = newTwo(p.poller, poller)
			poller = p.two
		}
		p.poller = rouser{poller, &p.sleeping}
	}
}

// Start begins to fetch what arrives. It starts one goroutine, two when two
// networks must be polled; Close joins them.
func (p *Proc) Start() error {
	for q, l := range p.routes {
		if l == nil {
			return fmt.Errorf("no network leads from process %d to process %d", p.Proc, q)
		}
	}
	if p.poller != nil {
		p.pace()
		if p.two != nil {
			p.two.start()
		}
		p.joined.Add(1)
		go p.background()
	} else {
		p.joined.Add(1)
		go p.watch()
	}
	return nil
}

// pace sets how waiters and the background poller look for frames: patiently
// where every process of the host has a processor of its own.
func (p *Proc) pace() {
	here := 0
	for _, h := range p.Topology.ProcHost {
		if h == p.Topology.ProcHost[p.Proc] {
			here++
		}
	}
	p.looks, p.yieldFor, p.tick, p.crowded = pollLooks, yieldFor, tick, here > p.CPUs
	p.frugal = p.Quota > 0 && float64(here) > p.Quota
	p.brief = crowdedLooks
	if p.crowded {
		p.looks, p.yieldFor = crowdedLooks, crowdedYieldFor
		p.storeMax = storeMaxOf(here)
		p.tick = tick * time.Duration(here) / time.Duration(p.CPUs)
		for _, n := range p.nets {
			if s, ok := n.(transport.Spreader); ok && !p.siblings {
				p.spreader = s
			}
		}
	} else if p.frugal {
		p.yieldFor = frugalYieldFor
	}
	if _, far := p.nets[0].(transport.Placer); far { // each look is a system call
		p.looks, p.brief = max(p.looks/4, farBrief), farBrief
	}
}

// Close sends what is queued, leaves every network and joins. What the ranks'
// goroutines still wait for from other processes then fails.
func (p *Proc) Close() error {
	var errs []error
	if p.closing.Swap(true) {
		return nil
	}
	close(p.quit)
	spin.EndNaps(&p.lookout.over)
	if p.poller != nil {
		p.poller.Wake()
	}
	p.joined.Wait()
	if p.poller != nil {
		if p.two != nil {
			p.two.stop()
		}
	}
	for _, rk := range p.ranks {
		if rk != nil {
			rk.close()
		}
	}
	// Whoever polls still sees closing and gives the token up; nobody takes it then.
	p.token.Lock()
	p.preparing.Wait()
	for _, n := range p.nets {
		errs = append(errs, n.Close())
	}
	p.leave()
	return errors.Join(errs...)
}

var errAway = fmt.Errorf("%w: this process has left the job", ErrPeerLost)

// leave ends what waits for ranks of other processes, whether they live or not: no
// network will bring anything more, not even that they have ended.
func (p *Proc) leave() {
	e := &end{writes: true, err: errAway}
	var others []int
	for r, q := range p.Topology.RankProc {
		if q != p.Proc {
			others = append(others, r)
			if p.gone[r].CompareAndSwap(nil, e) {
				p.goneN.Add(1)
			}
		}
	}
	for _, rk := range p.ranks {
		if rk == nil || rk.idle() { // what it begins now fails
			continue
		}
		for _, r := range others {
			rk.lost(r, e)
		}
	}
	p.sleeping.rouse(true)
}

// Rank returns a local rank.
func (p *Proc) Rank(world int) *Rank { return p.ranks[world] }

// ErrNoService says that this process has no host service: it was not started
// by gridrun, or is alone; what the service does is then done in process.
var ErrNoService = errors.New("no host service")

// Service connects to the host's service process, which is started when first
// asked for. The caller owns the connection.
func (p *Proc) Service(ctx context.Context) (*net.UnixConn, error) {
	if p.Dial == nil {
		return nil, ErrNoService
	}
	return p.Dial(ctx)
}

// Local returns the value that all ranks of this process share under key, made
// by the first to ask.
func (p *Proc) Local(key string, make func() any) any {
	p.build.Lock()
	defer p.build.Unlock()
	if v, ok := p.local.Load(key); ok {
		return v
	}
	v := make()
	p.local.Store(key, v)
	return v
}

// Gone is the supervisor's word that ranks have ended. Ranks of this process
// are gone at once; those of others when their network has delivered what they
// had sent.
func (p *Proc) Gone(ranks []int, finished bool, err error) {
	if err == nil {
		err = transport.ErrLeft
	}
	e := &end{finished: finished, err: err}
	procs := map[int]bool{}
	for _, r := range ranks {
		if r < 0 || r >= len(p.ranks) {
			continue
		}
		if q := p.Topology.RankProc[r]; q != p.Proc {
			procs[q] = true
		} else {
			p.markGone(r, e)
		}
	}
	for q := range procs {
		p.notes[q].Store(e)
		if n := p.netOf[q]; n != nil {
			n.Kill(q, err)
		}
	}
}

// Ended is the word that rank r has failed, while its process goes on.
func (p *Proc) Ended(r int, err error) {
	if r >= 0 && r < len(p.ranks) {
		p.markGone(r, &end{survived: true, err: err})
	}
}

// Down is the network's word: nothing more will come from process q.
func (p *Proc) Down(q int, err error) {
	p.arriving[q] = nil
	e := &end{err: fmt.Errorf("%w: %v", ErrPeerLost, err), finished: errors.Is(err, transport.ErrLeft)}
	if note := p.notes[q].Load(); note != nil {
		e = note
	}
	for r, rq := range p.Topology.RankProc {
		if rq == q && !p.markGone(r, e) {
			for _, rk := range p.ranks {
				if rk != nil {
					rk.orphaned(r, e)
				}
			}
		}
	}
}

// markGone notes how rank r has ended; false if that was known.
func (p *Proc) markGone(r int, e *end) bool {
	if !p.gone[r].CompareAndSwap(nil, e) {
		return false
	}
	p.goneN.Add(1)
	for _, rk := range p.ranks {
		if rk != nil {
			rk.lost(r, e)
		}
	}
	p.sleeping.rouse(true)
	return true
}

// lostError is what an operation with a rank that has ended returns.
func (p *Proc) lostError(r int) error {
	e := p.gone[r].Load()
	switch {
	case e == nil:
		return nil
	case e.finished:
		return fmt.Errorf("%w: rank %d has finished", ErrPeerLost, r)
	case errors.Is(e.err, ErrPeerLost):
		return e.err
	default:
		return fmt.Errorf("%w: rank %d: %v", ErrPeerLost, r, e.err)
	}
}

package rt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"gridrun/internal/engine"
	"gridrun/internal/wire"
)

// Run runs body as n goroutine ranks of this process and returns the error that
// came first in cause: a rank that failed only because another had failed is
// not it. A body that panics is a rank that fails. Run returns when all ranks
// have; a body must heed its ctx.
func Run(ctx context.Context, n int, body Body) error {
	return runHere(ctx, n, body, runOptions{})
}

func runHere(ctx context.Context, n int, body Body, o runOptions) error {
	if n < 1 {
		return fmt.Errorf("rt.Run: %d ranks; at least 1 is needed", n)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	topo := &wire.Topology{RankProc: make([]int, n), RankApp: make([]int, n), ProcHost: []int{0}, Hosts: []string{host}}
	ranks := make([]int, n)
	for r := range ranks {
		ranks[r] = r
	}
	p := engine.NewProc(engine.Config{Job: "run", Ranks: ranks, Topology: topo, Continue: o.keep})
	if err := p.Start(); err != nil {
		return err
	}
	defer p.Close()
	t := newTeam(ctx, p)
	out := &lineWriter{w: os.Stdout}
	t.run(body, func(w *World) { w.stdout = out.fork() })
	out.flush()
	if o.keep {
		return t.causes()
	}
	return t.cause()
}

// A team is the ranks that one process runs.
type team struct {
	proc   *engine.Proc
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	report func(*failure) // told of every failure, in order; nil: nobody
	failed []*failure
	ended  bool // the supervisor has told the cause
}

// A failure is one rank's.
type failure struct {
	rank       int
	err        error
	code       int
	collateral bool
	aborted    bool
}

func newTeam(ctx context.Context, p *engine.Proc) *team {
	t := &team{proc: p}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	return t
}

// run runs body on every rank of the process and returns when all have ended.
func (t *team) run(body Body, fill func(*World)) {
	defer t.cancel(nil)
	var wg sync.WaitGroup
	for _, r := range t.proc.Ranks {
		w := t.world(r)
		fill(w)
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := errGoexit
			defer func() { t.over(r, err) }()
			err = call(t.ctx, body, w)
		}()
	}
	wg.Wait()
}

// errGoexit is the failure of a body that does not return: it has ended its
// goroutine, as a test's FailNow does.
var errGoexit = errors.New("the body has ended its goroutine (runtime.Goexit)")

// over lets the others know how rank r has ended.
func (t *team) over(r int, err error) {
	rk := t.proc.Rank(r)
	if err == nil {
		rk.Finish()
		return
	}
	// Report before the peers can notice: the first report is the cause.
	t.fail(&failure{rank: r, err: err, code: exitCode(err)})
	rk.Fail(fmt.Errorf("%w: rank %d failed: %v", ErrPeerLost, r, err))
}

// call is body, with a panic as an error. A panic keeps its stack.
func call(ctx context.Context, body Body, w *World) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return body(ctx, w)
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
func (e *panicError) ExitCode() int { return 2 } // as an uncaught panic's

func (t *team) world(r int) *World {
	topo := t.proc.Topology
	w := &World{
		Comm: &Comm{t.proc.Rank(r).World()},
		job:  t.proc.Job,
		host: topo.Hosts[topo.ProcHost[topo.RankProc[r]]],
		app:  topo.RankApp[r],
	}
	for q, proc := range topo.RankProc {
		if topo.ProcHost[proc] == topo.ProcHost[topo.RankProc[r]] {
			if q < r {
				w.localRank++
			}
			w.localSize++
		}
	}
	w.abort = func(code int, err error) {
		if err == nil {
			err = errors.New("no reason given")
		}
		if code < 1 || code > 255 { // an aborted job never looks like success
			code = exitCode(err)
		}
		t.fail(&failure{rank: r, err: err, code: code, aborted: true})
	}
	return w
}

// fail notes that a rank has failed, and cancels the others' ctx with the cause
// unless they go on.
func (t *team) fail(f *failure) {
	t.mu.Lock()
	if !f.aborted {
		f.collateral = len(t.failed) > 0 && follows(f.err) || t.ended || errors.Is(f.err, ErrPeerLost) || errors.Is(f.err, ErrRevoked)
	}
	t.failed = append(t.failed, f)
	report := t.report
	t.mu.Unlock()
	if report != nil {
		report(f)
	}
	if !t.proc.Continue || f.aborted {
		t.cancel(&rankError{f})
	}
}

// follows says whether err is what others get when a rank has failed.
func follows(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, ErrPeerLost) || errors.Is(err, ErrRevoked) || errors.Is(err, ErrAborted)
}

// A rankError is the cause that everybody's ctx is cancelled with.
type rankError struct{ f *failure }

func (e *rankError) Error() string {
	word := "failed"
	if e.f.aborted {
		word = "aborted the job"
	}
	return fmt.Sprintf("rank %d %s: %v", e.f.rank, word, e.f.err)
}

func (e *rankError) Unwrap() []error {
	if e.f.aborted {
		return []error{ErrAborted, e.f.err}
	}
	return []error{e.f.err}
}

// first returns the first failure that no other one explains: it decides the
// exit code.
func (t *team) first() *failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.failed {
		if !f.collateral {
			return f
		}
	}
	if len(t.failed) > 0 {
		return t.failed[0]
	}
	return nil
}

// cause is first as an error.
func (t *team) cause() error {
	switch f := t.first(); {
	case f == nil:
		return nil
	case f.aborted:
		return &rankError{f}
	default:
		return f.err
	}
}

// causes is every failure, where the others went on; an Abort is the only cause.
func (t *team) causes() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, f := range t.failed {
		if f.aborted {
			return &rankError{f}
		}
		errs = append(errs, &rankError{f})
	}
	return errors.Join(errs...)
}

// code is what the process exits with: the first failure's code, or where the
// others went on the highest.
func (t *team) code() int {
	f := t.first()
	if f == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	code := f.code
	for _, other := range t.failed {
		if t.proc.Continue && !f.aborted {
			code = max(code, other.code)
		}
	}
	return code
}

// allFailed says that no rank of the process has ended well.
func (t *team) allFailed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := map[int]bool{}
	for _, f := range t.failed {
		failed[f.rank] = true
	}
	return len(failed) == len(t.proc.Ranks)
}

// exitCode is what the process of a failed rank exits with.
func exitCode(err error) int {
	var c interface{ ExitCode() int }
	if errors.As(err, &c) && c.ExitCode() > 0 && c.ExitCode() < 256 {
		return c.ExitCode()
	}
	return 1
}

package agent

import (
	"time"

	"gridrun/internal/proclook"
	"gridrun/internal/wire"
)

const (
	// watch is the time between the two looks at a process.
	watch = 200 * time.Millisecond
	// tellLimit is how long processes may take to tell their stacks: hosts with
	// many more ranks than CPUs answer late.
	tellLimit = 2 * time.Second
	// maxTold is the bytes that one process may tell.
	maxTold = 2 << 20
)

// A look is the answer to an Inspect while it is put together: the wait tables
// and /proc need nobody's help, and processes that run rt are asked for their
// stacks as well.
type look struct {
	seq     uint32
	began   time.Time
	states  []wire.ProcState // nil: still looking
	pending map[int]bool     // processes that have not told all yet
	size    map[int]int      // bytes that each has told
}

// A target is a process to look at, for goroutines beside the loop.
type target struct{ proc, pid int }

// inspect begins to answer m.
func (a *agent) inspect(m *wire.Inspect) {
	var targets []target
	for _, p := range a.procs {
		if p.state == running {
			targets = append(targets, target{p.spec.Proc, p.pid})
		}
	}
	if !m.Deep {
		a.wg.Go(func() { a.link.send(&wire.Report{Seq: m.Seq, Procs: usage(targets, proclook.Processes())}) })
		return
	}
	if a.look != nil { // the launcher no longer waits for it
		a.report()
	}
	l := &look{seq: m.Seq, began: time.Now(), pending: map[int]bool{}, size: map[int]int{}}
	a.look = l
	for _, p := range a.procs {
		if p.state == running && p.attached {
			l.pending[p.spec.Proc] = true
			a.tell(p, m, 0)
		}
	}
	a.wg.Go(func() {
		states := a.states(targets)
		a.post(func() { a.looked(l, states) })
	})
	time.AfterFunc(tellLimit, func() {
		a.post(func() {
			if a.look == l {
				a.report()
			}
		})
	})
}

// usage is what each process and its descendants have used so far.
func usage(targets []target, all []proclook.Process) []wire.ProcState {
	states := make([]wire.ProcState, 0, len(targets))
	for _, t := range targets {
		s := wire.ProcState{Proc: t.proc}
		for _, p := range proclook.Tree(all, t.pid) {
			s.CPU += int64(p.CPU)
			s.Memory += proclook.Memory(p.Pid)
		}
		states = append(states, s)
	}
	return states
}

// states looks at every process twice.
func (a *agent) states(targets []target) []wire.ProcState {
	first := make([]proclook.Sight, len(targets))
	all := proclook.Processes()
	for i, t := range targets {
		first[i] = proclook.Look(proclook.Tree(all, t.pid))
	}
	select {
	case <-time.After(watch):
	case <-a.quit:
	}
	all = proclook.Processes()
	states := usage(targets, all)
	for i, t := range targets {
		s := proclook.Look(proclook.Tree(all, t.pid)).Since(first[i])
		states[i].State, states[i].Load, states[i].Call, states[i].File = string(s.Letter), s.Load, s.Call, s.File
	}
	return states
}

// looked takes what /proc has shown.
func (a *agent) looked(l *look, states []wire.ProcState) {
	if a.look != l {
		return
	}
	l.states = states
	a.finishLook()
}

// told passes on what a process tells of itself, within bounds.
func (a *agent) told(p *process, m *wire.Told) {
	l := a.look
	if l == nil || m.Seq != l.seq || !l.pending[p.spec.Proc] {
		return
	}
	m.Proc = p.spec.Proc
	if l.size[m.Proc] += len(m.Stacks) + len(m.Unmatched); l.size[m.Proc] > maxTold {
		m.Stacks, m.Unmatched, m.More = nil, nil, false
	}
	a.link.send(m)
	if !m.More {
		delete(l.pending, m.Proc)
		a.finishLook()
	}
}

// silenced notes that p will tell nothing more.
func (a *agent) silenced(p *process) {
	if a.look != nil {
		delete(a.look.pending, p.spec.Proc)
		a.finishLook()
	}
}

// finishLook reports once everything is in.
func (a *agent) finishLook() {
	if a.look.states != nil && len(a.look.pending) == 0 {
		a.report()
	}
}

// report ends the look with what there is. The wait tables are read last: what
// has been blocked since before the look began was so all the time.
func (a *agent) report() {
	l := a.look
	a.look = nil
	now := time.Now()
	r := &wire.Report{Seq: l.seq, Span: int64(now.Sub(l.began))}
	for _, s := range l.states {
		p := a.byProc[s.Proc]
		switch {
		case p.state != running:
			continue
		case l.pending[s.Proc]:
			s.Mute = "no answer within " + tellLimit.String()
		case !p.attached:
			s.Mute = "no program of gridrun's, or just starting"
		}
		r.Procs = append(r.Procs, s)
	}
	for _, p := range a.procs {
		if p.state == running {
			r.Waits = append(r.Waits, a.blockedIn(p, now)...)
		}
	}
	a.link.send(r)
}

package job

import (
	"fmt"
	"slices"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/diagnose"
)

// maxStacks bounds the stacks of one process that are kept.
const maxStacks = 2 << 20

// An inquiry is one question to all agents: what do your ranks do? One goes on at
// a time; whoever asks meanwhile shares its answer, or waits for the next.
type inquiry struct {
	seq       uint32
	deep      bool
	askers    []int
	waits     []diagnose.Wait
	states    map[int]*wire.ProcState // by process
	stacks    map[int][]byte
	unmatched map[int][]wire.Unmatched
}

// ask begins an inquiry, or joins one.
func (m *Machine) ask(q Asked) {
	if i := m.inquiry; i != nil {
		if i.deep || !q.Deep {
			if !slices.Contains(i.askers, q.By) {
				i.askers = append(i.askers, q.By)
			}
		} else {
			m.queue = append(m.queue, q)
		}
		return
	}
	m.inquiries++
	m.inquiry = &inquiry{seq: m.inquiries, deep: q.Deep, askers: []int{q.By}, states: map[int]*wire.ProcState{},
		stacks: map[int][]byte{}, unmatched: map[int][]wire.Unmatched{}}
	for h := range m.hosts {
		if m.hosts[h].ready && !m.hosts[h].gone {
			m.hosts[h].inspecting = true
			m.send(h, &wire.Inspect{Seq: m.inquiries, Deep: q.Deep})
		}
	}
	delete(m.armed, InspectTimer)
	m.arm(InspectTimer, inspectLimit)
	m.answered()
}

// told keeps a piece of what a process says of itself; the agent sends its
// report after the last one.
func (m *Machine) told(e ProcTold) {
	t, i := e.Told, m.inquiry
	if i == nil || t.Seq != i.seq || t.Proc < 0 || t.Proc >= len(m.procs) {
		return
	}
	if len(i.stacks[t.Proc])+len(t.Stacks) <= maxStacks {
		i.stacks[t.Proc] = append(i.stacks[t.Proc], t.Stacks...)
	}
	i.unmatched[t.Proc] = append(i.unmatched[t.Proc], t.Unmatched...)
}

func (m *Machine) report(e HostReport) {
	i := m.inquiry
	if i == nil || !m.known(e.Host) || !m.hosts[e.Host].inspecting || e.Report.Seq != i.seq {
		return
	}
	for _, w := range e.Report.Waits {
		i.waits = append(i.waits, diagnose.Wait{Wait: w, Lasts: w.Since >= e.Report.Span})
	}
	for _, s := range e.Report.Procs {
		i.states[s.Proc] = &s
	}
	m.reported(e.Host)
}

func (m *Machine) reported(h int) {
	m.hosts[h].inspecting = false
	m.answered()
}

// answered hands the answer out when the last report is in, and ends the job
// when it was asked for because the time is over.
func (m *Machine) answered() {
	if m.inquiry == nil || slices.ContainsFunc(m.hosts, func(h host) bool { return h.inspecting }) {
		return
	}
	i := m.inquiry
	m.inquiry = nil
	m.actions = append(m.actions, Answer{To: i.askers, Job: m.picture(i)})
	if m.expired && i.deep {
		m.stop(cause{kind: byTimeout, text: fmt.Sprintf("not finished after %v (--timeout)", m.cfg.Timeout), code: 124}, 0)
	}
	queue := m.queue
	m.queue = nil
	for _, q := range queue {
		m.ask(q)
	}
}

// picture puts together what is known of every process.
func (m *Machine) picture(i *inquiry) diagnose.Job {
	j := diagnose.Job{Hosts: m.cfg.Hosts, Waits: i.waits}
	for p, spec := range m.cfg.Procs {
		d := diagnose.Proc{Host: spec.Host, Ranks: spec.Ranks, Pid: m.procs[p].pid,
			State: i.states[p], Stacks: i.stacks[p], Unmatched: i.unmatched[p]}
		switch {
		case m.procs[p].ended:
			d.Phase = diagnose.Ended
			if e := m.procs[p].exit; e.Code != 0 || e.Signal != 0 || e.Error != "" {
				d.How = exitText(e)
			}
			d.CPU = time.Duration(m.procs[p].exit.CPU)
		case m.procs[p].pid != 0:
			d.Phase = diagnose.Running
		}
		j.Procs = append(j.Procs, d)
	}
	return j
}

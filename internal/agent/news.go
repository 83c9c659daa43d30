package agent

import (
	"fmt"
	"slices"
	"time"

	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

// gather is how long ranks that have finished well are gathered before the
// others are told of them in one message: when n ranks end one by one, each of n
// would be told n times. Ranks that died, and the cause, are told at once.
const gather = 2 * time.Millisecond

// News is what every process that has attached is told: who has ended, and why
// the job ends. It belongs to the loop.
type news struct {
	finished []int // ranks that ended well
	told     int   // of finished
	rest     []wire.Message
	due      <-chan time.Time // nil: everything is told
}

// tellGone spreads that ranks have ended, here or on other hosts.
func (a *agent) tellGone(m *wire.Gone) {
	if !m.Finished {
		a.spread(m)
		return
	}
	a.news.finished = append(a.news.finished, m.Ranks...)
	if a.news.due == nil {
		a.news.due = time.After(gather)
	}
}

// spread tells all processes m, and keeps it for those that attach later.
func (a *agent) spread(m wire.Message) {
	a.tellFinished()
	a.news.rest = append(a.news.rest, m)
	a.broadcast(m)
}

// tellFinished tells of the finished ranks that nobody has heard of yet.
func (a *agent) tellFinished() {
	n := &a.news
	n.due = nil
	if n.told < len(n.finished) {
		a.broadcast(&wire.Gone{Ranks: n.finished[n.told:], Finished: true})
		n.told = len(n.finished)
	}
}

// attach takes p's first word, and tells it what it has missed.
func (a *agent) attach(p *process) {
	if p.attached {
		return
	}
	p.attached = true
	n := &a.news
	if n.told > 0 {
		a.tell(p, &wire.Gone{Ranks: slices.Clone(n.finished[:n.told]), Finished: true}, 0)
	}
	for _, m := range n.rest {
		a.tell(p, m, 0)
	}
}

// broadcast sends m to every process that has attached.
func (a *agent) broadcast(m wire.Message) {
	var data []byte
	for _, p := range a.procs {
		if !p.attached || p.state == ended {
			continue
		}
		if data == nil {
			var err error
			if data, err = wire.Marshal(m); err != nil {
				a.link.send(&wire.Notice{Text: fmt.Sprintf("not passed on to the ranks of %s: %v", a.hostName(a.start.Host), err)})
				return
			}
		}
		p.send(procio.Packet{Data: data})
	}
}

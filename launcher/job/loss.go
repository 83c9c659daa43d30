package job

import (
	"fmt"
	"slices"
	"time"

	"gridrun/internal/wire"
)

// Hosts may be reached through others, whose relays and links theirs depend on.
// When the connection to such a host ends, or is silent, the fault may be nearer:
//
//   - The loss waits, at most for Config.Hold, until it is known whether one on
//     the way is lost too. That one is asked for a sign of life: an answer clears
//     it, as it was given after the loss; its own loss convicts it.
//   - Whoever is convicted takes along all that are reached through it: they are
//     lost in the same step, counted behind the culprit, and blamed for nothing.
//     An agent may be lost while its host's connection and relay are well (not
//     Cut): then only those go with it that have been lost too.
//   - A relay that ends by itself is a culprit of its own. Its host stays.

// A suspect is a host that is lost, or a relay, perhaps through another's fault.
type suspect struct {
	loss   HostLost
	relay  bool // it is the relay of loss.Host
	number uint32
	asked  int // who is nearer, and has been sent the Probe with this number
}

// holdLimit is the default of Config.Hold.
const holdLimit = time.Second

func (m *Machine) hostTold(e HostTold) {
	if m.known(e.Host) && !slices.ContainsFunc(e.Way, func(h int) bool { return !m.known(h) || h == e.Host }) {
		m.hosts[e.Host].way = slices.Clone(e.Way)
	}
}

// behind lists the hosts that are reached through h, and not gone.
func (m *Machine) behind(h int) (all []int) {
	for i := range m.hosts {
		if !m.hosts[i].gone && slices.Contains(m.hosts[i].way, h) {
			all = append(all, i)
		}
	}
	return all
}

// lossReported takes the loss of a host, or waits to learn who is to blame.
func (m *Machine) lossReported(e HostLost) {
	if !m.known(e.Host) || m.hosts[e.Host].gone || m.hosts[e.Host].suspected {
		return
	}
	way := m.hosts[e.Host].way
	if m.cause != nil && m.cause.kind == byLoss && e.Cut && slices.ContainsFunc(way, func(h int) bool { return m.cfg.Hosts[h] == m.cause.host }) {
		// It follows from what ends the job already.
		e.Behind = m.cause.host
		m.cause.with = append(m.cause.with, m.cfg.Hosts[e.Host])
	}
	if !e.Cut || m.cause != nil || e.GivenUp {
		m.hostLost(e)
		return
	}
	if slices.ContainsFunc(m.suspects, func(s suspect) bool { return s.relay && slices.Contains(way, s.loss.Host) }) {
		m.hosts[e.Host].suspected = true // it goes with that relay, for whose culprit we wait
		return
	}
	m.suspect(suspect{loss: e}, way)
}

// relayLost takes the end of the relay on a host.
func (m *Machine) relayLost(e RelayLost) {
	if !m.known(e.Host) || m.hosts[e.Host].unrelayed || m.cause != nil || len(m.behind(e.Host)) == 0 {
		return
	}
	m.hosts[e.Host].unrelayed = true
	m.suspect(suspect{loss: HostLost{Host: e.Host, Why: e.Why}, relay: true}, append(slices.Clone(m.hosts[e.Host].way), e.Host))
}

// suspect asks the nearest to s that is left on the way; a loss that nobody else
// can be blamed for is taken at once.
func (m *Machine) suspect(s suspect, way []int) {
	for len(way) > 0 && m.hosts[way[len(way)-1]].gone {
		way = way[:len(way)-1]
	}
	if len(way) == 0 {
		m.takeLoss(s)
		return
	}
	m.hosts[s.loss.Host].suspected = !s.relay
	m.probes++
	s.asked, s.number = way[len(way)-1], m.probes
	m.suspects = append(m.suspects, s)
	m.actions = append(m.actions, Probe{s.asked, s.number})
	m.arm(HoldTimer, m.hold())
}

func (m *Machine) hold() time.Duration {
	if m.cfg.Hold > 0 {
		return m.cfg.Hold
	}
	return holdLimit
}

// hostAlive clears a host of what it was asked for.
func (m *Machine) hostAlive(e HostAlive) {
	m.convict(func(s suspect) bool { return s.asked == e.Host && s.number <= e.Number })
}

// convict takes the losses that pick selects as what they seem to be.
func (m *Machine) convict(pick func(suspect) bool) {
	var picked []suspect
	m.suspects = slices.DeleteFunc(m.suspects, func(s suspect) bool {
		if pick(s) {
			picked = append(picked, s)
			return true
		}
		return false
	})
	if len(m.suspects) == 0 {
		delete(m.armed, HoldTimer)
	}
	slices.SortStableFunc(picked, func(a, b suspect) int { return m.distance(a) - m.distance(b) })
	for _, s := range picked {
		m.takeLoss(s)
	}
}

// distance orders suspects: the nearer one takes the other along.
func (m *Machine) distance(s suspect) int {
	d := 2 * len(m.hosts[s.loss.Host].way)
	if s.relay {
		d++
	}
	return d
}

// takeLoss takes a loss that is nobody else's fault, as far as is known.
func (m *Machine) takeLoss(s suspect) {
	if !s.relay {
		m.hostLost(s.loss)
	} else if behind := m.behind(s.loss.Host); len(behind) > 0 {
		m.lose(cause{kind: byLoss, host: m.cfg.Hosts[s.loss.Host], text: s.loss.Why, code: 125}, nil, behind)
	}
}

// hostLost ends every process of a host whose agent is gone: the guard beside
// the agent kills them. A host whose start was given up may be there for a restart.
func (m *Machine) hostLost(e HostLost) {
	h := e.Host
	if !m.known(h) || m.hosts[h].gone {
		return
	}
	m.hosts[h].lost = !e.GivenUp && e.Behind == ""
	behind := m.behind(h)
	if !e.Cut { // its connection may be well: only those that are known to be lost
		behind = slices.DeleteFunc(behind, func(b int) bool {
			return !slices.ContainsFunc(m.suspects, func(s suspect) bool {
				return !s.relay && (s.loss.Host == b || slices.Contains(m.hosts[b].way, s.loss.Host))
			})
		})
	}
	m.lose(cause{kind: byLoss, host: m.cfg.Hosts[h], text: e.Why, code: 125, behind: e.Behind}, []int{h}, behind)
}

// lose ends the processes of hosts that are lost by c, and of those behind them.
func (m *Machine) lose(c cause, lost, behind []int) {
	all := append(slices.Clone(lost), behind...)
	ranks := make([][]int, len(all))
	for i, h := range all {
		m.hosts[h].gone = true
		m.reported(h)
		ranks[i] = m.endProcs(h)
		c.ranks = append(c.ranks, ranks[i]...)
		c.unstarted = c.unstarted || !m.hosts[h].ready
		if i >= len(lost) {
			c.with = append(c.with, m.cfg.Hosts[h])
			m.actions = append(m.actions, Abandon{h})
		}
	}
	// What waited for the fate of these is answered with it.
	m.suspects = slices.DeleteFunc(m.suspects, func(s suspect) bool {
		if s.relay {
			return len(m.behind(s.loss.Host)) == 0
		}
		return m.hosts[s.loss.Host].gone
	})
	goesOn := m.outlive(c)
	if !goesOn && c.unstarted && m.cause == nil {
		m.refuse(c)
		return
	}
	if !goesOn {
		m.stop(c, 0)
	}
	// A host whose ranks have all ended may have kept what others read.
	for i, h := range all {
		if goesOn || len(ranks[i]) > 0 {
			m.broadcast(&wire.Gone{Ranks: ranks[i], Why: "host " + m.cfg.Hosts[h] + " is lost", Lost: h + 1})
		}
	}
}

// refuse notes that hosts could not be started. Others may fail for the same
// reason, and all of them shall be named.
func (m *Machine) refuse(c cause) {
	first := len(m.refused) == 0
	m.refused = append(m.refused, c)
	for _, host := range c.with {
		m.refused = append(m.refused, cause{kind: byLoss, host: host, behind: c.host, code: c.code, unstarted: true})
	}
	if first {
		m.actions = append(m.actions, Hold{})
		m.arm(GatherTimer, gatherLimit)
	}
}

// endProcs notes that the processes of a host have ended, and returns their ranks.
func (m *Machine) endProcs(h int) (ranks []int) {
	for p := range m.procs {
		if m.cfg.Procs[p].Host == h && !m.procs[p].ended {
			m.procs[p].ended = true
			m.procs[p].exit.Stop = true
			m.alive--
			ranks = append(ranks, m.cfg.Procs[p].Ranks...)
		}
	}
	return ranks
}

// along tells of the hosts that a culprit has taken along.
func along(with []string) string {
	switch n := len(with); {
	case n == 0:
		return ""
	case n == 1:
		return fmt.Sprintf("; %s behind it is lost with it", with[0])
	default:
		return fmt.Sprintf("; %d hosts behind it are lost with it", n)
	}
}

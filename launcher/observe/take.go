package observe

import (
	"fmt"
	"slices"
	"time"

	"gridrun/internal/trace"
	"gridrun/internal/wire"
	"gridrun/launcher/rankset"
	"gridrun/launcher/tally"
	"gridrun/launcher/timeline"
)

// clockLooks is how often a host's clock is asked at first, one question upon
// the other; then once in clockPause.
const (
	clockLooks = 8
	clockPause = time.Second
)

// Ask asks a host for its time, when that is of use.
func (o *Observer) Ask(send func(wire.Message)) {
	if o != nil && o.timeline != nil {
		send(&wire.Clock{Sent: o.clock.Now()})
	}
}

// Told takes a host's time and asks again.
func (o *Observer) Told(host int, m *wire.Clock, send func(wire.Message)) {
	if o == nil || o.timeline == nil {
		return
	}
	back := o.clock.Now()
	o.mu.Lock()
	o.shared[host] = o.boot != "" && m.Boot == o.boot
	o.samples[host] = append(o.samples[host], timeline.Sample{Sent: m.Sent, Here: m.Here, Back: back})
	n := len(o.samples[host])
	if n > 4*clockLooks { // of what is old, the quickest of each pair tells the most
		o.samples[host] = timeline.Thin(o.samples[host])
	}
	shared := o.shared[host]
	o.mu.Unlock()
	switch {
	case shared:
	case n < clockLooks:
		o.Ask(send)
	default:
		time.AfterFunc(clockPause, func() { o.Ask(send) })
	}
}

// Piece takes a part of what a process has recorded.
func (o *Observer) Piece(host int, m *wire.Recorded) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.pending[m.Proc]
	if p == nil {
		p = &recorded{heads: map[int][]byte{}, rings: map[int][]byte{}}
		o.pending[m.Proc] = p
	}
	most := trace.Size(o.want.Watch().Events)
	switch m.What {
	case wire.RecordHead:
		p.heads[m.Rank] = bounded(p.heads[m.Rank], m.Data, trace.HeadSize)
	case wire.RecordRing:
		p.rings[m.Rank] = bounded(p.rings[m.Rank], m.Data, most)
	case wire.RecordProfile:
		p.profile = bounded(p.profile, m.Data, maxProfile)
	}
	if m.End && !o.ended[m.Proc] {
		o.ended[m.Proc] = true
		delete(o.pending, m.Proc)
		o.add(host, m, p)
	}
}

// maxProfile bounds the profile of one process.
const maxProfile = 256 << 20

// bounded appends, but not beyond what there can be.
func bounded(to, data []byte, most int) []byte {
	if len(to)+len(data) > most {
		return to
	}
	return append(to, data...)
}

// add takes a whole process. Called with o.mu held.
func (o *Observer) add(host int, end *wire.Recorded, p *recorded) {
	ranks := o.plan.Procs[end.Proc].Ranks
	name := o.plan.Hosts[host].Name
	started := end.Began > 0
	defer func() {
		if started {
			o.stats.Process(tally.Process{Ranks: ranks, CPU: end.Exit.CPU, RSS: end.Exit.RSS})
		}
	}()
	if o.profile != nil && started {
		var err error
		switch {
		case len(p.profile) > 0:
			err = o.profile.Add(p.profile, name, ranks)
		case end.Exit.Code != 0:
			err = fmt.Errorf("no profile of %s, which did not end well", rankset.Label(ranks))
		default:
			err = fmt.Errorf("no profile of %s, which %s not use rt, or left without returning from its body", rankset.Label(ranks), do(ranks))
		}
		if err != nil {
			o.trouble(err.Error())
		}
	}
	if !o.want.Watch().Record() {
		return
	}
	for _, rank := range ranks {
		dump, err := trace.Decode(p.heads[rank], p.rings[rank])
		if err == nil && dump != nil && dump.Rank != rank {
			err = fmt.Errorf("%w: it is rank %d's", trace.ErrMemory, dump.Rank)
		}
		if err != nil {
			o.trouble(fmt.Sprintf("what rank %d has recorded cannot be read: %v", rank, err))
			continue
		}
		if dump != nil && dump.Peak > 0 {
			end.Exit.RSS = int64(dump.Peak) // of the program alone
		}
		if started {
			o.stats.Add(tally.Rank{Rank: rank, Dump: dump, Waits: end.Waits})
		}
		if dump == nil && started {
			o.silent = append(o.silent, rank)
		}
		if o.timeline == nil {
			continue
		}
		if dump != nil && dump.Dropped > 0 {
			o.dropped[dump.Dropped] = append(o.dropped[dump.Dropped], rank)
		}
		o.timeline.Rank(timeline.Rank{Rank: rank, Host: host, HostName: name, Clock: o.line(host),
			Began: end.Began, Ended: end.Ended, Exit: end.Exit, Dump: dump, Waits: end.Waits})
	}
}

func do(ranks []int) string {
	if len(ranks) == 1 {
		return "does"
	}
	return "do"
}

// line leads from a host's time to ours, the same for all its ranks.
func (o *Observer) line(host int) timeline.Line {
	l, known := o.lines[host]
	if !known {
		if !o.shared[host] {
			var ok bool
			if l, ok = timeline.Fit(o.samples[host]); !ok {
				o.trouble(fmt.Sprintf("the clock of %s is unknown: its ranks stand wrong in time", o.plan.Hosts[host].Name))
			}
		}
		o.lines[host] = l
	}
	return l
}

func (o *Observer) trouble(text string) {
	if !slices.Contains(o.troubles, text) {
		o.troubles = append(o.troubles, text)
	}
}

package place

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gridrun/launcher/rankset"
)

// A Policy is how ranks are dealt to hosts.
type Policy struct {
	Kind     PolicyKind
	Count    int       // of PerHost
	Rankfile *Rankfile // of ByRankfile
}

// PolicyKind names a way to deal.
type PolicyKind int

const (
	BySlot     PolicyKind = iota // fill a host's slots, then the next host's
	ByNode                       // one rank to each host in turn, as long as it has slots
	PerHost                      // Count consecutive ranks to each host
	ByRankfile                   // as Rankfile says, rank by rank
)

// ParsePolicy reads slot, node or ppr:N; "" is slot.
func ParsePolicy(text string) (Policy, error) {
	switch text {
	case "", "slot":
		return Policy{}, nil
	case "node":
		return Policy{Kind: ByNode}, nil
	}
	if count, ok := strings.CutPrefix(text, "ppr:"); ok {
		count = strings.TrimSuffix(count, ":node") // Open MPI's spelling
		if n, err := strconv.ParseUint(count, 10, 31); err == nil && n > 0 && n <= MaxSlots {
			return Policy{Kind: PerHost, Count: int(n)}, nil
		}
	}
	return Policy{}, fmt.Errorf("--map-by %s is not understood; it is slot, node or ppr:N (N ranks a host); --rankfile places rank by rank", text)
}

// A Request is what Place works from.
type Request struct {
	// Hosts have all their Slots (at most MaxSlots of them count). ByRankfile
	// needs none: the file then names the hosts.
	Hosts []Host
	Policy
	// Apps holds the ranks of each program of `a : b`; 0 in a single one: all
	// slots, Count on each host, or the ranks of the file.
	Apps []int
	// Oversubscribe lets hosts take more ranks than slots, up to their MaxSlots.
	Oversubscribe bool
	// RanksPerProcess is how many ranks a process holds at most; 0 is 1, or what
	// the rankfile says.
	RanksPerProcess int
}

// Place deals ranks to hosts. The same request always gives the same plan.
func Place(q Request) (Plan, error) {
	if q.Kind == ByRankfile {
		if q.Rankfile == nil {
			return Plan{}, fmt.Errorf("no rankfile to place ranks by")
		}
		if len(q.Hosts) == 0 {
			q.Hosts = q.Rankfile.Hosts
		}
		if q.RanksPerProcess == 0 {
			q.RanksPerProcess = q.Rankfile.RanksPerProcess
		}
	}
	if len(q.Hosts) == 0 {
		return Plan{}, fmt.Errorf("no hosts to place ranks on")
	}
	if len(q.Apps) == 0 {
		return Plan{}, fmt.Errorf("no program to place")
	}
	q.Hosts = slices.Clone(q.Hosts)
	slots := 0
	for i := range q.Hosts {
		h := &q.Hosts[i]
		if h.Slots < 1 {
			return Plan{}, fmt.Errorf("host %v has %d slots", *h, h.Slots)
		}
		if h.MaxSlots > 0 {
			h.Slots = min(h.Slots, h.MaxSlots)
		}
		slots += h.Slots
	}
	if q.Kind == PerHost && q.Count < 1 {
		return Plan{}, fmt.Errorf("%d ranks a host; it is at least 1", q.Count)
	}
	np := 0
	for i, n := range q.Apps {
		switch {
		case n == 0 && len(q.Apps) == 1:
			n = slots
			switch q.Kind {
			case PerHost:
				n = q.Count * len(q.Hosts)
			case ByRankfile:
				n = len(q.Rankfile.host)
			}
		case n < 1 || n > rankset.MaxRank:
			return Plan{}, fmt.Errorf("program %d of %d has %d ranks; each needs its own -np of 1 to %d", i+1, len(q.Apps), n, rankset.MaxRank)
		}
		np += n
	}
	if np > rankset.MaxRank {
		return Plan{}, fmt.Errorf("%d ranks in all; a job has at most %d", np, rankset.MaxRank)
	}
	hosts, err := q.deal(np)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Hosts: q.Hosts, NP: np, Procs: q.gather(hosts)}, nil
}

// room is how many of np ranks a host takes at most.
func (q Request) room(h Host, np int) int {
	switch {
	case !q.Oversubscribe:
		return h.Slots
	case h.MaxSlots > 0:
		return h.MaxSlots
	}
	return np
}

// deal returns the host of every rank.
func (q Request) deal(np int) ([]int, error) {
	room, slots := 0, 0
	for _, h := range q.Hosts {
		room += q.room(h, np)
		slots += h.Slots
	}
	switch {
	case q.Kind == ByRankfile:
		return q.dealByFile(np)
	case np > room && q.Oversubscribe:
		return nil, fmt.Errorf("%d ranks do not fit in the %d max_slots of %s; use fewer ranks or a larger max_slots", np, room, hostNames(q.Hosts))
	case np > room:
		return nil, fmt.Errorf("%d ranks do not fit in the %d slots of %s; use fewer ranks, more slots or --oversubscribe", np, slots, hostNames(q.Hosts))
	case q.Kind == PerHost:
		return q.dealPerHost(np)
	}
	hosts := make([]int, 0, np)
	has := make([]int, len(q.Hosts))
	give := func(h, n int) bool {
		n = min(n, q.room(q.Hosts[h], np)-has[h], np-len(hosts))
		for range n {
			hosts = append(hosts, h)
		}
		has[h] += n
		return n > 0
	}
	// Each round fills every slot once; only oversubscribed jobs need a second.
	for len(hosts) < np {
		if q.Kind == BySlot {
			for h := range q.Hosts {
				give(h, q.Hosts[h].Slots)
			}
			continue
		}
		for turn, dealt := 0, true; dealt; turn++ {
			dealt = false
			for h := range q.Hosts {
				if turn < q.Hosts[h].Slots && give(h, 1) {
					dealt = true
				}
			}
		}
	}
	return hosts, nil
}

func (q Request) dealPerHost(np int) ([]int, error) {
	if np > q.Count*len(q.Hosts) {
		return nil, fmt.Errorf("%d ranks at %d a host need %d hosts, there are %d", np, q.Count, (np+q.Count-1)/q.Count, len(q.Hosts))
	}
	hosts := make([]int, np)
	for r := range hosts {
		h := r / q.Count
		if host := q.Hosts[h]; q.Count > q.room(host, q.Count) {
			return nil, fmt.Errorf("--map-by ppr:%d wants more: %w", q.Count, q.tooMany(host, q.Count))
		}
		hosts[r] = h
	}
	return hosts, nil
}

// dealByFile finds the hosts of the rankfile in the list.
func (q Request) dealByFile(np int) ([]int, error) {
	f := q.Rankfile
	if np != len(f.host) {
		return nil, fmt.Errorf("%s places %d ranks, and the job has %d; give one of them, or the same in both", f.name, len(f.host), np)
	}
	at := make(map[string]int, len(q.Hosts))
	for i, h := range q.Hosts {
		at[h.Name] = i
	}
	index := make([]int, len(f.Hosts)) // in the list, of each host of the file
	for i, h := range f.Hosts {
		j, ok := at[h.Name]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s:%d: host %v is not among %s", f.name, f.first[i], h, hostNames(q.Hosts))
		case h.User != "" && h.User != q.Hosts[j].User, h.Port != 0 && h.Port != q.Hosts[j].Port:
			return nil, fmt.Errorf("%s:%d: host %v is %v in the host list; leave user and port out or write the same", f.name, f.first[i], h, q.Hosts[j])
		case h.Slots > q.room(q.Hosts[j], h.Slots):
			return nil, fmt.Errorf("%s: %w", f.name, q.tooMany(q.Hosts[j], h.Slots))
		}
		index[i] = j
	}
	hosts := make([]int, np)
	for r, i := range f.host {
		hosts[r] = index[i]
	}
	return hosts, nil
}

// tooMany says that a host has no room for n ranks.
func (q Request) tooMany(h Host, n int) error {
	if q.Oversubscribe {
		return fmt.Errorf("host %v takes %d ranks at most (max_slots), not %d", h, h.MaxSlots, n)
	}
	return fmt.Errorf("host %v has %d slots, not %d; give it more or use --oversubscribe", h, h.Slots, n)
}

// gather makes processes: up to RanksPerProcess ranks of one host and program.
func (q Request) gather(hosts []int) []Proc {
	type key struct{ host, app int }
	per := max(q.RanksPerProcess, 1)
	var procs []Proc
	open := map[key]int{} // the process that still takes ranks
	app, end := 0, len(hosts)
	if len(q.Apps) > 1 {
		end = q.Apps[0]
	}
	for r, h := range hosts {
		for r >= end {
			app++
			end += q.Apps[app]
		}
		k := key{h, app}
		p, ok := open[k]
		if !ok || len(procs[p].Ranks) == per {
			p = len(procs)
			open[k] = p
			procs = append(procs, Proc{Host: h, App: app})
		}
		procs[p].Ranks = append(procs[p].Ranks, r)
		if q.Kind == ByRankfile && q.Rankfile.CPUs[r] != nil {
			procs[p].CPUs = procs[p].CPUs.Union(q.Rankfile.CPUs[r])
		}
	}
	return procs
}

// hostNames is short: one host by its name, few folded, many counted.
func hostNames(hosts []Host) string {
	if len(hosts) == 1 {
		return "host " + hosts[0].String()
	}
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	if text := FoldHosts(names); len(text) <= 60 {
		return "hosts " + text
	}
	return fmt.Sprintf("%d hosts", len(hosts))
}

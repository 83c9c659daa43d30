package place

import (
	"fmt"
	"strconv"
	"strings"

	"gridrun/launcher/rankset"
)

// A Policy is how ranks are dealt to hosts.
type Policy struct {
	Kind  PolicyKind
	Count int // of PerHost
}

// PolicyKind names a way to deal.
type PolicyKind int

const (
	BySlot  PolicyKind = iota // fill a host's slots, then the next host's
	ByNode                    // one rank to each host in turn, as long as it has slots
	PerHost                   // Count consecutive ranks to each host
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
	return Policy{}, fmt.Errorf("--map-by %s is not understood; it is slot, node or ppr:N (N ranks a host)", text)
}

// A Request is what Place works from.
type Request struct {
	Hosts []Host // every one with its Slots
	Policy
	// Apps holds the ranks of each program of `a : b`; 0 in a single one: all slots.
	Apps []int
	// Oversubscribe lets hosts take more ranks than slots.
	Oversubscribe bool
	// RanksPerProcess is how many ranks a process holds at most; 0 is 1.
	RanksPerProcess int
}

// A Proc is one process of the job: ranks of one program on one host.
type Proc struct {
	Host, App int
	Ranks     []int // ascending
}

// A Plan is every rank's place. Processes stand in the order of their first rank.
type Plan struct {
	Hosts []Host
	Procs []Proc
	NP    int
}

// Place deals ranks to hosts. The same request always gives the same plan.
func Place(q Request) (Plan, error) {
	if len(q.Hosts) == 0 {
		return Plan{}, fmt.Errorf("no hosts to place ranks on")
	}
	if len(q.Apps) == 0 {
		return Plan{}, fmt.Errorf("no program to place")
	}
	slots := 0
	for _, h := range q.Hosts {
		if h.Slots < 1 {
			return Plan{}, fmt.Errorf("host %s has %d slots", h.Name, h.Slots)
		}
		slots += h.Slots
	}
	np := 0
	for i, n := range q.Apps {
		switch {
		case n == 0 && len(q.Apps) == 1:
			n = slots
			if q.Kind == PerHost {
				n = q.Count * len(q.Hosts)
			}
		case n < 1 || n > rankset.MaxRank:
			return Plan{}, fmt.Errorf("program %d of %d has %d ranks; each needs its own -np of 1 to %d", i+1, len(q.Apps), n, rankset.MaxRank)
		}
		np += n
	}
	hosts, err := q.deal(np, slots)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Hosts: q.Hosts, NP: np, Procs: q.gather(hosts)}, nil
}

// deal returns the host of every rank.
func (q Request) deal(np, slots int) ([]int, error) {
	if np > slots && !q.Oversubscribe {
		return nil, fmt.Errorf("%d ranks do not fit in the %d slots of %s; use fewer ranks, more slots or --oversubscribe", np, slots, hostNames(q.Hosts))
	}
	if q.Kind == PerHost {
		return q.dealPerHost(np)
	}
	hosts := make([]int, 0, np)
	// Each round fills every slot once; only oversubscribed jobs need a second.
	for len(hosts) < np {
		if q.Kind == BySlot {
			for h := range q.Hosts {
				for range min(q.Hosts[h].Slots, np-len(hosts)) {
					hosts = append(hosts, h)
				}
			}
			continue
		}
		for turn, dealt := 0, true; dealt; turn++ {
			dealt = false
			for h := range q.Hosts {
				if turn < q.Hosts[h].Slots && len(hosts) < np {
					hosts, dealt = append(hosts, h), true
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
		if q.Count > q.Hosts[h].Slots && !q.Oversubscribe {
			return nil, fmt.Errorf("host %s has %d slots, --map-by ppr:%d wants more; use --oversubscribe", q.Hosts[h].Name, q.Hosts[h].Slots, q.Count)
		}
		hosts[r] = h
	}
	return hosts, nil
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
	}
	return procs
}

func hostNames(hosts []Host) string {
	if len(hosts) == 1 {
		return "host " + hosts[0].Name
	}
	return fmt.Sprintf("%d hosts", len(hosts))
}

// Text shows the plan, a line for each host and program in the order of hosts:
//
//	node1: ranks 0-46: windshear --out d
//	node2: ranks 47-92, 4 a process: windshear --out d
//
// programs names each program of the job.
func (p Plan) Text(programs []string) string {
	var b strings.Builder
	for h, host := range p.Hosts {
		for app, program := range programs {
			var ranks []int
			procs, per := 0, 0
			for _, proc := range p.Procs {
				if proc.Host == h && proc.App == app {
					ranks = append(ranks, proc.Ranks...)
					procs, per = procs+1, max(per, len(proc.Ranks))
				}
			}
			if procs == 0 {
				continue
			}
			fmt.Fprintf(&b, "%s: %s", host.Name, rankset.Label(ranks))
			if per > 1 {
				fmt.Fprintf(&b, ", %d a process", per)
			}
			fmt.Fprintf(&b, ": %s\n", program)
		}
	}
	return b.String()
}

package tally

import (
	"cmp"
	"slices"

	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

// A Rank is what is known of one rank.
type Rank struct {
	Rank  int
	Dump  *trace.Dump // nil: it does not use rt
	Waits []wire.Wait // what it was blocked in when it died
}

// A Process is what the kernel says of one. Its ranks share it.
type Process struct {
	Ranks []int
	CPU   int64 // nanoseconds
	RSS   int64 // peak bytes
}

// An Operation is what all ranks have done by one operation.
type Operation struct {
	Name        string
	Collective  bool
	Calls       uint64 // of a collective: by all ranks together
	Bytes       uint64 // the buffers of these calls; of a message: its bytes
	Sent        [trace.Classes]trace.Count
	Waits       uint64
	Blocked     uint64 // nanoseconds, all ranks together
	MostBlocked uint64 // of one rank,
	MostRank    int    // this one
}

// A Wait is one of the longest.
type Wait struct {
	Rank       int
	Operation  string
	Peer       int // -1: any or none
	Tag        int // -1: any or none
	Group      uint64
	Nanos      int64
	Unfinished bool // the rank died in it
}

// Tally is the sum. The zero value is empty.
type Tally struct {
	Ranks      int   // that have counted
	Silent     []int // those that do not use rt
	Operations []Operation
	Longest    []Wait
	Reads      trace.Reads
	Processes  int
	CPU, RSS   int64 // sums
	MostCPU    int64
	MostCPUOf  []int
	MostRSS    int64
	MostRSSOf  []int
}

// keep is how many of the longest waits are shown.
const keep = 10

// Process adds a process.
func (t *Tally) Process(p Process) {
	t.Processes++
	t.CPU += p.CPU
	t.RSS += p.RSS
	if p.CPU > t.MostCPU || t.MostCPUOf == nil {
		t.MostCPU, t.MostCPUOf = p.CPU, p.Ranks
	}
	if p.RSS > t.MostRSS || t.MostRSSOf == nil {
		t.MostRSS, t.MostRSSOf = p.RSS, p.Ranks
	}
}

// Add adds a rank.
func (t *Tally) Add(r Rank) {
	if r.Dump == nil {
		t.Silent = append(t.Silent, r.Rank)
		slices.Sort(t.Silent)
		return
	}
	t.Ranks++
	blocked := [trace.MaxOps]uint64{}
	waits := [trace.MaxOps]uint64{}
	for op, n := range r.Dump.Ops {
		blocked[op], waits[op] = n.Blocked, n.Waits
	}
	for _, w := range r.Dump.Longest {
		t.wait(Wait{Rank: r.Rank, Operation: engine.Op(w.Op).String(), Peer: int(w.Peer), Tag: int(w.Tag), Group: w.Group, Nanos: w.Nanos})
	}
	for _, w := range r.Waits {
		if w.Rank != r.Rank || w.Since < 0 {
			continue
		}
		t.wait(Wait{Rank: r.Rank, Operation: w.Op, Peer: w.Peer, Tag: int(w.Tag), Group: w.Group, Nanos: w.Since, Unfinished: true})
		if op, ok := engine.OpNamed(w.Op); ok {
			blocked[op] += uint64(w.Since)
			waits[op]++
		}
	}
	for op := range trace.MaxOps {
		n, sent := r.Dump.Ops[op], r.Dump.Sent[op]
		if n.Calls == 0 && waits[op] == 0 && sent == ([trace.Classes]trace.Count{}) {
			continue
		}
		o := t.operation(engine.Op(op))
		o.Calls += n.Calls
		o.Bytes += n.Bytes
		o.Waits += waits[op]
		for c := range sent {
			o.Sent[c].Messages += sent[c].Messages
			o.Sent[c].Bytes += sent[c].Bytes
		}
		o.Blocked += blocked[op]
		if blocked[op] > o.MostBlocked {
			o.MostBlocked, o.MostRank = blocked[op], r.Rank
		}
	}
	t.reads(r.Dump.Reads)
}

func (t *Tally) reads(n trace.Reads) {
	t.Reads.Reads += n.Reads
	t.Reads.Hits += n.Hits
	t.Reads.Remote += n.Remote
	t.Reads.Waited += n.Waited
	t.Reads.Missed += n.Missed
	t.Reads.Asked += n.Asked
	t.Reads.Moved += n.Moved
}

func (t *Tally) operation(op engine.Op) *Operation {
	name := op.String()
	for i := range t.Operations {
		if t.Operations[i].Name == name {
			return &t.Operations[i]
		}
	}
	t.Operations = append(t.Operations, Operation{Name: name, Collective: op.Collective()})
	return &t.Operations[len(t.Operations)-1]
}

func (t *Tally) wait(w Wait) {
	t.Longest = append(t.Longest, w)
	slices.SortStableFunc(t.Longest, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(b.Nanos, a.Nanos), cmp.Compare(a.Rank, b.Rank))
	})
	t.Longest = t.Longest[:min(len(t.Longest), keep)]
}

// Messages are those of the users' own calls, or of collectives, by class of pair.
func (t *Tally) Messages(collective bool) (sum [trace.Classes]trace.Count) {
	for _, o := range t.Operations {
		if o.Collective == collective {
			for c, n := range o.Sent {
				sum[c].Messages += n.Messages
				sum[c].Bytes += n.Bytes
			}
		}
	}
	return sum
}

package place

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	ab := []Host{{Name: "a", Slots: 4}, {Name: "b", Slots: 2}}
	for _, c := range []struct {
		name string
		q    Request
		want string // Text, or the error
	}{
		{"all slots", Request{Hosts: ab, Apps: []int{0}}, "a: ranks 0-3: A\nb: ranks 4-5: A\n"},
		{"slot", Request{Hosts: ab, Apps: []int{5}}, "a: ranks 0-3: A\nb: rank 4: A\n"},
		{"node", Request{Hosts: ab, Apps: []int{6}, Policy: Policy{Kind: ByNode}}, "a: ranks 0,2,4-5: A\nb: ranks 1,3: A\n"},
		{"ppr", Request{Hosts: ab, Apps: []int{0}, Policy: Policy{Kind: PerHost, Count: 2}}, "a: ranks 0-1: A\nb: ranks 2-3: A\n"},
		{"ppr too few hosts", Request{Hosts: ab, Apps: []int{5}, Policy: Policy{Kind: PerHost, Count: 2}}, "5 ranks at 2 a host need 3 hosts, there are 2"},
		{"ppr too few slots", Request{Hosts: ab, Apps: []int{6}, Policy: Policy{Kind: PerHost, Count: 3}}, "--map-by ppr:3 wants more: host b has 2 slots, not 3; give it more or use --oversubscribe"},
		{"full", Request{Hosts: ab, Apps: []int{7}}, "7 ranks do not fit in the 6 slots of hosts a,b; use fewer ranks, more slots or --oversubscribe"},
		{"full, one host", Request{Hosts: ab[:1], Apps: []int{7}}, "7 ranks do not fit in the 4 slots of host a; use fewer ranks, more slots or --oversubscribe"},
		{"over", Request{Hosts: ab, Apps: []int{8}, Oversubscribe: true}, "a: ranks 0-3,6-7: A\nb: ranks 4-5: A\n"},
		{"over a bound", Request{Hosts: []Host{{Name: "a", Slots: 2, MaxSlots: 3}, {Name: "b", Slots: 1}}, Apps: []int{8}, Oversubscribe: true}, "a: ranks 0-1,3: A\nb: ranks 2,4-7: A\n"},
		{"over a bound, node", Request{Hosts: []Host{{Name: "a", Slots: 2, MaxSlots: 3}, {Name: "b", Slots: 2}}, Apps: []int{8}, Policy: Policy{Kind: ByNode}, Oversubscribe: true}, "a: ranks 0,2,4: A\nb: ranks 1,3,5-7: A\n"},
		{"over all bounds", Request{Hosts: []Host{{Name: "a", Slots: 2, MaxSlots: 3}}, Apps: []int{4}, Oversubscribe: true}, "4 ranks do not fit in the 3 max_slots of host a; use fewer ranks or a larger max_slots"},
		{"ppr over a bound", Request{Hosts: []Host{{Name: "a", Slots: 2, MaxSlots: 3}}, Apps: []int{4}, Policy: Policy{Kind: PerHost, Count: 4}, Oversubscribe: true}, "4 ranks do not fit in the 3 max_slots of host a; use fewer ranks or a larger max_slots"},
		{"ppr over one bound", Request{Hosts: []Host{{Name: "a", Slots: 2, MaxSlots: 3}, {Name: "b", Slots: 9}}, Apps: []int{4}, Policy: Policy{Kind: PerHost, Count: 4}, Oversubscribe: true}, "--map-by ppr:4 wants more: host a takes 3 ranks at most (max_slots), not 4"},
		{"bound below the slots", Request{Hosts: []Host{{Name: "a", Slots: 8, MaxSlots: 3}}, Apps: []int{0}}, "a: ranks 0-2: A\n"},
		{"user and port", Request{Hosts: []Host{{Name: "::1", User: "bob", Port: 22, Slots: 1}}, Apps: []int{0}}, "bob@[::1]:22: rank 0: A\n"},
		{"ppr of nothing", Request{Hosts: ab, Apps: []int{1}, Policy: Policy{Kind: PerHost}}, "0 ranks a host; it is at least 1"},
		{"rankfile that is not there", Request{Hosts: ab, Apps: []int{1}, Policy: Policy{Kind: ByRankfile}}, "no rankfile to place ranks by"},
		{"two programs", Request{Hosts: ab, Apps: []int{3, 3}}, "a: ranks 0-2: A\na: rank 3: B\nb: ranks 4-5: B\n"},
		{"two programs, one without ranks", Request{Hosts: ab, Apps: []int{3, 0}}, "program 2 of 2 has 0 ranks; each needs its own -np of 1 to 1048576"},
		{"together", Request{Hosts: ab, Apps: []int{6}, RanksPerProcess: 3}, "a: ranks 0-3, 3 a process: A\nb: ranks 4-5, 2 a process: A\n"},
		{"no hosts", Request{Apps: []int{1}}, "no hosts to place ranks on"},
		{"no program", Request{Hosts: ab}, "no program to place"},
		{"no slots", Request{Hosts: []Host{{Name: "a"}}, Apps: []int{1}}, "host a has 0 slots"},
		{"too many in all", Request{Hosts: ab, Apps: []int{1 << 20, 1}, Oversubscribe: true}, "1048577 ranks in all; a job has at most 1048576"},
		{"many hosts", Request{Hosts: manyHosts(30), Apps: []int{31}}, "31 ranks do not fit in the 30 slots of 30 hosts; use fewer ranks, more slots or --oversubscribe"},
		{"negative", Request{Hosts: ab, Apps: []int{-1}}, "program 1 of 1 has -1 ranks; each needs its own -np of 1 to 1048576"},
	} {
		plan, err := Place(c.q)
		got := plan.Text([]string{"A", "B"}[:max(len(c.q.Apps), 1)])
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// manyHosts have names that do not fold.
func manyHosts(n int) (hosts []Host) {
	for i := range n {
		hosts = append(hosts, Host{Name: string(rune('a'+i%26)) + strings.Repeat("x", i/26), Slots: 1})
	}
	return hosts
}

// randomRequest has small numbers, so that bounds are often met.
func randomRequest(rnd *rand.Rand) Request {
	q := Request{
		Policy:          Policy{Kind: PolicyKind(rnd.IntN(4)), Count: 1 + rnd.IntN(5)},
		Oversubscribe:   rnd.IntN(2) == 0,
		RanksPerProcess: rnd.IntN(5),
	}
	for h := range 1 + rnd.IntN(6) {
		host := Host{Name: fmt.Sprint("h", h), Slots: 1 + rnd.IntN(8)}
		switch rnd.IntN(4) {
		case 0:
			host.MaxSlots = host.Slots + rnd.IntN(4)
		case 1:
			host.User, host.Port = "bob", rnd.IntN(3)
		}
		q.Hosts = append(q.Hosts, host)
	}
	np := 0
	for range 1 + rnd.IntN(3) {
		n := 1 + rnd.IntN(20)
		q.Apps = append(q.Apps, n)
		np += n
	}
	if q.Kind == ByRankfile {
		var lines []string
		for r := range np {
			lines = append(lines, fmt.Sprintf("rank %d=%v", r, q.Hosts[rnd.IntN(len(q.Hosts))]))
		}
		rnd.Shuffle(np, func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		f, err := ParseRankfile("ranks", strings.NewReader(strings.Join(lines, "\n")))
		if err != nil {
			panic(err)
		}
		q.Rankfile = f
	}
	return q
}

// TestPlaceProperties checks what must hold for any request that is accepted.
func TestPlaceProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 5))
	accepted := map[PolicyKind]int{}
	for i := range 4000 {
		q := randomRequest(rnd)
		plan, err := Place(q)
		if err != nil {
			continue
		}
		accepted[q.Kind]++
		again, _ := Place(q)
		if !reflect.DeepEqual(plan, again) {
			t.Fatalf("case %d: two plans for one request", i)
		}
		checkPlan(t, q, plan)
		checkOrder(t, q, plan)
		checkReadBack(t, q, plan)
		if t.Failed() {
			t.Fatalf("case %d: %+v", i, q)
		}
	}
	for kind := range ByRankfile + 1 {
		if accepted[kind] < 100 {
			t.Errorf("policy %d: only %d requests were accepted", kind, accepted[kind])
		}
	}
}

// checkPlan: every rank is placed once, in processes that are in order, and no
// host or program has more than it may.
func checkPlan(t *testing.T, q Request, plan Plan) {
	seen := make([]int, plan.NP)
	onHost := make([]int, len(q.Hosts))
	apps := make([]int, len(q.Apps))
	first := -1
	for _, p := range plan.Procs {
		if len(p.Ranks) == 0 || len(p.Ranks) > max(q.RanksPerProcess, 1) {
			t.Errorf("process with ranks %v", p.Ranks)
		}
		if p.Ranks[0] <= first {
			t.Errorf("processes out of order")
		}
		first = p.Ranks[0]
		if !slices.IsSorted(p.Ranks) {
			t.Errorf("ranks %v do not ascend", p.Ranks)
		}
		for _, r := range p.Ranks {
			seen[r]++
			onHost[p.Host]++
			apps[p.App]++
		}
	}
	for r, n := range seen {
		if n != 1 {
			t.Errorf("rank %d placed %d times", r, n)
		}
	}
	if !slices.Equal(apps, q.Apps) {
		t.Errorf("programs have %v ranks, asked %v", apps, q.Apps)
	}
	for h, n := range onHost {
		host := q.Hosts[h]
		if n > host.Slots && !q.Oversubscribe {
			t.Errorf("%d ranks on %d slots", n, host.Slots)
		}
		if n > host.MaxSlots && host.MaxSlots > 0 {
			t.Errorf("%d ranks on a host of max_slots %d", n, host.MaxSlots)
		}
		if q.Kind == PerHost && n > q.Count {
			t.Errorf("%d ranks on a host at ppr:%d", n, q.Count)
		}
	}
}

// hostsOf is the host of each rank.
func hostsOf(plan Plan) []int {
	hosts := make([]int, plan.NP)
	for _, p := range plan.Procs {
		for _, r := range p.Ranks {
			hosts[r] = p.Host
		}
	}
	return hosts
}

// checkOrder: ranks stand as the policy says. What oversubscribed ranks get after
// the slots are full has its own cases in TestPlace.
func checkOrder(t *testing.T, q Request, plan Plan) {
	hosts := hostsOf(plan)
	slots := 0
	for _, h := range q.Hosts {
		slots += h.Slots
	}
	within := hosts[:min(len(hosts), slots)]
	has := make([]int, len(q.Hosts))
	for r, h := range within {
		if has[h] == q.Hosts[h].Slots && (q.Kind == BySlot || q.Kind == ByNode) {
			t.Errorf("rank %d is on host %d, which is full, and others are not", r, h)
		}
		switch q.Kind {
		case BySlot: // no earlier host has room
			for e := range h {
				if has[e] < q.Hosts[e].Slots {
					t.Errorf("by slot: rank %d is on host %d, and host %d has room", r, h, e)
				}
			}
		case ByNode: // no host that has room has fewer ranks, nor an earlier one as few
			for o := range q.Hosts {
				if has[o] < q.Hosts[o].Slots && (has[o] < has[h] || o < h && has[o] == has[h]) {
					t.Errorf("by node: rank %d is on host %d, and it is the turn of host %d", r, h, o)
				}
			}
		case PerHost:
			if h != r/q.Count {
				t.Errorf("ppr:%d: rank %d is on host %d", q.Count, r, h)
			}
		case ByRankfile:
			if name := q.Rankfile.Hosts[q.Rankfile.host[r]].Name; name != q.Hosts[h].Name {
				t.Errorf("by rankfile: rank %d is on host %d, not on %s", r, h, name)
			}
		}
		has[h]++
	}
}

// checkReadBack: the text of a plan, read as a rankfile, gives the plan.
func checkReadBack(t *testing.T, q Request, plan Plan) {
	programs := []string{"a --x: rank 3", "'b # c\n'", ""}[:len(q.Apps)]
	text := plan.Text(programs)
	file, err := ParseRankfile("plan", strings.NewReader(text))
	if err != nil {
		t.Errorf("%v in\n%s", err, text)
		return
	}
	q.Policy, q.RanksPerProcess = Policy{Kind: ByRankfile, Rankfile: file}, 0
	again, err := Place(q)
	if err != nil || !reflect.DeepEqual(again, plan) {
		t.Errorf("%v, another plan from\n%s", err, text)
	}
	q.Hosts, q.Oversubscribe = nil, false
	alone, err := Place(q)
	if err != nil || alone.Text(programs) != text {
		t.Errorf("%v, without hosts it reads\n%s", err, text)
	}
}

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]Policy{"": {}, "slot": {}, "node": {Kind: ByNode}, "ppr:3": {Kind: PerHost, Count: 3}, "ppr:2:node": {Kind: PerHost, Count: 2}} {
		if got, err := ParsePolicy(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"core", "ppr:", "ppr:0", "ppr:-1", "ppr:99999999", "node:1"} {
		if _, err := ParsePolicy(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

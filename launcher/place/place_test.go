package place

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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
		{"ppr", Request{Hosts: ab, Apps: []int{0}, Policy: Policy{PerHost, 2}}, "a: ranks 0-1: A\nb: ranks 2-3: A\n"},
		{"ppr too few hosts", Request{Hosts: ab, Apps: []int{5}, Policy: Policy{PerHost, 2}}, "5 ranks at 2 a host need 3 hosts, there are 2"},
		{"ppr too few slots", Request{Hosts: ab, Apps: []int{6}, Policy: Policy{PerHost, 3}}, "host b has 2 slots, --map-by ppr:3 wants more; use --oversubscribe"},
		{"full", Request{Hosts: ab, Apps: []int{7}}, "7 ranks do not fit in the 6 slots of 2 hosts; use fewer ranks, more slots or --oversubscribe"},
		{"full, one host", Request{Hosts: ab[:1], Apps: []int{7}}, "7 ranks do not fit in the 4 slots of host a; use fewer ranks, more slots or --oversubscribe"},
		{"over", Request{Hosts: ab, Apps: []int{8}, Oversubscribe: true}, "a: ranks 0-3,6-7: A\nb: ranks 4-5: A\n"},
		{"two programs", Request{Hosts: ab, Apps: []int{3, 3}}, "a: ranks 0-2: A\na: rank 3: B\nb: ranks 4-5: B\n"},
		{"two programs, one without ranks", Request{Hosts: ab, Apps: []int{3, 0}}, "program 2 of 2 has 0 ranks; each needs its own -np of 1 to 1048576"},
		{"together", Request{Hosts: ab, Apps: []int{6}, RanksPerProcess: 3}, "a: ranks 0-3, 3 a process: A\nb: ranks 4-5, 2 a process: A\n"},
		{"no hosts", Request{Apps: []int{1}}, "no hosts to place ranks on"},
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

// TestPlaceProperties checks what must hold for any request that is accepted.
func TestPlaceProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 5))
	accepted := 0
	for i := range 3000 {
		q := Request{
			Policy:          Policy{PolicyKind(rnd.IntN(3)), 1 + rnd.IntN(5)},
			Oversubscribe:   rnd.IntN(2) == 0,
			RanksPerProcess: rnd.IntN(5),
		}
		slots := 0
		for h := range 1 + rnd.IntN(6) {
			q.Hosts = append(q.Hosts, Host{Name: fmt.Sprint("h", h), Slots: 1 + rnd.IntN(8)})
			slots += q.Hosts[h].Slots
		}
		for range 1 + rnd.IntN(3) {
			q.Apps = append(q.Apps, 1+rnd.IntN(20))
		}
		plan, err := Place(q)
		if err != nil {
			continue
		}
		accepted++
		again, _ := Place(q)
		if !reflect.DeepEqual(plan, again) {
			t.Fatalf("case %d: two plans for one request", i)
		}
		seen := make([]int, plan.NP)
		onHost := make([]int, len(q.Hosts))
		apps := make([]int, len(q.Apps))
		first := -1
		for _, p := range plan.Procs {
			if len(p.Ranks) == 0 || len(p.Ranks) > max(q.RanksPerProcess, 1) {
				t.Fatalf("case %d: process with ranks %v", i, p.Ranks)
			}
			if p.Ranks[0] <= first {
				t.Fatalf("case %d: processes out of order", i)
			}
			first = p.Ranks[0]
			for j, r := range p.Ranks {
				if j > 0 && r <= p.Ranks[j-1] {
					t.Fatalf("case %d: ranks %v do not ascend", i, p.Ranks)
				}
				seen[r]++
				onHost[p.Host]++
				apps[p.App]++
			}
		}
		for r, n := range seen {
			if n != 1 {
				t.Fatalf("case %d: rank %d placed %d times", i, r, n)
			}
		}
		if !reflect.DeepEqual(apps, q.Apps) {
			t.Fatalf("case %d: programs have %v ranks, asked %v", i, apps, q.Apps)
		}
		for h, n := range onHost {
			if n > q.Hosts[h].Slots && !q.Oversubscribe {
				t.Fatalf("case %d: %d ranks on %d slots", i, n, q.Hosts[h].Slots)
			}
			if q.Kind == PerHost && n > q.Count {
				t.Fatalf("case %d: %d ranks on a host at ppr:%d", i, n, q.Count)
			}
		}
	}
	if accepted < 500 {
		t.Fatalf("only %d requests of 3000 were accepted", accepted)
	}
}

func TestParsePolicy(t *testing.T) {
	for text, want := range map[string]Policy{"": {}, "slot": {}, "node": {Kind: ByNode}, "ppr:3": {PerHost, 3}, "ppr:2:node": {PerHost, 2}} {
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

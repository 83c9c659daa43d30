package place

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseRankfile(t *testing.T) {
	for _, c := range []struct {
		text   string
		plan   string // placed without a host list
		cpus   string // of all ranks
		per    int
		notice string
	}{
		{"rank 0=a\nrank 1=b\n", "a: rank 0: p\nb: rank 1: p\n", "[ ]", 0, ""},
		{"# ours\r\n\r\nrank 1 = a slot=3 # third\r\nrank 0=b slot = 0\r\n", "a: rank 1, CPUs 3: p\nb: rank 0, CPUs 0: p\n", "[0 3]", 0, ""},
		{"\ufeffranks 0-2,4=bob@a:22\nrank 3=[::1]:23", "bob@a:22: ranks 0-2,4: p\n[::1]:23: rank 3: p\n", "[    ]", 0, ""},
		{"a: ranks 0-3, 2 a process: x: y # z\n::1: rank 4: x", "a: ranks 0-3, 2 a process: p\n::1: rank 4: p\n", "[    ]", 2, ""},
		{"a: ranks 0-1", "a: ranks 0-1: p\n", "[ ]", 0, ""},
		{"rank 1=a\nb: rank 0:", "a: rank 1: p\nb: rank 0: p\n", "[ ]", 0, ""},
		{"rank 0=a slot=0:1\nranks 1-2=a slot=1-2,5\nrank 3=a slot=7", "a: rank 0: p\na: ranks 1-2, CPUs 1-2,5: p\na: rank 3, CPUs 7: p\n", "[ 1-2,5 1-2,5 7]", 0, "f: slot=0:1 (rank 0) is no list of CPUs like 0-3,8 and is ignored"},
	} {
		f, err := ParseRankfile("f", strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		plan, err := Place(Request{Policy: Policy{Kind: ByRankfile, Rankfile: f}, Apps: []int{0}})
		if got := plan.Text([]string{"p"}); err != nil || got != c.plan {
			t.Errorf("%q: %q, %v, want %q", c.text, got, err, c.plan)
		}
		if fmt.Sprint(f.CPUs) != c.cpus || f.RanksPerProcess != c.per || f.Notice != c.notice {
			t.Errorf("%q: %v, %d, %q", c.text, f.CPUs, f.RanksPerProcess, f.Notice)
		}
	}
}

func TestParseRankfileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "f places no rank; a line is `rank 0=node1`",
		"rank 0=a\nrank 3=a":     "f gives no host to ranks 1-2; it must place each rank from 0 to 3",
		"rank 0=a\n\nrank 0=b":   "f:3: rank 0 is placed in line 1 already",
		"rank 0-65536=a":         "f:1: host a has 65537 ranks with this line; 65536 is the most that a host has",
		"node1 slots=2":          "f:1: \"node1\" is not understood; a line is `rank 3=node2 slot=1`, or one that --dry-run prints",
		"rank":                   "f:1: \"rank\" is all of the line; it is `rank 3=node2`",
		"rank 3 node1":           `f:1: "3" is no rank and host; write it as in 3=node2`,
		"rank =a":                "f:1: \"rank=a\" is not understood; a line is `rank 3=node2 slot=1`, or one that --dry-run prints",
		"rank x=a":               `f:1: rank set "x": "x" is no rank`,
		"rank 0=":                `f:1: "" is no host name; write one like node1 or 10.0.0.7`,
		"rank 0=+n0":             `f:1: "+n0" is no host name: '+' cannot stand in one`,
		"rank 0=n[1-2]":          `f:1: "n[1-2]" is 2 hosts; a line of a rankfile has one`,
		"rank 0=a:b":             `f:1: "a:b": "b" is no port; it is a number of 1 to 65535`,
		"rank 0=a socket=1":      `f:1: "socket=1" is not understood; behind the host stands slot=N`,
		"rank 0=a slot=1 slot=2": `f:1: "slot=2": the line has its slot twice`,
		"rank 0=a\nrank 1=bob@a": `f:2: host a is bob@a here and a in line 1; it needs the same user and port wherever it stands`,
		"a: ranks 0-1, x: p":     "f:1: \"x\" is not understood; behind the ranks stands `4 a process`, `CPUs 0-3` or a colon",
		"a: ranks 1-0: p":        `f:1: rank set "1-0": range 1-0 runs backwards`,
		"a: rank : p":            "f:1: the line names no rank; it is `rank 3=node2`",
	} {
		if f, err := ParseRankfile("f", strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v\nwant %s", text, f, err, want)
		}
	}
}

// TestRankfileMeetsHosts: what the file says has to fit the host list and the
// numbers of the command line.
func TestRankfileMeetsHosts(t *testing.T) {
	f, err := ParseRankfile("f", strings.NewReader("ranks 0-2=b\nrank 3=a:22\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := Host{Name: "a", Port: 22, User: "ann", Slots: 1}
	for _, c := range []struct {
		name string
		q    Request
		want string
	}{
		{"all", Request{Hosts: []Host{a, host("b", 3)}, Apps: []int{4}}, "ann@a:22: rank 3: p\nb: ranks 0-2: p\n"},
		{"hosts to spare", Request{Hosts: []Host{host("c", 9), a, host("b", 4)}, Apps: []int{0}}, "ann@a:22: rank 3: p\nb: ranks 0-2: p\n"},
		{"no host", Request{Hosts: []Host{a, host("c", 4)}, Apps: []int{4}}, "f:1: host b is not among hosts a,c"},
		{"another port", Request{Hosts: []Host{host("a", 1), host("b", 3)}, Apps: []int{4}}, "f:2: host a:22 is a in the host list; leave user and port out or write the same"},
		{"few slots", Request{Hosts: []Host{a, host("b", 2)}, Apps: []int{4}}, "f: host b has 2 slots, not 3; give it more or use --oversubscribe"},
		{"oversubscribed", Request{Hosts: []Host{a, host("b", 2)}, Apps: []int{4}, Oversubscribe: true}, "ann@a:22: rank 3: p\nb: ranks 0-2: p\n"},
		{"oversubscribed too far", Request{Hosts: []Host{a, {Name: "b", Slots: 1, MaxSlots: 2}}, Apps: []int{4}, Oversubscribe: true}, "f: host b takes 2 ranks at most (max_slots), not 3"},
		{"other -np", Request{Hosts: []Host{a, host("b", 3)}, Apps: []int{5}}, "f places 4 ranks, and the job has 5; give one of them, or the same in both"},
		{"two programs", Request{Hosts: []Host{a, host("b", 3)}, Apps: []int{1, 3}}, "ann@a:22: rank 3: q\nb: rank 0: p\nb: ranks 1-2: q\n"},
	} {
		c.q.Policy = Policy{Kind: ByRankfile, Rankfile: f}
		plan, err := Place(c.q)
		got := plan.Text([]string{"p", "q"}[:len(c.q.Apps)])
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func FuzzRankfile(f *testing.F) {
	for _, s := range []string{
		"rank 0=a\nrank 1=b slot=1", "ranks 0-3,5=bob@a:2\nrank 4 = [::1] slot=0:1 # x",
		"a: ranks 0-3, 2 a process: prog\n\ufeff", "[fe80::1]:22: rank 0: p", "rank 2=a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ParseRankfile("f", strings.NewReader(text))
		if err != nil {
			return
		}
		q := Request{Policy: Policy{Kind: ByRankfile, Rankfile: file}, Apps: []int{0}, RanksPerProcess: 1}
		plan, err := Place(q)
		if err != nil {
			return // more ranks than a job may have
		}
		checkHosts(t, file.Hosts)
		q.Apps, q.Hosts = []int{plan.NP}, plan.Hosts
		checkPlan(t, q, plan)
		checkReadBack(t, q, plan)
	})
}

package cost

import (
	"slices"
	"strings"
	"testing"
)

// line is a curve of so much a message and so much a KiB.
func line(message, perKiB Time) Curve {
	return Curve{{0, message}, {1 << 20, message + 1024*perKiB}}
}

// machine is one where all messages cost the same however they travel.
func machine(message, perKiB Time) *Costs {
	l := Layer{Latency: line(message, perKiB), Stream: line(message, perKiB), Exchange: line(message, perKiB), Crowd: line(message, perKiB)}
	return &Costs{Cores: 2, Copy: line(0, 1), Fold: line(0, 1), Meet: message / 2, Visit: message, Mem: l, Shm: l, TCP: l}
}

func hosts(c *Costs, p int) *Group {
	return &Group{Costs: c, Link: &c.TCP, Ranks: p, Hosts: p, Most: 1, Nodes: p, Full: 1}
}

func oneHost(c *Costs, p int) *Group {
	return &Group{Costs: c, Link: &c.Shm, Ranks: p, Hosts: 1, Most: p, Nodes: 1, Full: p, Board: true}
}

func TestCurve(t *testing.T) {
	c := Curve{{8, 100}, {1000, 100}, {2000, 300}}
	for n, want := range map[int]Time{-1: 100, 0: 100, 8: 100, 500: 100, 1000: 100, 1500: 200, 2000: 300, 4000: 700} {
		if got := c.At(n); got != want {
			t.Errorf("%d bytes: %d, want %d", n, got, want)
		}
	}
	if got := (Curve{{0, 7}}).At(1 << 40); got != 7 {
		t.Errorf("one point: %d", got)
	}
	if got := (Curve{}).At(5); got != 0 {
		t.Errorf("no point: %d", got)
	}
	steep := Curve{{0, 0}, {1, maxTime}}
	if got := steep.At(1 << 40); got != Forever {
		t.Errorf("beyond all bounds: %d", got)
	}
	if got := plus(Forever, Forever, Forever); got != Forever {
		t.Errorf("a sum beyond all bounds: %d", got)
	}
	if got := Forever.times(1 << 30); got != Forever {
		t.Errorf("a product beyond all bounds: %d", got)
	}
}

// TestPredictions: on a machine that is one parameter, the rounds can be counted.
func TestPredictions(t *testing.T) {
	const us = Microsecond
	latency, bandwidth := machine(us, 0), machine(0, 1024)
	for _, c := range []struct {
		costs    *Costs
		op, name string
		p, n     int
		want     Time
	}{
		{latency, "Barrier", "dissemination", 8, 0, 3 * us},
		{latency, "Barrier", "dissemination", 9, 0, 4 * us},
		{latency, "Barrier", "tree", 8, 0, 6 * us},
		{latency, "Bcast", "binomial", 8, 8, 3 * us},
		{latency, "Bcast", "scatter-allgather", 8, 8, (3 + 7) * us},
		{latency, "Reduce", "binomial", 8, 8, 3 * us},
		{latency, "Reduce", "gather", 8, 8, 3 * us},
		{latency, "AllReduce", "doubling", 8, 8, 3 * us},
		{latency, "AllReduce", "doubling", 9, 8, 5 * us}, // the ninth rank hands in and gets back
		{latency, "AllReduce", "ring", 8, 8, 14 * us},
		{latency, "AllReduce", "rabenseifner", 8, 8, 6 * us},
		{latency, "ReduceScatter", "pairwise", 8, 8, 7 * us},
		{latency, "Gather", "linear", 8, 8, (3 + 7) * us},
		{latency, "Scatter", "linear", 8, 8, 7 * us},
		{latency, "AllGather", "bruck", 9, 9, 4 * us},
		{latency, "AllGather", "ring", 9, 9, 8 * us},
		{latency, "AllToAll", "bruck", 8, 8, 3 * us},
		{latency, "Scan", "doubling", 8, 8, 3 * us},
		{latency, "Scan", "chain", 8, 8, 7 * us},
		{bandwidth, "AllReduce", "doubling", 8, 1 << 20, 3 << 20},
		{bandwidth, "AllReduce", "ring", 8, 1 << 20, 14 << 17},
		{bandwidth, "AllReduce", "rabenseifner", 8, 1 << 20, 14 << 17},
		{bandwidth, "AllGather", "ring", 8, 1 << 20, 7 << 17},
		{bandwidth, "AllGather", "doubling", 8, 1 << 20, 7 << 17},
	} {
		got, ok := hosts(c.costs, c.p).Predict(c.op, c.name, c.n)
		if folds := c.want / 500; !ok || got < c.want || got > c.want+folds+3 { // folds and copies are a thousandth
			t.Errorf("%s/%s, %d ranks, %d bytes: %d, want %d", c.op, c.name, c.p, c.n, got, c.want)
		}
	}
	visits, _ := oneHost(latency, 93).Predict("Barrier", Shared, 0)
	if visits != 93*us {
		t.Errorf("a meeting of 93 ranks: %v", visits)
	}
	all, _ := oneHost(bandwidth, 93).Predict("AllToAll", "pairwise", 93<<10)
	if least := Time(93*92) << 10; all < least {
		t.Errorf("what 93 ranks of a host send each other takes %v, all together need %v", all, least)
	}
}

func TestBest(t *testing.T) {
	const us = Microsecond
	lan := machine(20*us, 800*Nanosecond)
	lan.Copy, lan.Fold = line(0, 100*Nanosecond), line(0, 100*Nanosecond)
	for _, c := range []struct {
		g       *Group
		op      string
		ordered bool
		n       int
		want    string
	}{
		{hosts(lan, 8), "AllReduce", false, 8, "doubling"},
		{hosts(lan, 8), "AllReduce", false, 16 << 20, "rabenseifner"},
		{hosts(lan, 6), "AllReduce", false, 16 << 20, "ring"},
		{hosts(lan, 8), "AllReduce", true, 8, "gather"},
		{hosts(lan, 8), "AllReduce", true, 16 << 20, "chain"},
		{hosts(lan, 64), "Bcast", false, 8, "binomial"},
		{hosts(lan, 16), "Bcast", false, 64 << 20, "scatter-allgather"},
		{hosts(lan, 64), "AllToAll", false, 64 * 8, "bruck"},
		{hosts(lan, 64), "AllToAll", false, 64 << 20, "pairwise"},
		{hosts(lan, 13), "AllGather", false, 13 * 8, "bruck"},
		{hosts(lan, 13), "AllGather", false, 13 << 20, "ring"},
		{hosts(lan, 64), "Barrier", false, 0, "dissemination"},
		{oneHost(lan, 93), "AllReduce", false, 8, Shared},
		{&Group{Costs: lan, Link: &lan.TCP, Ranks: 32, Hosts: 4, Most: 8, Nodes: 4, Full: 8}, "Barrier", false, 0, Hierarchical},
		{&Group{Costs: lan, Link: &lan.TCP, Ranks: 32, Hosts: 4, Most: 8, Nodes: 4, Full: 8}, "AllReduce", true, 8, "gather"},
	} {
		got, ok := c.g.Best(c.op, c.ordered, true, c.n)
		if !ok || got.Name != c.want {
			t.Errorf("%s, %d ranks, %d bytes, ordered %v: %+v, want %s", c.op, c.g.Ranks, c.n, c.ordered, got, c.want)
		}
		if only, _ := c.g.Best(c.op, c.ordered, false, c.n); !Suits(c.op, only.Name, c.ordered) {
			t.Errorf("%s by messages: %+v", c.op, only)
		}
	}
	if got, ok := hosts(lan, 8).Best("Juggle", false, true, 8); ok {
		t.Errorf("an unknown operation: %+v", got)
	}
}

// TestEveryPredictionIsSane: none is negative, none falls with the bytes, whatever
// the group.
func TestEveryPredictionIsSane(t *testing.T) {
	c := machine(5*Microsecond, 100*Nanosecond)
	for _, p := range []int{1, 2, 3, 5, 8, 93, 4096} {
		for _, g := range []*Group{hosts(c, p), oneHost(c, p), {Costs: c, Link: &c.TCP, Ranks: p, Hosts: (p + 3) / 4, Most: min(p, 4), Nodes: (p + 3) / 4, Full: min(p, 4)}} {
			for _, op := range Operations() {
				for _, name := range append(Names(op, false), Shared, Hierarchical) {
					var before Time
					for n := 0; n < 1<<44; n = 4*n + 8*p {
						got, ok := g.Predict(op, name, n)
						if !ok {
							break
						}
						if got < 0 || got > Forever {
							t.Fatalf("%s/%s, %d ranks on %d hosts, %d bytes: %d", op, name, p, g.Hosts, n, got)
						}
						if got < before-before/2 { // boards go over to another way where that is faster
							t.Errorf("%s/%s, %d ranks on %d hosts: %v for %d bytes, %v for fewer", op, name, p, g.Hosts, got, n, before)
						}
						before = got
					}
				}
			}
		}
	}
}

func TestWishes(t *testing.T) {
	w, err := ParseWishes("AllReduce=ring,Bcast=shared,Barrier=hierarchical")
	if err != nil || w["AllReduce"] != "ring" || w["Bcast"] != Shared || w["Barrier"] != Hierarchical || len(w) != 3 {
		t.Errorf("%v, %v", w, err)
	}
	if w, err := ParseWishes(""); err != nil || len(w) != 0 {
		t.Errorf("%v, %v", w, err)
	}
	for text, part := range map[string]string{
		"ring":          "OPERATION=NAME",
		"Allreduce=x":   `"Allreduce"`,
		"AllReduce=rng": "there are doubling, ring",
	} {
		if _, err := ParseWishes(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", text, err, part)
		}
	}
	if !slices.Contains(Operations(), "ExScan") || Suits("AllReduce", "ring", true) || !Suits("AllReduce", "chain", true) {
		t.Error("operations and what suits them")
	}
}

package job

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestCulpritOfATree loses a link or a relay of a tree of hosts. What happens
// behind it is seen in any order, also before the culprit; those that are asked
// answer, unless they are cut off too. One line names the culprit; all that are
// reached through it are lost, and nobody else.
func TestCulpritOfATree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for i := range 300 {
		n := []int{2, 7, 15, 93, 500}[rnd.IntN(5)]
		k := []int{1, 2, 8, 32}[rnd.IntN(4)]
		if n > 93 && k == 1 {
			k = 2 // a chain of hundreds of hosts takes its time
		}
		cfg := Config{Continue: true}
		for h := range n {
			cfg.Hosts = append(cfg.Hosts, fmt.Sprint("node", h+1))
			cfg.Procs = append(cfg.Procs, Proc{Host: h, Ranks: []int{h}})
		}
		m, _ := New(cfg)
		ways := make([][]int, n)
		for h := range n {
			if up := h/k - 1; up >= 0 {
				ways[h] = append(slices.Clone(ways[up]), up)
			}
			m.Step(HostTold{h, ways[h]})
			m.Step(HostReady{h})
		}
		culprit, relay := rnd.IntN(n), rnd.IntN(2) == 0
		var lost []int
		for h := range n {
			if h == culprit && !relay || slices.Contains(ways[h], culprit) {
				lost = append(lost, h)
			}
		}
		if len(lost) == n || len(lost) == 0 {
			continue // nobody would go on, or nobody is behind it
		}
		var events []Event
		for _, h := range lost {
			if relay {
				events = append(events, RelayLost{culprit, "its relay has ended"})
			}
			events = append(events, HostLost{Host: h, Why: "cut", Cut: true})
		}
		// A host tells of the relay before it tells of itself.
		rnd.Shuffle(len(events), func(a, b int) {
			if !relay {
				events[a], events[b] = events[b], events[a]
			}
		})
		var told []string
		take := func(e Event) {
			for _, a := range m.Step(e) {
				switch a := a.(type) {
				case Tell:
					told = append(told, a.Text)
				case Probe:
					if !slices.Contains(lost, a.Host) {
						events = slices.Insert(events, rnd.IntN(len(events)+1), Event(HostAlive(a)))
					}
				}
			}
		}
		for len(events) > 0 {
			e := events[0]
			events = events[1:]
			take(e)
		}
		take(Rang{HoldTimer})
		var gone []int
		for h := range n {
			if m.hosts[h].gone {
				gone = append(gone, h)
			}
		}
		name := fmt.Sprintf("host node%d: ", culprit+1)
		if len(told) != 1 || !strings.HasPrefix(told[0], name) || !slices.Equal(gone, lost) {
			t.Fatalf("case %d, %d hosts by %d, %s relay %v: lost %v, want %v; told %q", i, n, k, name, relay, gone, lost, told)
		}
		if m.cause != nil || len(m.suspects) > 0 {
			t.Fatalf("case %d: cause %+v, suspects %+v", i, m.cause, m.suspects)
		}
	}
}

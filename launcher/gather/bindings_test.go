package gather

import (
	"testing"

	"gridrun/internal/wire"
	"gridrun/launcher/place"
)

func TestBindings(t *testing.T) {
	plan := place.Plan{NP: 5, Hosts: []place.Host{{Name: "node1"}, {Name: "node2"}, {Name: "big"}}, Procs: []place.Proc{
		{Host: 0, Ranks: []int{0}}, {Host: 0, Ranks: []int{1}}, {Host: 1, Ranks: []int{2}}, {Host: 1, Ranks: []int{3}}, {Host: 2, Ranks: []int{4, 5}},
	}}
	b := NewBindings(plan)
	if text := b.Take(); text != "" {
		t.Errorf("nothing was heard, and it tells %q", text)
	}
	for h, m := range []*wire.Bound{
		{Procs: []wire.Binding{{Proc: 2, CPUs: "0-1", Bound: true}, {Proc: 3, CPUs: "2", Bound: true}, {Proc: 99}}},
		{Procs: []wire.Binding{{Proc: 4, CPUs: "0-63"}}},
		{Procs: []wire.Binding{{Proc: 0, CPUs: "0-1", Bound: true}, {Proc: 1, CPUs: "2", Bound: true}}},
	} {
		if complete := b.Add(m); complete != (h == 2) {
			t.Errorf("complete after %d hosts: %v", h+1, complete)
		}
	}
	want := "  node[1-2]  ranks 0,2  CPUs 0-1\n" +
		"  node[1-2]  ranks 1,3  CPU 2\n" +
		"  big        ranks 4-5  CPUs 0-63, not bound\n"
	if text := b.Take(); text != want {
		t.Errorf("%s, want\n%s", text, want)
	}
}

package gather

import (
	"slices"
	"testing"
)

func TestNotices(t *testing.T) {
	n := &Notices{Names: []string{"node1", "node2", "node3", "gate"}}
	n.Tell(func(text string) { t.Errorf("nothing was said, but it tells %q", text) })
	n.Add(2, "no home")
	n.Add(3, "is slow")
	n.Add(0, "no home")
	n.Add(1, "no home")
	var told []string
	for range 2 {
		n.Tell(func(text string) { told = append(told, text) })
	}
	if want := []string{"node[1-3]: no home", "gate: is slow"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

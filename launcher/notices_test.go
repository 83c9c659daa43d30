package launcher

import (
	"slices"
	"testing"
)

func TestNotices(t *testing.T) {
	n := &notices{names: []string{"node1", "node2", "node3", "gate"}}
	n.tell(func(text string) { t.Errorf("nothing was said, but it tells %q", text) })
	n.add(2, "no home")
	n.add(3, "is slow")
	n.add(0, "no home")
	n.add(1, "no home")
	var told []string
	for range 2 {
		n.tell(func(text string) { told = append(told, text) })
	}
	if want := []string{"node[1-3]: no home", "gate: is slow"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

package place

import (
	"slices"
	"testing"
)

func TestReason(t *testing.T) {
	a := Reason("node1", "10.0.0.1:22", "connecting (10.0.0.1:22): connection refused: no sshd listens there; try: ssh -v node1 true")
	b := Reason("node2", "", "connecting (10.0.0.2:22): connection refused: no sshd listens there; try: ssh -v node2 true")
	if a != b || a != "connecting: connection refused: no sshd listens there" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestFolded(t *testing.T) {
	var f Folded
	for _, n := range []string{"3", "5", "6", "5"} {
		f.Add("node"+n, "", "connecting (10.0.0."+n+":22): connection refused; try: ssh node"+n)
	}
	f.Add("node4", "", "authentication (10.0.0.4:22): not let in")
	want := []string{"node[3,5-6]: connecting: connection refused; try: ssh node3", "node4: authentication (10.0.0.4:22): not let in"}
	if got := f.Lines(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

package scale

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestMain is the fleet when it is called so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == FleetVerb {
		if err := Fleet(os.Args[2], os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Jobs of any size end well, and so do those of which one rank fails. What all
// agents are sent grows with their number, not with its square.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Run(t.Context(), self, []int{2, 5, 93, 300})
	if err != nil {
		t.Fatal(err)
	}
	var per []int64
	for _, r := range rows {
		if r.Total <= 0 || r.End <= 0 || r.Failure <= 0 || r.Sent <= 0 {
			t.Errorf("%+v", r)
		}
		per = append(per, r.Sent/int64(r.Hosts))
	}
	if per[3] > 2*per[0] {
		t.Errorf("bytes sent to each of 2, 5, 93, 300 hosts: %v", per)
	}
	var b bytes.Buffer
	if err := Print(&b, rows); err != nil || strings.Count(b.String(), "\n") != 5 {
		t.Errorf("%v: %s", err, &b)
	}
}

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"gridrun/bench/message"
)

// TestBenchCost: the measurement runs, and compares like with like.
func TestBenchCost(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin(t), "gridrun"), "bench", "cost", "--rounds", "1", "--budget", "0.001", "--with-trace", "--json")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r message.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range r.Cases {
		for _, f := range c.Figures {
			if f.Value <= 0 {
				t.Errorf("%s of %d bytes: %+v", c.Test, c.Bytes, f)
			}
		}
	}
	if len(r.Cases) != 2 || len(r.Cases[0].Figures) != 4 {
		t.Errorf("%+v", r.Cases)
	}
}

package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"gridrun/bench/cost"
)

// TestBenchCost: the measurement runs, and compares like with like.
func TestBenchCost(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin(t), "gridrun"), "bench", "cost", "--rounds", "10", "--with-trace", "--json")
	out, err := cmd.Output()
	if err != nil {
		var e *exec.ExitError
		errors.As(err, &e)
		t.Fatalf("%v: %s", err, e.Stderr)
	}
	var r cost.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range r.Costs {
		if c.Nanos <= 0 || c.Low > c.Median || c.High < c.Median || c.Test == "" || c.What == c.Than {
			t.Errorf("%+v", c)
		}
	}
	if len(r.Costs) != 8 {
		t.Errorf("%+v", r.Costs)
	}
}

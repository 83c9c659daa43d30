package main

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/bench/message"
)

// TestRun: a picture for each test with a line, none for the others.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	figures := func(values ...float64) (f []message.Figure) {
		for _, v := range values {
			f = append(f, message.Figure{Unit: "us", Value: v})
		}
		return f
	}
	r := message.Report{Over: "shm", Ranks: 5, Names: []string{"gridrun", "other"}, Cases: []message.Case{
		{Test: "bcast", Bytes: 8, Figures: figures(1, 2)},
		{Test: "bcast", Bytes: 1 << 20, Figures: figures(300, 0)},
		{Test: "barrier", Bytes: 0, Figures: figures(1, 2)},
	}}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(dir, "r.json")
	if err := os.WriteFile(report, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, []string{report}); err != nil {
		t.Fatal(err)
	}
	pictures, _ := filepath.Glob(filepath.Join(dir, "*.png"))
	if len(pictures) != 1 || filepath.Base(pictures[0]) != "bcast-shm-5.png" {
		t.Fatalf("%q", pictures)
	}
	f, err := os.Open(pictures[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p, err := png.Decode(f); err != nil || p.Bounds().Dx() < 400 {
		t.Errorf("%v, %v", p.Bounds(), err)
	}
	var table strings.Builder
	if err := tables(&table, []string{report}); err != nil || !strings.Contains(table.String(), "5 ranks over shm") {
		t.Errorf("%s, %v", &table, err)
	}
	for _, reports := range [][]string{nil, {filepath.Join(dir, "missing")}, {pictures[0]}} {
		if err := run(dir, reports); err == nil {
			t.Errorf("%q: no error", reports)
		}
	}
}

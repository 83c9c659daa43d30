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
	if err := run(dir, "", []string{report}); err != nil {
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
	if info, err := f.Stat(); err != nil || info.Size() > 30<<10 {
		t.Errorf("a picture of %d bytes, %v", info.Size(), err)
	}
	other := t.TempDir()
	if err := run(other, "bcast-shm-8,latency-shm-2", []string{report}); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(other); len(left) != 0 {
		t.Errorf("pictures that nobody wanted: %v", left)
	}
	var table strings.Builder
	if err := tables(&table, []string{report}); err != nil || !strings.Contains(table.String(), "5 ranks over shm") {
		t.Errorf("%s, %v", &table, err)
	}
	for _, reports := range [][]string{nil, {filepath.Join(dir, "missing")}, {pictures[0]}} {
		if err := run(dir, "", reports); err == nil {
			t.Errorf("%q: no error", reports)
		}
	}
}

// TestMerge: the pieces of a report make the one that would have been measured at
// once; reports of other runs are refused.
func TestMerge(t *testing.T) {
	piece := func(test string, medians ...float64) message.Report {
		r := message.Report{Over: "shm", Ranks: 2, Names: []string{"gridrun", "other"}, Busy: []float64{0.5}}
		c := message.Case{Test: test, Bytes: 8}
		for i, m := range medians {
			c.Figures = append(c.Figures, message.Figure{Name: r.Names[i], Runs: []message.Row{{Test: test, Bytes: 8, Median: m}}})
		}
		r.Cases = []message.Case{c}
		return r
	}
	write := func(r message.Report) string {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var b strings.Builder
	err := merge(&b, []string{write(piece("bcast", 1000, 2000)), write(piece("scan", 500, 100)), write(piece("bcast", 3000, 6000)), write(piece("bcast", 2000, 5000))})
	if err != nil {
		t.Fatal(err)
	}
	var r message.Report
	if err := json.Unmarshal([]byte(b.String()), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) != 2 || r.Rounds != 3 || len(r.Busy) != 4 || r.Cases[0].Figures[0].Value != 2 || r.Cases[0].Figures[1].Ratio != 2.5 || r.Cases[1].Figures[1].Ratio != 0.2 {
		t.Errorf("%+v", r)
	}
	alien := piece("bcast", 1, 2)
	alien.Ranks = 3
	for _, reports := range [][]string{nil, {write(piece("bcast", 1, 2)), write(alien)}, {write(piece("bcast", 1))}} {
		if err := merge(&b, reports); err == nil {
			t.Errorf("%q are one report", reports)
		}
	}
}

// TestMergeOrder: a size that was measured in a piece of its own, first, stands
// behind the smaller ones: a line does not go back.
func TestMergeOrder(t *testing.T) {
	piece := func(test string, sizes ...int) message.Report {
		r := message.Report{Over: "shm", Ranks: 2, Names: []string{"gridrun"}}
		for _, bytes := range sizes {
			row := message.Row{Test: test, Bytes: bytes, Median: float64(bytes)}
			r.Cases = append(r.Cases, message.Case{Test: test, Bytes: bytes, Figures: []message.Figure{{Name: "gridrun", Runs: []message.Row{row}}}})
		}
		return r
	}
	all, err := message.Merge([]message.Report{piece("bcast", 1<<20), piece("allreduce", 1<<20), piece("allreduce", 8, 1024), piece("bcast", 8)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all.Cases {
		got = append(got, c.Test+" "+sizeName(c.Bytes))
	}
	if want := "bcast 8, bcast 1M, allreduce 8, allreduce 1K, allreduce 1M"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %s", got, want)
	}
}

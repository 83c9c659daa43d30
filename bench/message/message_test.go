package message

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridrun/bench"
	"gridrun/internal/needs"
)

func TestRows(t *testing.T) {
	row := rowOf("bcast", 64, []float64{5, 1, 4, 2, 3})
	if want := (Row{"bcast", 64, 5, 1, 3, 4, 4}); row != want {
		t.Fatalf("%+v, want %+v", row, want)
	}
	var text bytes.Buffer
	text.WriteString("some library says hello\n")
	if err := row.write(&text); err != nil {
		t.Fatal(err)
	}
	rows, err := readRows(&text)
	if err != nil || !slices.Equal(rows, []Row{row}) {
		t.Fatalf("%+v, %v", rows, err)
	}
	if _, err := readRows(strings.NewReader("row bcast 64 cut")); err == nil {
		t.Error("half a row is a row")
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		u     unit
		ns    float64
		bytes int
		ranks int
		want  float64
	}{
		{microseconds, 1500, 8, 2, 1.5},
		{gigabytes, 100, 1000, 2, 10},
		{gigabytesBoth, 100, 1000, 2, 20},
		{messagesOfPairs, 100, 8, 7, 30},
	} {
		if got := c.u.show(c.ns, c.bytes, c.ranks); got != c.want {
			t.Errorf("%v ns as %v: %v, want %v", c.ns, c.u, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	good := Task{Ranks: 2, Tests: PairTests(), Sizes: []int{0, 8}, Rounds: 1, Budget: 1, Limit: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for part, spoil := range map[string]func(*Task){
		"at least 2 ranks": func(t *Task) { t.Ranks = 1 },
		"no such test":     func(t *Task) { t.Tests = []string{"sing"} },
		"allreduce-int9-":  func(t *Task) { t.Tests = []string{"allreduce-int9-sum"} },
		"s allreduce-int8": func(t *Task) { t.Tests = []string{"allreduce-int8"} },
		"bcast-int8-sum":   func(t *Task) { t.Tests = []string{"bcast-int8-sum"} },
		"latency-":         func(t *Task) { t.Tests = []string{"latency-float32-max"} },
		"multiples of 8":   func(t *Task) { t.Sizes = []int{12} },
		"more than 0":      func(t *Task) { t.Budget = 0 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
	words := Task{Tests: []string{"barrier", "scan"}, Sizes: []int{8, 64}, Budget: 1500 * time.Microsecond}.words()
	if !slices.Equal(words, []string{"1.5", "barrier:0", "scan:8,64"}) {
		t.Errorf("%q", words)
	}
}

// fake writes a contender that is a shell script.
func fake(t *testing.T, name, script string) Contender {
	path := filepath.Join(t.TempDir(), "launcher")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return Contender{Name: name, command: []string{path}}
}

// TestCompare: medians of medians, ratios by what is better, lost runs of peers.
func TestCompare(t *testing.T) {
	own := fake(t, "gridrun", `echo "row latency 8 5 100 200 300 400"; echo "row bandwidth 8 5 4 8 9 9"`)
	peer := fake(t, "slow", `echo "row latency 8 5 300 400 500 600"; echo "row bandwidth 8 5 1 2 3 3"`)
	broken := fake(t, "broken", `echo no such fabric >&2; exit 3`)
	task := Task{Ranks: 2, Over: SharedMemory, Tests: []string{"latency", "bandwidth"}, Sizes: []int{8}, Rounds: 3, Budget: 1, Limit: time.Minute}
	var steps []string
	report, err := Compare(context.Background(), task, []Contender{own, peer, broken}, func(s string) { steps = append(steps, s) })
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 9 || steps[0] != "round 1 of 3: gridrun" || steps[5] != "round 2 of 3: broken" {
		t.Errorf("%q", steps)
	}
	if len(report.Cases) != 2 || len(report.Lost) != 3 || !strings.Contains(report.Lost[0], "no such fabric") {
		t.Fatalf("%+v", report)
	}
	latency, bandwidth := report.Cases[0].Figures, report.Cases[1].Figures
	if latency[0].Value != 0.2 || latency[1].Value != 0.4 || latency[1].Ratio != 2 || latency[2].Value != 0 || len(latency[0].Runs) != 3 {
		t.Errorf("%+v", latency)
	}
	if bandwidth[0].Value != 1 || bandwidth[1].Value != 4 || bandwidth[1].Ratio != 0.25 {
		t.Errorf("%+v", bandwidth)
	}
	var text bytes.Buffer
	report.Print(&text)
	for _, part := range []string{"2 ranks over shm", "latency, us", "0.200 (0.200)", "2.00x", "0.25x", "lost: round 1: broken", "bandwidth, GB/s"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %q in\n%s", part, &text)
		}
	}
	if _, err := Compare(context.Background(), task, []Contender{broken}, func(string) {}); err == nil {
		t.Error("gridrun's own lost run is no error")
	}
}

// TestLeftovers: what a lost run leaves behind is killed.
func TestLeftovers(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sleeper")
	text, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	c := fake(t, "leaves", fmt.Sprintf("%s 1000 >/dev/null 2>&1 &\necho $!\nexit 1\n", program))
	c.program = []string{program}
	if _, err := c.run(context.Background(), 1, nil, time.Minute); err == nil {
		t.Fatal("not lost")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		left := 0
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range links {
			if exe, err := os.Readlink(link); err == nil && exe == program {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes stay", left)
		}
		time.Sleep(time.Millisecond)
	}
}

// A test with a computing peer may have a number of goroutines, others may not.
func TestThreads(t *testing.T) {
	for name, want := range map[string]int{"busyreceiver": 0, "busyreceiver/1": 1, "busysender/4": 4, "busysender/64": 64} {
		got, ok := find(name)
		if !ok || got.threads != want || got.fullName() != name {
			t.Errorf("%s: %t, %d threads, %q", name, ok, got.threads, got.fullName())
		}
	}
	for _, name := range []string{"busysender/", "busysender/0", "busysender/65", "busysender/-1", "busysender/x", "latency/2", "copy/1"} {
		if _, ok := find(name); ok {
			t.Errorf("%s is a test", name)
		}
	}
}

// The floor is measured with the loops of the others.
func TestThreadsPeer(t *testing.T) {
	needs.Command(t, "cc", "gcc")
	found, missing, err := Peers(t.Context(), t.TempDir(), SharedMemory, bench.Hosts{}, []string{Threads})
	if err != nil || len(missing) > 0 || len(found) != 1 {
		t.Fatal(found, missing, err)
	}
	task := Task{Ranks: 4, Tests: []string{"latency", "busyreceiver/2", "busysender"}, Sizes: []int{8, 4096}, Budget: 1, Limit: time.Minute}
	rows, err := found[0].Rows(t.Context(), task)
	if err != nil || len(rows) != 4 {
		t.Fatal(rows, err)
	}
	for i, r := range rows {
		if want := task.Tests[1+i/2]; r.Test != want || r.Bytes != task.Sizes[i%2] || r.Median <= 0 || r.P99 < r.Median {
			t.Errorf("%+v, want %s", r, want)
		}
	}
}

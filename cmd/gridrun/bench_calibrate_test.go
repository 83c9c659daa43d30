package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/collectives"
	"gridrun/internal/cost"
)

// TestCalibrate: figures are measured and kept, shown, checked, and reach ranks;
// those that cannot be used are passed over with one line.
func TestCalibrate(t *testing.T) {
	gridrun := filepath.Join(bin(t), "gridrun")
	dir := t.TempDir()
	run := func(words ...string) (out, said string, err error) {
		cmd := exec.Command(gridrun, words...)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir)
		var b strings.Builder
		cmd.Stderr = &b
		text, err := cmd.Output()
		return string(text), b.String(), err
	}
	figures := func(words ...string) (text, said string) {
		t.Helper()
		words = append(words, "-np", "1", "sh", "-c", "echo $"+collectives.CostsVariable)
		out, said, err := run(words...)
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, said)
		}
		return strings.TrimSpace(out), said
	}

	if text, said := figures(); text != "" || said != "" {
		t.Errorf("without calibration: %q, %s", text, said)
	}
	if _, said, err := run("bench", "calibrate", "--show"); err == nil || !strings.Contains(said, "run gridrun bench calibrate first") {
		t.Errorf("nothing to show: %v, %s", err, said)
	}
	out, said, err := run("bench", "calibrate", "--rounds", "1", "--budget", "0.0001", "-np", "2,8")
	if err != nil || !strings.Contains(out, "AllReduce") || !strings.Contains(out, "shm latency") {
		t.Fatalf("%v\n%s\n%s", err, out, said)
	}
	shown, _, err := run("bench", "calibrate", "--show", "-np", "2,8")
	if err != nil || shown != out {
		t.Errorf("shown: %v\n%s\nmeasured:\n%s", err, shown, out)
	}
	text, said := figures()
	if c, err := cost.Parse(text); err != nil || said != "" || c.Cores != cost.ThisMachine().Cores {
		t.Errorf("what ranks get: %q, %v, %s", text, err, said)
	}
	if text, said := figures("--costs", "none"); text != "" || said != "" {
		t.Errorf("--costs none: %q, %s", text, said)
	}
	out, said, err = run("bench", "calibrate", "--check", "-np", "2", "--tests", "AllReduce,Barrier", "--sizes", "8,64K", "--rounds", "1", "--budget", "0.0001")
	if err != nil || !strings.Contains(out, "rabenseifner") || !strings.Contains(out, "off by a factor of") {
		t.Errorf("check: %v\n%s\n%s", err, out, said)
	}

	path := cost.ThisMachine().Path(filepath.Join(dir, "gridrun", "costs"))
	r, err := cost.Read(path, cost.ThisMachine())
	if err != nil {
		t.Fatal(err)
	}
	r.Machine.Kernel = "older"
	stale := filepath.Join(dir, "stale")
	if err := r.Write(stale); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--costs", stale}, {"--costs", filepath.Join(dir, "missing")}} {
		text, said := figures(flags...)
		if text != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, "not used") {
			t.Errorf("%q: %q, %s", flags, text, said)
		}
	}
}

func TestAlgorithmFlag(t *testing.T) {
	f := runFlags{Algorithm: "AllReduce=ring", Costs: noCosts}
	env, err := f.choices(nil, func(text string) { t.Error(text) })
	if err != nil || len(env) != 2 || env[0] != collectives.AlgorithmVariable+"=AllReduce=ring" {
		t.Errorf("%q, %v", env, err)
	}
	f.Algorithm = "AllReduce=fast"
	if _, err := f.choices(nil, nil); err == nil || !strings.Contains(err.Error(), "--algorithm") || !strings.Contains(err.Error(), "doubling") {
		t.Errorf("an algorithm that there is not: %v", err)
	}
}

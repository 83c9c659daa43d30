package launch

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script makes an executable that takes -np N.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "launcher")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTimes(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	var contenders []Contender
	for _, name := range []string{"gridrun", "B"} {
		contenders = append(contenders, Contender{Name: name, hello: []string{script(t, `echo "`+name+` $*" >>`+log), "prog"}})
	}
	report, err := Times(context.Background(), contenders, 7, 3, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(log)
	if want := strings.Repeat("gridrun -np 7 prog\nB -np 7 prog\n", 3); string(text) != want {
		t.Errorf("ran\n%swant\n%s", text, want)
	}
	if len(report.Rows) != 2 || len(report.Rows[1].Seconds) != 3 || report.Rows[0].Ratio != 1 || report.Rows[1].Median <= 0 {
		t.Errorf("%+v", report)
	}
	report.Missing = []string{"C: not here"}
	var shown strings.Builder
	report.Print(&shown)
	for _, part := range []string{"7 ranks", "gridrun", "1.0 times", "missing: C: not here"} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("no %q in\n%s", part, &shown)
		}
	}
	if b, err := json.Marshal(report); err != nil || !strings.Contains(string(b), `"median_seconds"`) {
		t.Errorf("%s, %v", b, err)
	}

	broken := append(contenders, Contender{Name: "broken", hello: []string{script(t, "echo no luck; exit 3"), "prog"}})
	if _, err := Times(context.Background(), broken, 2, 1, func(string) {}); err == nil || !strings.Contains(err.Error(), "broken with 2 ranks: exit status 3\nno luck") {
		t.Errorf("%v", err)
	}
}

func TestMemory(t *testing.T) {
	// Ranks of this launcher are shells that stay until the launcher ends.
	good := Contender{Name: "gridrun", park: []string{script(t, `
trap 'stop=1' TERM
for i in $(seq $2); do sh -c 'echo $$; exec sleep 100' & pids="$pids $!"; done
while [ -z "$stop" ]; do sleep 0.01; done
kill $pids
wait`), "prog"}}
	report, err := Memory(context.Background(), []Contender{good}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if bytes := report.Rows[0].RankBytes; bytes < 1<<10 || bytes > 100<<20 {
		t.Errorf("%d bytes a rank", bytes)
	}
	for text, part := range map[string]string{
		"echo what": `a rank says "what"`,
		"echo 1":    "only 1 ranks said hello",
	} {
		bad := Contender{Name: "bad", park: []string{script(t, text), "prog"}}
		if _, err := Memory(context.Background(), []Contender{bad}, 2); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.x); got != c.want {
			t.Errorf("median(%v) = %v", c.x, got)
		}
	}
}

func TestParsePSS(t *testing.T) {
	if got, err := parsePSS("f", []byte("Rss:  10 kB\nPss:                 123 kB\nPss_Dirty: 7 kB\n")); err != nil || got != 123<<10 {
		t.Errorf("%d, %v", got, err)
	}
	for _, text := range []string{"", "Pss:\n", "Pss: x kB\n"} {
		if got, err := parsePSS("f", []byte(text)); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// TestFindWithout: without other launchers gridrun is alone, and says so.
func TestFindWithout(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	found, missing, err := Find(context.Background(), "/bin/gridrun", t.TempDir())
	if err != nil || len(found) != 1 || len(missing) != 2 || !strings.Contains(missing[0], "no mpirun.openmpi in $PATH") {
		t.Errorf("%+v, %v, %v", found, missing, err)
	}
}

package launch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridrun/bench"
)

var both = []bench.Peer{bench.OpenMPI, bench.MPICH}

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
		contenders = append(contenders, Contender{Name: name, run: []string{script(t, `echo "`+name+` $*" >>`+log), "prog"}})
	}
	report, err := Times(context.Background(), contenders, 7, 3, time.Minute, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(log)
	if want := strings.Repeat("gridrun -np 7 prog\nB -np 7 prog\n", 4); string(text) != want {
		t.Errorf("ran\n%swant\n%s", text, want)
	}
	for i, r := range report.Rows {
		if r.Name != contenders[i].Name || r.First <= 0 || len(r.Seconds) != 3 || r.Min > r.Median || r.Median > r.Max || r.Min <= 0 || r.Lost != nil {
			t.Errorf("%+v", r)
		}
	}
	if len(report.Rows) != 2 || report.Rows[0].Ratio != 1 || len(report.Busy) != 3 {
		t.Errorf("%+v", report)
	}
}

// TestWarm: where hosts are up, gridrun runs with and without that, and every run
// waits for the hosts.
func TestWarm(t *testing.T) {
	waits := 0
	ready := func(context.Context) error { waits++; return nil }
	log := filepath.Join(t.TempDir(), "log")
	self := script(t, `echo "$*" >>`+log)
	found, missing, err := Find(context.Background(), Task{Self: self, Program: []string{"prog"}, Warm: ready})
	if err != nil || missing != nil || len(found) != 2 || found[0].Name != "gridrun, warm" || found[1].Name != "gridrun, cold" {
		t.Fatalf("%+v, %v, %v", found, missing, err)
	}
	os.Remove(log) // it was asked for its version
	if _, err := Times(context.Background(), found, 7, 1, time.Minute, func(string) {}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(log)
	if want := strings.Repeat("-np 7 prog\n-np 7 --no-warm prog\n", 2); string(text) != want || waits != 4 {
		t.Errorf("%d waits; ran\n%swant\n%s", waits, text, want)
	}
	found[0].settle = func(context.Context) error { return errors.New("a host is gone") }
	if _, err := Times(context.Background(), found, 7, 1, time.Minute, func(string) {}); err == nil {
		t.Error("no error though the hosts are not ready")
	}
}

// TestLost: a peer that fails or hangs loses its runs and nobody else's; gridrun
// must not fail.
func TestLost(t *testing.T) {
	good := Contender{Name: "gridrun", run: []string{script(t, "exit 0"), "prog"}}
	fails := Contender{Name: "broken", run: []string{script(t, "echo no luck; exit 3"), "prog"}}
	hangs := Contender{Name: "slow", run: []string{script(t, "exec sleep 100"), "prog"}}
	report, err := Times(context.Background(), []Contender{good, fails, hangs}, 2, 1, 200*time.Millisecond, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Rows[0]; len(r.Seconds) != 1 || r.Lost != nil {
		t.Errorf("%+v", r)
	}
	for i, why := range map[int]string{1: "round 1 of 1: broken with 2 ranks: exit status 3\nno luck", 2: "round 1 of 1: slow with 2 ranks: not finished after 200ms"} {
		if r := report.Rows[i]; len(r.Lost) != 2 || r.Lost[1] != why || r.Seconds != nil || r.Median != 0 {
			t.Errorf("%+v, want %q", r, why)
		}
	}
	if _, err := Times(context.Background(), []Contender{fails}, 2, 1, time.Minute, func(string) {}); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("%v", err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := Times(ended, []Contender{good}, 2, 1, time.Minute, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestPrint(t *testing.T) {
	report := Report{Ranks: 7, Rounds: 3, Busy: []float64{0.5, 0.25, 1}, Rows: []Row{
		{Name: "gridrun", Version: "v1", First: 2, Seconds: []float64{1}, Median: 1, Min: 1, Max: 1, Ratio: 1},
		{Name: "B", Lost: []string{"round 1 of 3: no luck"}},
	}, Phases: []Phase{{"agents ready", 4, 0.1, 0.2}}}
	report.Describe(Task{Program: []string{"/bin/true", "x"}}, []string{"C: not here"})
	var shown strings.Builder
	report.Print(&shown)
	for _, part := range []string{
		"7 ranks on this machine: /bin/true x", report.Machine.Go, "median 0.50, at most 1.00", "gridrun v1     1.000", "1 of 4",
		"  lost: round 1 of 3: no luck", "missing: C: not here", "gridrun: agents ready: 4, first after 0.100 s, last after 0.200 s",
	} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("no %q in\n%s", part, &shown)
		}
	}
	if m := report.Machine; m.CPU == "" || m.Cores < 1 || m.Memory < 1<<20 || len(m.Kernel) < 8 {
		t.Errorf("%+v", m)
	}
	if b, err := json.Marshal(report); err != nil || !strings.Contains(string(b), `"median_seconds"`) {
		t.Errorf("%s, %v", b, err)
	}
	shown.Reset()
	Report{Ranks: 2, Rows: []Row{{Name: "gridrun", RankBytes: 2_500_000, Ratio: 1}}}.Print(&shown)
	if !strings.Contains(shown.String(), "2.50") || strings.Contains(shown.String(), "lost") {
		t.Error(shown.String())
	}
}

func TestPhases(t *testing.T) {
	told := "gridrun: agent on a (pid 1) ready after 3ms\nnoise\n" +
		"gridrun: agent on b (pid 1) ready after 5ms\ngridrun: rank 0 started, pid 7\n" +
		"gridrun: rank 0 ended: code 0, signal 0\n"
	var now float64
	got, err := phasesOf(strings.NewReader(told), func() float64 { now++; return now })
	want := []Phase{{"agents ready", 2, 1, 2}, {"ranks started", 1, 3, 3}, {"ranks ended", 1, 4, 4}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	c := Contender{Name: "gridrun", run: []string{script(t, "echo \"agent $*: ready after 1s\" >&2"), "prog"}}
	got, err = Phases(context.Background(), c, 3)
	if err != nil || len(got) != 4 || got[0].Count != 1 || got[3].Name != "exit" || got[3].Last < got[0].First {
		t.Errorf("%+v, %v", got, err)
	}
	c.run[0] = script(t, "exit 4")
	if _, err := Phases(context.Background(), c, 3); err == nil {
		t.Error("no error")
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
	found, missing, err := Find(context.Background(), Task{Self: "/bin/gridrun", Dir: t.TempDir(), Peers: both})
	if err != nil || len(found) != 1 || len(missing) != 2 || !strings.Contains(missing[0], "no mpirun.openmpi in $PATH") {
		t.Errorf("%+v, %v, %v", found, missing, err)
	}
}

// fakes puts launchers and compilers into $PATH that log how they are called.
func fakes(t *testing.T) (self string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"gridrun":        `echo "gridrun v1.2, go1.26"`,
		"mpirun.openmpi": `echo "mpirun (OpenRTE) 4.1.4"`,
		"mpiexec.hydra":  `printf "HYDRA build details:\n    Version:      4.0.2\n"`,
		"mpicc.openmpi":  "exit 0",
		"mpicc.mpich":    "echo no compiler; exit 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return filepath.Join(dir, "gridrun")
}

func TestFindHere(t *testing.T) {
	self, dir := fakes(t), t.TempDir()
	found, missing, err := Find(context.Background(), Task{Self: self, Dir: dir, Peers: both})
	if err != nil || len(found) != 2 || len(missing) != 1 || !strings.Contains(missing[0], "MPICH: mpicc.mpich: exit status 1 no compiler") {
		t.Fatalf("%+v, %v, %v", found, missing, err)
	}
	if c := found[0]; !slices.Equal(c.run, []string{self, HelloJob}) || !slices.Equal(c.park, []string{self, ParkJob}) || c.Version != "v1.2" {
		t.Errorf("%+v", c)
	}
	hello := filepath.Join(dir, "OpenMPI-hello")
	if c := found[1]; !slices.Equal(c.run[1:], []string{"--oversubscribe", hello}) || !slices.Equal(c.park[1:], []string{"--oversubscribe", hello, "park"}) || c.Version != "4.1.4" {
		t.Errorf("%+v", c)
	}
	found, missing, err = Find(context.Background(), Task{Self: self, Dir: dir, Peers: both[:1]})
	if err != nil || len(found) != 2 || missing != nil {
		t.Errorf("MPICH was not asked for: %+v, %v, %v", found, missing, err)
	}
}

// TestFindHosts: a program on other hosts needs no compiler, and each launcher
// gets a hostfile it understands.
func TestFindHosts(t *testing.T) {
	self, dir := fakes(t), t.TempDir()
	hosts, err := bench.HostsFromFile("hosts", strings.NewReader("# two racks\nnode[1-2] slots=24\nbig:7 # MPICH's form\nnode1:1\n"))
	if err != nil || hosts.Len() != 3 {
		t.Fatalf("%+v, %v", hosts, err)
	}
	found, missing, err := Find(context.Background(), Task{Self: self, Dir: dir, Program: []string{"/bin/true", "x"}, Hosts: hosts, Peers: both})
	if err != nil || len(found) != 3 || missing != nil {
		t.Fatalf("%+v, %v, %v", found, missing, err)
	}
	for i, c := range []struct{ args, file, text string }{
		{args: "--hostfile hosts /bin/true x"},
		{"--oversubscribe --hostfile DIR/OpenMPI-hosts --mca btl tcp,self,vader /bin/true x", "OpenMPI-hosts", "node1 slots=25\nnode2 slots=24\nbig slots=7\n"},
		{"-launcher ssh -f DIR/MPICH-hosts /bin/true x", "MPICH-hosts", "node1:25\nnode2:24\nbig:7\n"},
	} {
		if args := strings.Join(found[i].run[1:], " "); args != strings.ReplaceAll(c.args, "DIR", dir) {
			t.Errorf("%s: %s", found[i].Name, args)
		}
		if c.file == "" {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(dir, c.file)); err != nil || string(text) != c.text {
			t.Errorf("%s: %q, %v", c.file, text, err)
		}
	}
}

// TestEnvironment: the hosts are the task's, not those the user set for gridrun.
func TestEnvironment(t *testing.T) {
	t.Setenv("GRIDRUN_HOSTFILE", "/else")
	t.Setenv("GRIDRUN_HOST", "else")
	t.Setenv("GRIDRUN_SSH_CONFIG", "/config")
	env := Contender{}.command(context.Background(), []string{"true"}, 1).Env
	if slices.Contains(env, "GRIDRUN_HOSTFILE=/else") || slices.Contains(env, "GRIDRUN_HOST=else") || !slices.Contains(env, "GRIDRUN_SSH_CONFIG=/config") {
		t.Error(env)
	}
}

// TestKills: the time runs until the launcher and all ranks are gone; a launcher
// that leaves ranks behind has lost.
func TestKills(t *testing.T) {
	// This launcher waits for the rank in the middle, and then ends the others.
	good := Contender{Name: "gridrun", park: []string{script(t, `
for i in $(seq $2); do
	sleep 100 &
	echo $!
	pids="$pids $!"
	[ $i = 2 ] && victim=$!
done
wait $victim
echo "rank 1 died" >&2
kill $pids 2>/dev/null
wait
exit 137`), "prog"}}
	leaves := Contender{Name: "leaves", park: []string{script(t, `
for i in $(seq $2); do
	sleep 100 >/dev/null 2>&1 &
	echo $!
done`), "prog"}}
	report, err := Kills(context.Background(), []Contender{good}, 3, 1, time.Minute, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	row := report.Rows[0]
	if row.Code != 137 || !strings.Contains(row.Said, "rank 1 died") || len(row.Seconds) != 1 || row.Seconds[0] > 90 || row.Lost != nil {
		t.Errorf("%+v", row)
	}
	if _, err := leaves.kill(context.Background(), 3, time.Second, new(Row)); err == nil || !strings.Contains(err.Error(), "still there") {
		t.Errorf("error %v", err)
	}
	var shown strings.Builder
	report.Describe(Task{}, nil)
	report.Print(&shown)
	if s := shown.String(); !strings.Contains(s, "one rank is killed (SIGKILL)") || !strings.Contains(s, "gridrun exits with 137 and says:\n") || !strings.Contains(s, "    rank 1 died") {
		t.Errorf("%s", s)
	}
}

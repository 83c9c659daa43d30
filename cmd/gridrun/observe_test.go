//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"

	"gridrun/collectives"
	"gridrun/internal/testnet"
	"gridrun/launcher/tally"
	"gridrun/rt"
)

// observed is the rank program of these tests: a ring of messages of several
// sizes, a collective, and an end that its argument tells.
func observed(ctx context.Context, w *rt.World) error {
	defer rt.Span(w, "all of it")()
	next, prev := (w.Rank()+1)%w.Size(), (w.Rank()+w.Size()-1)%w.Size()
	for _, n := range []int{0, 8, 100_000} {
		in, out := make([]byte, n), make([]byte, n)
		if _, err := rt.SendRecv(ctx, w, next, out, prev, in, 1); err != nil {
			return err
		}
		r, err := rt.IRecv(ctx, w, rt.AnyRank, 2, in)
		if err != nil {
			return err
		}
		s, err := rt.ISend(ctx, w, next, 2, out)
		if err != nil {
			return err
		}
		if err := rt.WaitAll(ctx, r, s); err != nil {
			return err
		}
	}
	if err := collectives.AllReduce(ctx, w, make([]float64, 100), collectives.Sum[float64]); err != nil {
		return err
	}
	last := w.Size() - 1
	switch w.Args()[0] {
	case "killed":
		if w.Rank() == last {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		_, err := rt.Recv(ctx, w, last, 3, make([]byte, 1))
		return err
	case "stuck":
		if w.Rank() == 0 {
			_, err := rt.Recv(ctx, w, last, 9, make([]byte, 1))
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	case "burn":
		runtime.LockOSThread() // whose CPU time is sampled every 10 ms
		for used := new(unix.Timespec); used.Nano() < int64(200*time.Millisecond); {
			if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, used); err != nil {
				return err
			}
		}
	case "fail":
		return errors.New("on purpose")
	}
	return nil
}

// messages is how many messages each rank of observed sends, with their bytes.
const (
	messages      = 6
	messagesBytes = 2 * (0 + 8 + 100_000)
)

// A drawing is a timeline that has been read back.
type drawing struct {
	TraceEvents []struct {
		Name, Cat, Ph, ID string
		Pid, Tid          int
		Ts, Dur           float64
		Args              map[string]any
	}
}

// draw reads a timeline and checks what holds for all: arrows lead forward, from
// a span and to one.
func draw(t *testing.T, path string) (d drawing, arrows int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	sent := map[string]float64{}
	for _, e := range d.TraceEvents {
		if e.Ph == "s" {
			if _, twice := sent[e.ID]; twice {
				t.Errorf("two messages are called %s", e.ID)
			}
			sent[e.ID] = e.Ts
		}
		if e.Ph == "X" && (e.Ts < 0 || e.Dur < 0) {
			t.Errorf("%+v", e)
		}
	}
	for _, e := range d.TraceEvents {
		if at, ok := sent[e.ID]; ok && e.Ph == "f" {
			arrows++
			if e.Ts < at {
				t.Errorf("message %s arrives %v us before it is sent", e.ID, at-e.Ts)
			}
		}
	}
	return d, arrows
}

// count is the number of spans of a name.
func (d drawing) count(name string) (n int) {
	for _, e := range d.TraceEvents {
		if e.Ph == "X" && e.Name == name {
			n++
		}
	}
	return n
}

// launch runs gridrun in a directory where a program called observed is.
func launchObserved(t *testing.T, args ...string) (dir string, code int, errOut string) {
	t.Helper()
	dir = bin(t)
	if err := os.Symlink(filepath.Join(dir, "gridrun"), filepath.Join(dir, "observed")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "gridrun"), args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return dir, cmd.ProcessState.ExitCode(), said.String()
}

func readTally(t *testing.T, dir string) (sum tally.Tally) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "s.json"))
	if err == nil {
		err = json.Unmarshal(b, &sum)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestObserved(t *testing.T) {
	for _, c := range []struct {
		np, perProcess int
	}{{1, 1}, {2, 1}, {5, 1}, {5, 4}, {93, 4}, {93, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			dir, code, errOut := launchObserved(t, "-np", strconv.Itoa(c.np), "--ranks-per-process", strconv.Itoa(c.perProcess),
				"--stats", "--stats-file", "s.json", "--trace", "t.json", "--profile", "p", "./observed", "well")
			if code != 0 {
				t.Fatalf("code %d: %s", code, errOut)
			}
			d, arrows := draw(t, filepath.Join(dir, "t.json"))
			if arrows != messages*c.np || d.count("all of it") != c.np || d.count("AllReduce") != c.np || d.count("process") != c.np {
				t.Errorf("%d arrows, %d spans, %d calls, %d processes", arrows, d.count("all of it"), d.count("AllReduce"), d.count("process"))
			}
			sum := readTally(t, dir)
			var n, size uint64
			for _, class := range sum.Messages(false) {
				n += class.Messages
				size += class.Bytes
			}
			if n != uint64(messages*c.np) || size != uint64(messagesBytes*c.np) || sum.Ranks != c.np {
				t.Errorf("%d messages of %d bytes, %d ranks", n, size, sum.Ranks)
			}
			alone := sum.Messages(false)[0].Messages == n
			if want := c.np <= c.perProcess; alone != want {
				t.Errorf("all messages within a process: %v, want %v", alone, want)
			}
			has(t, errOut, "the program's", "AllReduce", "processes: ")
			if _, err := profile.ParseData(must(os.ReadFile(filepath.Join(dir, "p")))); err != nil {
				t.Error(err)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestObservedFailures: what had been recorded when a rank died comes through.
func TestObservedFailures(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		dir, code, errOut := launchObserved(t, "-np", "3", "--stats", "--stats-file", "s.json", "--trace", "t.json", "--profile", "p", "./observed", "killed")
		has(t, errOut, "rank 2 (host ", "was killed by signal 9", "no profile of rank 2, which did not end well")
		d, arrows := draw(t, filepath.Join(dir, "t.json"))
		if code != 137 || arrows != 3*messages || d.count("AllReduce") != 3 {
			t.Errorf("code %d, %d arrows, %d calls", code, arrows, d.count("AllReduce"))
		}
		if sum := readTally(t, dir); sum.Ranks != 3 || sum.Messages(false)[1].Messages != 3*messages {
			t.Errorf("%+v", sum)
		}
	})
	t.Run("killed, and the others go on", func(t *testing.T) {
		dir, code, errOut := launchObserved(t, "-np", "3", "--on-failure", "continue", "--stats-file", "s.json", "--trace", "t.json", "--profile", "p", "./observed", "killed")
		has(t, errOut, "rank 2 (host ", "was killed by signal 9", "no profile of rank 2, which did not end well")
		d, arrows := draw(t, filepath.Join(dir, "t.json"))
		if code != 1 || arrows != 3*messages || d.count("process") != 3 {
			t.Errorf("code %d, %d arrows, %d processes", code, arrows, d.count("process"))
		}
		if sum := readTally(t, dir); sum.Ranks != 3 || sum.Messages(false)[1].Messages != 3*messages {
			t.Errorf("%+v", sum)
		}
	})
	t.Run("stuck", func(t *testing.T) {
		var dir, errOut string
		for _, timeout := range []string{"2", "8", "32"} { // a busy machine may not be there in time
			var code int
			dir, code, errOut = launchObserved(t, "-np", "2", "--timeout", timeout, "--grace", "0", "--stats", "--trace", "t.json", "./observed", "stuck")
			if code != 124 {
				t.Fatalf("code %d: %s", code, errOut)
			}
			if strings.Contains(errOut, "rank 0 in Recv") {
				break
			}
		}
		if d, _ := draw(t, filepath.Join(dir, "t.json")); d.count("Recv")+d.count("Recv: never returned") == 0 {
			t.Errorf("no Recv: %s", errOut)
		}
		has(t, errOut, "rank 0 in Recv for rank 1, tag 9")
	})
	t.Run("fails", func(t *testing.T) {
		dir, code, errOut := launchObserved(t, "-np", "2", "--trace", "t.json", "./observed", "fail")
		if _, arrows := draw(t, filepath.Join(dir, "t.json")); code != 1 || arrows != 2*messages {
			t.Errorf("code %d, %d arrows: %s", code, arrows, errOut)
		}
	})
	t.Run("bounded", func(t *testing.T) {
		dir, code, errOut := launchObserved(t, "-np", "2", "--trace", "t.json", "--trace-events", "4", "./observed", "well")
		d, _ := draw(t, filepath.Join(dir, "t.json"))
		if code != 0 || d.count("all of it") != 2 {
			t.Errorf("code %d: %s", code, errOut)
		}
		has(t, errOut, "of ranks 0-1 the oldest events are missing")
	})
	t.Run("no program", func(t *testing.T) {
		dir, code, _ := launchObserved(t, "-np", "2", "--stats", "--trace", "t.json", "./nosuch")
		if code != 127 {
			t.Errorf("code %d", code)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".t.json*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
	t.Run("no such directory", func(t *testing.T) {
		for _, flag := range []string{"--trace", "--profile"} {
			_, code, errOut := launchObserved(t, flag, "no/such/file", "true")
			if code != 125 || !strings.Contains(errOut, flag) {
				t.Errorf("%s: code %d: %s", flag, code, errOut)
			}
		}
		if _, code, errOut := launchObserved(t, "--trace-events", "9", "true"); code != 125 || !strings.Contains(errOut, "--trace FILE") {
			t.Errorf("code %d: %s", code, errOut)
		}
	})
}

// TestObservedOthers: programs that do not use rt are said, and do not hurt.
func TestObservedOthers(t *testing.T) {
	dir, code, errOut := launchObserved(t, "--stats", "--stats-file", "s.json", "--trace", "t.json", "--profile", "p",
		"-np", "2", "sh", "-c", "exit 0", ":", "-np", "1", "true")
	if code != 0 {
		t.Fatalf("code %d: %s", code, errOut)
	}
	d, _ := draw(t, filepath.Join(dir, "t.json"))
	if d.count("process") != 3 {
		t.Errorf("%d processes", d.count("process"))
	}
	has(t, errOut, "nothing counted by ranks 0-2", "of ranks 0-2 there is nothing but begin and end", "no profile of rank 1, which does not use rt", "processes: 3; CPU time")
	if sum := readTally(t, dir); sum.Ranks != 0 || len(sum.Silent) != 3 || sum.RSS == 0 {
		t.Errorf("%+v", sum)
	}
}

// TestProfile: every rank's samples carry its number, also where a process holds
// several.
func TestProfile(t *testing.T) {
	dir, code, errOut := launchObserved(t, "-np", "3", "--ranks-per-process", "2", "--profile", "p", "./observed", "burn")
	if code != 0 {
		t.Fatalf("code %d: %s", code, errOut)
	}
	p, err := profile.ParseData(must(os.ReadFile(filepath.Join(dir, "p"))))
	if err != nil {
		t.Fatal(err)
	}
	ranks := map[string]bool{}
	for _, s := range p.Sample {
		for _, l := range s.Location {
			for _, line := range l.Line {
				if strings.HasSuffix(line.Function.Name, ".observed") {
					ranks[strings.Join(s.Label["rank"], ",")] = true
				}
			}
		}
	}
	if len(ranks) != 3 || !ranks["0"] || !ranks["1"] || !ranks["2"] {
		t.Errorf("samples of the body by rank: %v", ranks)
	}
}

// TestObservedHosts: one picture of several hosts, also of kept ones.
func TestObservedHosts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 3})
	if err := os.Symlink("gridrun", filepath.Join(c.dir, "observed")); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{false, true} {
		if kept {
			c.up(t)
		}
		c.observe(t)
	}
	c.down(t)
	c.clean(t, nil, nil)
}

func (c *cluster) observe(t *testing.T) {
	t.Helper()
	in := func(name string) string { return filepath.Join(c.dir, name) }
	code, _, errOut := c.run(t, "-H", c.hosts(2), "--wdir", "/", "--stats", "--stats-file", in("s.json"), "--trace", in("t.json"), "--profile", in("p"), in("observed"), "well")
	if code != 0 {
		t.Fatalf("code %d: %s", code, errOut)
	}
	d, arrows := draw(t, in("t.json"))
	hosts := map[int]bool{}
	for _, e := range d.TraceEvents {
		hosts[e.Pid] = true
	}
	if arrows != 6*messages || len(hosts) != 3 {
		t.Errorf("%d arrows, hosts %v", arrows, hosts)
	}
	sum := readTally(t, c.dir)
	if n := sum.Messages(false); n[1].Messages != 3*messages || n[2].Messages != 3*messages || n[2].Bytes != 3*messagesBytes {
		t.Errorf("%+v", n)
	}
}

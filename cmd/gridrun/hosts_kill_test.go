//go:build linux

package main

import (
	"fmt"
	"gridrun/internal/testnet"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kills is how many random kills TestHostKills does. A number given by
// GRIDRUN_KILLS also holds it to the times that docs/failures.md promises, which
// a busy machine may miss through no fault of gridrun's.
var (
	kills  = number("GRIDRUN_KILLS", 10)
	strict = number("GRIDRUN_KILLS", 0) > 0
)

// TestHostKills makes a random row of the table happen at a random moment of a
// job, again and again on the same hosts. Nothing may be left each time, and the
// exit code must be one that the row has for some moment. GRIDRUN_KILL_SEED
// repeats a run, as far as the machine does.
func TestHostKills(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 2, 4)
	rows := slices.DeleteFunc(slices.Clone(failures), func(r row) bool { return r.dead })
	first := number("GRIDRUN_KILL_SEED", int(time.Now().Unix()))
	for i := range kills {
		seed := uint64(first + i)
		rnd := rand.New(rand.NewPCG(seed, seed))
		r := rows[rnd.IntN(len(rows))]
		mode := []string{"busy", "busy", "stubborn"}[rnd.IntN(3)]
		after := time.Duration(rnd.Int64N(int64(1500 * time.Millisecond)))
		t.Run(fmt.Sprintf("%d/%s/%v", seed, r.victim, after.Round(time.Millisecond)), func(t *testing.T) {
			t.Parallel()
			nets.use(func(c *cluster) { r.random(t, c, mode, after) })
		})
	}
}

// random lets the row happen when a job has run for a time.
func (r row) random(t *testing.T, c *cluster, mode string, after time.Duration) {
	defer c.mend(t, r)
	l := c.launch(t, "", append([]string{"--timeout", "300"}, jobArgs(c, mode)...)...)
	if r.cut {
		// Before that, other times hold: docs/failures.md.
		poll(t, "a rank runs on node2", func() bool { return len(c.find(t, struck, "rank")) > 0 })
	}
	select {
	case <-time.After(after): // the random moment
	case <-l.done:
		t.Fatalf("the job ended by itself: %s", l.errOut)
	}
	// A job that nothing ends is told to end: where there was no such process yet,
	// and where only ranks that ignore everything could know of it.
	codes := []int{r.cells[2].code}
	struckIt := r.strikeIfThere(t, c, l)
	if !struckIt {
		codes = nil
	}
	if !struckIt || r.victim == "the host service" && mode == "stubborn" {
		codes = append(codes, 143)
		l.cmd.Process.Signal(syscall.SIGTERM)
	}
	began := time.Now()
	code := l.wait(t)
	var alone []int
	if r.cut {
		alone = []int{struck}
	}
	c.clean(t, nil, alone)
	gone := time.Since(began)
	said := l.errOut.String()
	t.Logf("%s: code %d, nothing left after %v: %s", mode, code, gone.Round(time.Millisecond), said)
	if !slices.Contains(codes, code) {
		t.Errorf("code %d, want one of %v", code, codes)
	}
	if code == 125 && !strings.Contains(said, "host node2") || code == 137 && said != "" && !strings.Contains(said, "(host node2, pid ") {
		t.Errorf("the culprit is on node2: %s", said)
	}
	if strict && gone > cleanLimit {
		t.Errorf("nothing was left only after %v; the limit is %v", gone, cleanLimit)
	}
}

// strikeIfThere reports false if there is no such victim at this moment.
func (r row) strikeIfThere(t *testing.T, c *cluster, l *launched) bool {
	if r.part != "" && len(c.find(t, struck, r.part)) == 0 {
		return false
	}
	r.strike(t, c, l)
	return true
}

// A gridrun that is killed while it ships leaves an unfinished copy. The next
// start removes it when it is old, and not when somebody may still write to it.
func TestUnfinishedCopyGoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: struck + 1})
	l := moments[0].reach(t, c) // while gridrun is on its way to node2
	l.cmd.Process.Kill()
	l.wait(t)
	if err := c.Shape(struck, 0); err != nil {
		t.Fatal(err)
	}
	c.clean(t, nil, nil)
	unfinished := func() (found []string) {
		for f := range c.files(t, struck) {
			if strings.Contains(f, "/gridrun.") {
				found = append(found, f)
			}
		}
		return found
	}
	copies := unfinished()
	if len(copies) != 1 {
		t.Fatalf("copies: %q", copies)
	}
	young := copies[0][:len(copies[0])-16] + "0123456789abcdef"
	c.do(t, struck, "cp", copies[0], young)
	c.do(t, struck, "touch", "-d", "11 minutes ago", copies[0])
	if code, _, errOut := c.run(t, "-H", c.hosts(1), "--wdir", "/", "true"); code != 0 {
		t.Fatalf("code %d: %s", code, errOut)
	}
	if left := unfinished(); len(left) != 1 || left[0] != young {
		t.Errorf("left of %q: %q", copies, left)
	}
}

// do runs a command on host i.
func (c *cluster) do(t *testing.T, i int, command ...string) {
	t.Helper()
	if out, err := c.Command(i, command...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", command, err, out)
	}
}

//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/testnet"
)

// The table of docs/failures.md: who is killed, and when. Each cell is a job of
// eight ranks on four hosts; what is killed is on node2.
const (
	struck     = 1 // node2
	grace      = time.Second
	lease      = 3 * time.Second
	cleanLimit = grace + lease + 2*time.Second
)

// A moment is when something fails.
type moment struct {
	name string
	// reach starts a job and returns when the moment has come.
	reach func(t *testing.T, c *cluster) *launched
	mode  string
}

// jobArgs are the flags and the program of a job of the table.
func jobArgs(c *cluster, mode string) []string {
	return []string{
		"--grace", "1", "-H", c.hosts(2), "--wdir", "/", "--stage", filepath.Join(c.dir, "input"),
		filepath.Join(c.dir, "tester"), mode,
	}
}

var moments = []moment{
	{name: "bringing gridrun", reach: func(t *testing.T, c *cluster) *launched {
		// Only hosts that lack it are sent it, and a slow link makes that last.
		if out, err := c.Command(struck, "rm", "-rf", "/root/.cache").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := c.Shape(struck, 8_000_000); err != nil {
			t.Fatal(err)
		}
		l := c.launch(t, "", jobArgs(c, "busy")...)
		poll(t, "gridrun is on its way to node2", func() bool {
			for f := range c.files(t, struck) {
				if strings.Contains(f, "/gridrun.") {
					return true
				}
			}
			return false
		})
		return l
	}},
	{name: "starting ranks", reach: func(t *testing.T, c *cluster) *launched {
		l := c.launch(t, "", jobArgs(c, "busy")...)
		poll(t, "a rank runs on node2", func() bool { return len(c.find(t, struck, "rank")) > 0 })
		return l
	}},
	{name: "running", reach: func(t *testing.T, c *cluster) *launched {
		l := c.launch(t, "", jobArgs(c, "busy")...)
		l.await(t, 8, "up")
		return l
	}},
	{name: "stopping", mode: "stubborn", reach: func(t *testing.T, c *cluster) *launched {
		l := c.launch(t, "", jobArgs(c, "stubborn")...)
		l.await(t, 8, "up")
		l.cmd.Process.Signal(syscall.SIGTERM)
		l.await(t, 8, "stopping")
		return l
	}},
}

// A cell is what must come of it. The code 0 stands for no process to fail then.
type cell struct {
	code int
	says string // PID is replaced by the victim's, as its host counts
}

// A row is a victim with its cells, in the order of moments.
type row struct {
	victim string
	// strike makes it fail and returns the pid that messages name.
	strike func(t *testing.T, c *cluster, l *launched) string
	cells  [4]cell
	part   string // of the job that must be there; "": any time will do
	cut    bool   // nothing can be done about sshd on node2 while it is cut off
	dead   bool   // node2 does not come back
}

// kill strikes the first process of node2 that is a part.
func kill(part string) func(*testing.T, *cluster, *launched) string {
	return func(t *testing.T, c *cluster, _ *launched) string {
		var found []testnet.Process
		poll(t, "there is a "+part, func() bool {
			found = c.find(t, struck, part)
			return len(found) > 0
		})
		pid := pidThere(t, found[0].PID)
		if err := syscall.Kill(found[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return pid
	}
}

func signalLauncher(s syscall.Signal) func(*testing.T, *cluster, *launched) string {
	return func(t *testing.T, _ *cluster, l *launched) string {
		if err := l.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		return ""
	}
}

var byTerm = cell{143, "gridrun: ended by SIGTERM; "}

var failures = []row{
	{victim: "a rank", part: "rank", strike: kill("rank"), cells: [4]cell{
		{},
		{137, "gridrun: rank [23] (host node2, pid PID) was killed by signal 9 (SIGKILL)"},
		{137, "gridrun: rank [23] (host node2, pid PID) was killed by signal 9 (SIGKILL)"},
		{143, "gridrun: ended by SIGTERM; "},
	}},
	{victim: "the agent", part: "agent", strike: kill("agent"), cells: [4]cell{
		{},
		{125, "gridrun: host node2: the agent ended unexpectedly (exit status 137)\n"},
		{125, "gridrun: host node2: the agent ended unexpectedly (exit status 137)\n"},
		byTerm,
	}},
	{victim: "the guard", part: "guard", strike: kill("guard"), cells: [4]cell{
		{},
		{125, "gridrun: host node2: guard: the guard process is gone\n"},
		{125, "gridrun: host node2: guard: the guard process is gone\n"},
		byTerm,
	}},
	{victim: "the host service", part: "service", strike: kill("service"), cells: [4]cell{
		{},
		{},
		{1, "gridrun: the host service of node2 (pid PID) has ended: killed by signal 9"},
		byTerm,
	}},
	{victim: "sshd", part: "sshd", strike: func(t *testing.T, c *cluster, _ *launched) string {
		if err := c.Host(struck).StopSSHD(); err != nil {
			t.Fatal(err)
		}
		return ""
	}, cells: [4]cell{
		{125, "gridrun: host node2: "},
		{125, "gridrun: host node2: "},
		{125, "gridrun: host node2: the agent ended unexpectedly (the connection to the host was lost)\n"},
		byTerm,
	}},
	{victim: "the host's link", cut: true, strike: func(t *testing.T, c *cluster, _ *launched) string {
		if err := c.Cut(struck); err != nil {
			t.Fatal(err)
		}
		return ""
	}, cells: [4]cell{
		{},
		{125, "gridrun: host node2: no sign of life for "},
		{125, "gridrun: host node2: no sign of life for "},
		byTerm,
	}},
	{victim: "the host", dead: true, strike: func(t *testing.T, c *cluster, _ *launched) string {
		if err := c.Kill(struck); err != nil {
			t.Fatal(err)
		}
		return ""
	}, cells: [4]cell{
		{},
		{},
		{125, "gridrun: host node2: no sign of life for "},
		byTerm,
	}},
	{victim: "gridrun, SIGKILL", strike: signalLauncher(syscall.SIGKILL), cells: [4]cell{{137, ""}, {137, ""}, {137, ""}, {137, ""}}},
	{victim: "gridrun, SIGTERM", strike: signalLauncher(syscall.SIGTERM), cells: [4]cell{
		{143, "gridrun: ended by SIGTERM"}, {143, "gridrun: ended by SIGTERM"}, byTerm, byTerm,
	}},
	{victim: "gridrun, SIGINT", strike: signalLauncher(syscall.SIGINT), cells: [4]cell{
		{130, "gridrun: ended by SIGINT"}, {130, "gridrun: ended by SIGINT"}, {130, "gridrun: ended by SIGINT; "}, byTerm,
	}},
}

func TestHostFailures(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 2, 4)
	for _, r := range failures {
		for i, m := range moments {
			if r.cells[i].code == 0 {
				continue
			}
			t.Run(m.name+"/"+r.victim, func(t *testing.T) {
				t.Parallel()
				if r.dead {
					r.try(t, newCluster(t, testnet.Config{Hosts: 4}), m, r.cells[i])
					return
				}
				nets.use(func(c *cluster) { r.try(t, c, m, r.cells[i]) })
			})
		}
	}
}

// try is one cell of the table.
func (r row) try(t *testing.T, c *cluster, m moment, want cell) {
	defer c.mend(t, r)
	l := m.reach(t, c)
	pid := r.strike(t, c, l)
	began := time.Now()
	code := l.wait(t)
	told := time.Since(began)
	var dead, alone []int
	if r.dead {
		dead = []int{struck}
	}
	if r.cut {
		alone = []int{struck}
	}
	c.down(t, append(dead, alone...)...)
	c.clean(t, dead, alone)
	gone := time.Since(began)
	said := l.errOut.String()
	t.Logf("code %d after %v, nothing left after %v: %s", code, told.Round(time.Millisecond), gone.Round(time.Millisecond), said)
	if code != want.code || !matches(said, strings.ReplaceAll(want.says, "PID", pid)) {
		t.Errorf("code %d, want %d and %q:\n%s", code, want.code, want.says, said)
	}
	if strict && gone > cleanLimit {
		t.Errorf("nothing was left only after %v; the limit is %v", gone, cleanLimit)
	}
}

// matches says whether text has pattern, in which [23] stands for one of the two.
func matches(text, pattern string) bool {
	before, after, choice := strings.Cut(pattern, "[23]")
	if !choice {
		return strings.Contains(text, pattern)
	}
	return slices.ContainsFunc([]string{"2", "3"}, func(s string) bool { return strings.Contains(text, before+s+after) })
}

// mend makes node2 whole again, for the next test.
func (c *cluster) mend(t *testing.T, r row) {
	if r.dead {
		return
	}
	steps := []error{c.Restore(struck), c.Shape(struck, 0)}
	h := c.Host(struck)
	for _, p := range c.find(t, struck, "sshd") {
		syscall.Kill(p.PID, syscall.SIGKILL)
	}
	if r.victim == "sshd" {
		steps = append(steps, h.StartSSHD())
	}
	for _, err := range steps {
		if err != nil {
			t.Error(fmt.Errorf("mending node2: %w", err))
		}
	}
	c.down(t) // when the test has failed before
	c.spares = false
	c.clean(t, nil, nil)
}

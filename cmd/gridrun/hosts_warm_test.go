//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gridrun/internal/testnet"
)

// up keeps the hosts and returns the keeper's process.
func (c *cluster) up(t *testing.T, flags ...string) (keeper int) {
	t.Helper()
	code, out, errOut := c.run(t, append([]string{"up", "-H", c.hosts(2)}, flags...)...)
	if code != 0 || !strings.Contains(out, fmt.Sprintf("%d of %d hosts up, kept by process ", c.Len(), c.Len())) {
		t.Fatalf("up: code %d: %q, %q", code, out, errOut)
	}
	_, after, _ := strings.Cut(out, "kept by process ")
	if _, err := fmt.Sscan(after, &keeper); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	c.kept, c.spares = true, true
	t.Cleanup(func() { // down has ended it if all went well
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", keeper)); err == nil && strings.Contains(string(line), "__keeper") {
			syscall.Kill(keeper, syscall.SIGKILL)
		}
	})
	return keeper
}

// down ends the keeper, if there is one, when the jobs' ranks have gone by
// themselves from hosts but those that are cut off.
func (c *cluster) down(t *testing.T, alone ...int) {
	t.Helper()
	if !c.kept {
		return
	}
	c.kept = false
	for i := range c.Len() {
		if !slices.Contains(alone, i) {
			poll(t, "no rank is left on "+c.Host(i).Name, func() bool { return len(c.find(t, i, "rank")) == 0 })
		}
	}
	if code, out, errOut := c.run(t, "down", "--now"); code != 0 {
		t.Errorf("down: code %d: %q, %q", code, out, errOut)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, "tmp", "gridrun-*", "*.keeper")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// warmly runs hello and says whether every host was warm.
func (c *cluster) warmly(t *testing.T, flags ...string) bool {
	t.Helper()
	return !strings.Contains(c.hello(t, append(flags, "-v")...), "is started through ssh")
}

// TestWarm: jobs on kept hosts start without ssh, and all that a job does works.
func TestWarm(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 4})
	other := c.launch(t, "", "up", "-H", c.hosts(2)) // at the same time: one keeper for both
	c.up(t)
	if code := other.wait(t); code != 0 {
		t.Errorf("another up: code %d, %q", code, other.errOut)
	}
	// No sshd listens any more: what works now needs no new connection.
	for i := range c.Len() {
		if out, err := c.Command(i, "pkill", "-o", "-x", "sshd").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if !c.warmly(t) {
		t.Error("not every host was warm")
	}
	for _, name := range []string{ // what the keeper carries
		"every rank's output is whole", "input reaches rank 0", "signals", "a rank's exit code and host",
		"programs are brought, once", "only named variables travel", "two jobs at once",
	} {
		t.Run(name, func(t *testing.T) { hostRuns[name](t, c) })
	}
	code, out, errOut := c.run(t, "-H", c.hosts(1), "--wdir", "/", "--stage", filepath.Join(c.dir, "input"), "cat", "{stage}/input")
	if code != 0 || out != strings.Repeat("staged\n", 4) {
		t.Errorf("--stage: code %d, %q, %q", code, out, errOut)
	}
	// Without slots the keeper knows them.
	if code, out, errOut := c.run(t, "-H", "node1,node2", "--dry-run", "true"); code != 0 || !strings.Contains(out, "node2") {
		t.Errorf("code %d, %q, %q", code, out, errOut)
	}
	if code, _, errOut := c.run(t, "--no-warm", "-H", c.hosts(1), "--wdir", "/", "true"); code != 125 || !strings.Contains(errOut, "connection refused") {
		t.Errorf("--no-warm: code %d, %q", code, errOut)
	}
	code, out, _ = c.run(t, "up", "--status")
	if code != 0 || !strings.Contains(out, "4 of 4 hosts up") {
		t.Errorf("code %d: %q", code, out)
	}
	c.down(t)
	c.clean(t, nil, nil)
	if code, _, errOut := c.run(t, "up", "--status"); code != 125 || !strings.Contains(errOut, "nothing is up") {
		t.Errorf("code %d: %q", code, errOut)
	}
}

// TestWarmHostGoes: a host that went away starts cold, is told with -v, and is
// warm for the next job; hosts that nobody keeps start cold beside the others.
func TestWarmHostGoes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 4})
	pid := c.up(t)
	for _, p := range c.find(t, struck, "sshd") { // its sessions
		syscall.Kill(p.PID, syscall.SIGKILL)
	}
	errOut := c.hello(t, "-v")
	has(t, errOut, "node2 is started through ssh, as the keeper cannot: ")
	if strings.Contains(errOut, "node1 is started") {
		t.Errorf("all hosts start cold: %s", errOut)
	}
	poll(t, "node2 is kept again", func() bool {
		_, out, _ := c.run(t, "up", "--status")
		return strings.Contains(out, "4 of 4 hosts up")
	})
	if !c.warmly(t) {
		t.Error("node2 is not warm again")
	}
	// The keeper killed: nothing of it stays on hosts, and jobs start cold.
	l := c.launch(t, "", jobArgs(c, "busy")...)
	l.await(t, 8, "up")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := l.wait(t); code != 125 || !strings.Contains(l.errOut.String(), "the connection to the keeper was lost") {
		t.Errorf("code %d: %s", code, l.errOut)
	}
	c.kept = false
	socket := filepath.Join(c.dir, "tmp", fmt.Sprintf("gridrun-%d", os.Getuid()), "up.keeper")
	if err := os.Remove(socket); err != nil { // left by the crash; the next up would sweep it
		t.Error(err)
	}
	c.clean(t, nil, nil)
	c.hello(t)
	c.clean(t, nil, nil)
	// Another build's keeper is told and not used.
	c.up(t)
	other := filepath.Join(t.TempDir(), "gridrun")
	b, err := os.ReadFile(filepath.Join(c.dir, "gridrun"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, append(b, "another build"...), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := c.FrontCommand(other, "-np", "1", "-H", "node1:1", "--dry-run", "true")
	cmd.Env = append(cmd.Env, "GRIDRUN_SSH_CONFIG="+c.SSHConfig(), "TMPDIR="+filepath.Join(c.dir, "tmp"), "XDG_CONFIG_HOME="+filepath.Join(c.dir, "none"))
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "of another build of gridrun; `gridrun down` ends it") {
		t.Errorf("%v: %s", err, said)
	}
	c.down(t)
}

// TestWarmFailures is a part of the table of failures with hosts that are kept.
// What fails says the same and leaves as little.
func TestWarmFailures(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 2, 4)
	for _, r := range failures {
		for i, m := range moments {
			switch {
			case r.dead, r.cells[i].code == 0, m.name != "running" && m.name != "starting ranks":
				continue
			}
			t.Run(m.name+"/"+r.victim, func(t *testing.T) {
				t.Parallel()
				nets.use(func(c *cluster) {
					c.up(t)
					// The waiting agents of other jobs are not the victims.
					r.try(t, c, m, r.cells[i])
				})
			})
		}
	}
}

//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/proclook"
	"gridrun/internal/testnet"
	"gridrun/launcher/relay"
)

// TestHostTree starts jobs on hosts that start each other: with --fanout 2 the
// launcher reaches node1 and node2, and node3 and node4 through node1, node5 and
// node6 through node2, node7 through node3. The hosts have no keys, and only the
// front knows theirs.
func TestHostTree(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 7})
	t.Run("hello", func(t *testing.T) { treeHello(t, c, 3) })
	t.Run("again, nothing to ship", func(t *testing.T) { treeHello(t, c, 2) })
	t.Run("own program", func(t *testing.T) {
		// Files of any directory come through the tree too.
		code, out, errOut := c.run(t, "--fanout", "2", "-H", c.hosts(1), "--stage", c.dir+"/input", "/bin/cat", "{stage}/input")
		if code != 0 || strings.Count(out, "staged\n") != 7 {
			t.Errorf("code %d, %q, %q", code, out, errOut)
		}
		c.clean(t, nil, nil)
	})
	t.Run("exit code", func(t *testing.T) {
		code, _, errOut := c.run(t, "--fanout", "2", "-H", c.hosts(1), "/bin/sh", "-c", "[ $GRIDRUN_RANK != 6 ] || exit 9; sleep 1000")
		if code != 9 {
			t.Errorf("code %d", code)
		}
		has(t, errOut, "rank 6", "node7")
		c.clean(t, nil, nil)
	})
	for _, r := range []struct {
		name  string
		part  string // that is killed on node1
		code  int
		wants []string
	}{
		{"agent", "agent", 125, []string{"gridrun: host node1: the agent ended unexpectedly (exit status 137)\n"}},
		{"guard", "guard", 125, []string{"gridrun: host node1: guard: the guard process is gone\n"}},
		{"relay", "relay", 125, []string{"gridrun: host node1: its relay has ended (", "); 3 hosts behind it are lost with it\n"}},
		{"sshd", "sshd", 125, []string{"gridrun: host node1: the agent ended unexpectedly (the connection to the host was lost); 3 hosts behind it are lost with it\n"}},
		{"leaf's agent", "", 125, []string{"gridrun: host node7: the agent ended unexpectedly (exit status 137)\n"}},
		{"rank", "rank", 137, []string{"rank 0", "node1"}},
	} {
		t.Run("killed "+r.name, func(t *testing.T) {
			l := c.launch(t, "", "--fanout", "2", "--grace", "1", "-H", c.hosts(1), c.dir+"/tester", "busy")
			l.await(t, 7, "up")
			host, part := 0, r.part
			if part == "" {
				host, part = 6, "agent"
			}
			for _, p := range c.find(t, host, part) {
				syscall.Kill(p.PID, syscall.SIGKILL)
			}
			if code := l.wait(t); code != r.code {
				t.Errorf("code %d, want %d", code, r.code)
			}
			t.Log(l.errOut)
			has(t, l.errOut.String(), r.wants...)
			if r.part == "sshd" {
				if err := c.Host(0).StartSSHD(); err != nil {
					t.Fatal(err)
				}
			}
			c.clean(t, nil, nil)
		})
	}
	t.Run("launcher killed", func(t *testing.T) {
		l := c.launch(t, "", "--fanout", "2", "-H", c.hosts(1), c.dir+"/tester", "busy")
		l.await(t, 7, "up")
		l.cmd.Process.Kill()
		l.wait(t)
		c.clean(t, nil, nil)
	})
	t.Run("host unknown to the front", func(t *testing.T) {
		code, _, errOut := c.run(t, "--fanout", "2", "-H", "node1:1,node2:1,nowhere:1", "/bin/true")
		if code != 125 {
			t.Errorf("code %d", code)
		}
		has(t, errOut, "nowhere", "no such host")
		c.clean(t, nil, nil)
	})
	// One through which others are reached cannot be: the message is about it alone.
	for dead, behind := range map[int]string{
		0: "3 hosts are reached through it", // node3, node4, node7
		2: "1 host is reached through it",
	} {
		h := c.Host(dead)
		t.Run("no sshd on "+h.Name, func(t *testing.T) {
			if err := h.StopSSHD(); err != nil {
				t.Fatal(err)
			}
			code, _, errOut := c.run(t, "--fanout", "2", "-H", c.hosts(1), "--wdir", "/", "/bin/true") // on others it may have run
			if code != 125 || strings.Count(errOut, "gridrun: ") != 1 {
				t.Errorf("code %d, err %q", code, errOut)
			}
			has(t, errOut, "gridrun: host "+h.Name+": connecting ("+h.Addr+":22", "connection refused", behind, "!node7")
			if err := h.StartSSHD(); err != nil {
				t.Fatal(err)
			}
			c.clean(t, nil, nil)
		})
	}
	t.Run("cut", func(t *testing.T) {
		l := c.launch(t, "", "--fanout", "2", "--lease", "1", "-H", c.hosts(1), c.dir+"/tester", "busy")
		l.await(t, 7, "up")
		if err := c.Cut(0); err != nil {
			t.Fatal(err)
		}
		if code := l.wait(t); code != 125 {
			t.Errorf("code %d", code)
		}
		t.Log(l.errOut)
		has(t, l.errOut.String(), "gridrun: host node1: no sign of life for ", "; 3 hosts behind it are lost with it\n")
		c.clean(t, nil, []int{0, 2, 3, 6})
		if err := c.Restore(0); err != nil {
			t.Fatal(err)
		}
	})
}

func treeHello(t *testing.T, c *cluster, each int) {
	code, out, errOut := c.run(t, "--fanout", "2", "-H", c.hosts(each), c.dir+"/tester", "hello")
	if code != 0 {
		t.Fatalf("code %d, %q", code, errOut)
	}
	var want []string
	for r := range 7 * each {
		want = append(want, fmt.Sprintf("rank %d of %d on node%d", r, 7*each, r/each+1))
	}
	slices.Sort(want)
	if got := lines(out); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	c.clean(t, nil, nil)
}

// TestDeepTree has 15 hosts on four levels: the launcher reaches node1 and node2,
// and node15 through node1, node3 and node7. What a relay should have reached is
// reached without it as long as nothing runs there; later it is lost, and nothing else.
func TestDeepTree(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 15})
	// Nobody is silent here. Fifteen hosts on two busy processors may seem so for
	// longer than the usual lease, which must decide nothing.
	args := func(more ...string) []string {
		return append([]string{"--fanout", "2", "--grace", "1", "--lease", "30", "-H", c.hosts(1), "--wdir", "/"}, more...)
	}
	hello := func(t *testing.T, l *launched, says ...string) {
		t.Helper()
		code := l.wait(t)
		said := l.errOut.String()
		if code != 0 || strings.Count(l.out.String(), " of 15 on node") != 15 || len(lines(said)) != 1 {
			t.Errorf("code %d, out %q, err %q", code, l.out, said)
		}
		has(t, said, says...)
		t.Log(said)
		c.clean(t, nil, nil)
	}
	t.Run("while files are brought", func(t *testing.T) {
		if err := c.Shape(2, 20_000_000); err != nil { // gridrun takes a while to node3
			t.Fatal(err)
		}
		l := c.launch(t, "", args(c.dir+"/tester", "hello")...)
		poll(t, "gridrun is on its way to node3", func() bool {
			for f := range c.files(t, 2) {
				if strings.Contains(f, "/gridrun.") {
					return true
				}
			}
			return false
		})
		for _, p := range c.find(t, 0, "relay") {
			syscall.Kill(p.PID, syscall.SIGKILL)
		}
		if err := c.Shape(2, 0); err != nil {
			t.Fatal(err)
		}
		hello(t, l, "gridrun: the relay on node1 has ended (killed by SIGKILL); hosts behind it that have not started yet are reached without it\n")
	})
	t.Run("for longer than their hosts have ranks", func(t *testing.T) {
		// The leases of all but node15 pass while it runs.
		code, out, errOut := c.run(t, args("--lease", "5", "sh", "-c", "[ $GRIDRUN_RANK != 14 ] || sleep 11; echo ran")...)
		if code != 0 || strings.Count(out, "ran\n") != 15 || errOut != "" {
			t.Errorf("code %d, out %q, err %q", code, out, errOut)
		}
		c.clean(t, nil, nil)
	})
	t.Run("that does not start", func(t *testing.T) {
		c.do(t, 2, "sh", "-c", `cd /root/.cache/gridrun/*/ && mv gridrun real && printf '#!/bin/sh\n[ "$1" != __relay ] || { echo no relays here >&2; exit 9; }\nexec "${0%%/*}/real" "$@"\n' >gridrun && chmod 700 gridrun`)
		hello(t, c.launch(t, "", args("--stage", c.dir+"/input", c.dir+"/tester", "hello")...),
			"gridrun: the relay on node3 has ended (", "no relays here); hosts behind it that have not started yet are reached without it\n")
		c.do(t, 2, "sh", "-c", `cd /root/.cache/gridrun/*/ && mv real gridrun`)
	})
	t.Run("that does not reach a host", func(t *testing.T) {
		c.do(t, 1, "ip", "route", "add", "unreachable", c.Host(5).Addr)
		hello(t, c.launch(t, "", args("sh", "-c", "echo rank of 15 on node")...), // ranks of node2 do not reach it either
			"gridrun: node6 is reached without node2: connecting (10.93.0.6:22 from node2): ", "no route to host\n")
		c.do(t, 1, "ip", "route", "del", "unreachable", c.Host(5).Addr)
	})
	t.Run("Ctrl-Z", func(t *testing.T) {
		// For longer than agents and relays would wait for a launcher that is silent.
		l := c.launch(t, "", "--fanout", "2", "--grace", "1", "-H", c.hosts(1), "--wdir", "/", c.dir+"/tester", "outlast")
		for r := range 15 {
			l.await(t, 1, fmt.Sprint("up ", r))
		}
		l.cmd.Process.Signal(syscall.SIGTSTP)
		poll(t, "gridrun is stopped", func() bool { return state(t, l.cmd.Process.Pid) == "T" })
		// Its agents have been told by then, and may take a while to do it.
		poll(t, "the rank of node15 is stopped", func() bool {
			stopped := c.find(t, 14, "rank")
			return len(stopped) == 1 && state(t, stopped[0].PID) == "T"
		})
		time.Sleep(2 * relay.Patience) // that it lasts is what is tested
		l.cmd.Process.Signal(syscall.SIGCONT)
		l.cmd.Process.Signal(syscall.SIGUSR1) // then ranks end
		if code := l.wait(t); code != 0 || l.errOut.String() != "" {
			t.Errorf("code %d, %s", code, l.errOut)
		}
		c.clean(t, nil, nil)
	})
	for _, r := range []struct {
		part string
		left int
		says string
	}{
		// Behind node1 are node3, 4, 7, 8, 9, 10 and 15.
		{"relay", 8, "gridrun: host node1: its relay has ended (killed by SIGKILL); 7 hosts behind it are lost with it (ranks 2-3,6-9,14); 8 ranks go on\n"},
		{"guard", 14, "gridrun: host node1: guard: the guard process is gone (rank 0); 14 ranks go on\n"},
		{"sshd", 7, "gridrun: host node1: the agent ended unexpectedly (the connection to the host was lost); 7 hosts behind it are lost with it (ranks 0,2-3,6-9,14); 7 ranks go on\n"},
	} {
		t.Run("with survivors: "+r.part, func(t *testing.T) {
			l := c.launch(t, "", args("--timeout", "300", "--on-failure", "continue", c.dir+"/tester", "survive")...)
			l.await(t, 15, "up")
			for _, p := range c.find(t, 0, r.part) {
				syscall.Kill(p.PID, syscall.SIGKILL)
			}
			if code := l.wait(t); code != 0 || strings.Count(l.out.String(), fmt.Sprintf("%d left\n", r.left)) != r.left {
				t.Errorf("code %d: %s", code, l.out)
			}
			has(t, l.errOut.String(), r.says)
			if strings.Count(l.errOut.String(), "go on\n") != 1 {
				t.Errorf("more than one line: %s", l.errOut)
			}
			if r.part == "sshd" {
				if err := c.Host(0).StartSSHD(); err != nil {
					t.Fatal(err)
				}
			}
			c.clean(t, nil, nil)
		})
	}
}

// state is the letter that /proc has for what a process does.
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := proclook.ParseStat(b)
	if !ok {
		t.Fatalf("%q", b)
	}
	return string(p.State)
}

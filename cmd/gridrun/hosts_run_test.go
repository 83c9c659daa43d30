//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/testnet"
)

// hostRuns are jobs on four hosts that must work, whatever the hosts are like.
// Nothing may be left after each.
var hostRuns = map[string]func(t *testing.T, c *cluster){
	"figures of hosts": calibrated,
	"every rank's output is whole": func(t *testing.T, c *cluster) {
		code, out, errOut := c.run(t, "-H", c.hosts(3), "--wdir", "/", "sh", "-c",
			`i=0; while [ $i -lt 2000 ]; do echo "$GRIDRUN_RANK $i abcdefghijklmnopqrstuvwxyz"; i=$((i+1)); done; echo "e$GRIDRUN_RANK" >&2`)
		next := map[string]int{}
		for line := range strings.Lines(out) {
			f := strings.Fields(line)
			if len(f) != 3 || f[1] != strconv.Itoa(next[f[0]]) || f[2] != "abcdefghijklmnopqrstuvwxyz" {
				t.Fatalf("rank's line %q after %d", line, next[f[0]])
			}
			next[f[0]]++
		}
		if code != 0 || len(next) != 12 || strings.Count(out, "\n") != 12*2000 || len(lines(errOut)) != 12 {
			t.Errorf("code %d, %d ranks, %d lines, err %q", code, len(next), strings.Count(out, "\n"), errOut)
		}
	},
	"a rank's exit code and host": func(t *testing.T, c *cluster) {
		code, _, errOut := c.run(t, "-H", c.hosts(2), "--wdir", "/", "sh", "-c", `[ $GRIDRUN_RANK = 5 ] && exit 42; sleep 100`)
		if code != 42 {
			t.Errorf("code %d", code)
		}
		has(t, errOut, "rank 5 (host node3, pid ", " exited with code 42") // others may not have started
	},
	"input reaches rank 0": func(t *testing.T, c *cluster) {
		l := c.launch(t, strings.Repeat("a line\n", 50000), "-H", c.hosts(1), "--wdir", "/", "wc", "-l")
		if code := l.wait(t); code != 0 || !slices.Equal(lines(l.out.String()), []string{"0", "0", "0", "50000"}) {
			t.Errorf("code %d: %q, %q", code, l.out, l.errOut)
		}
	},
	"signals": func(t *testing.T, c *cluster) {
		l := c.launch(t, "", "-H", c.hosts(1), "--wdir", "/", "sh", "-c", `trap "echo got it; exit 0" USR1; echo up; while :; do sleep 0.02; done`)
		l.await(t, 4, "up")
		l.cmd.Process.Signal(syscall.SIGUSR1)
		if code := l.wait(t); code != 0 || strings.Count(l.out.String(), "got it\n") != 4 {
			t.Errorf("code %d: %q, %q", code, l.out, l.errOut)
		}
	},
	"only named variables travel": func(t *testing.T, c *cluster) {
		l := c.launchWith(t, []string{"SECRET=s", "NAMED=n", "GRIDRUN_FOR_ALL=g"}, "", "-H", c.hosts(1), "--wdir", "/", "-x", "NAMED", "-x", "GIVEN=v w", "env")
		if code := l.wait(t); code != 0 {
			t.Errorf("code %d: %s", code, l.errOut)
		}
		out := l.out.String()
		has(t, out, "!SECRET=", "GRIDRUN_SIZE=4\n", "HOME=/root\n")
		for _, kv := range []string{"NAMED=n\n", "GIVEN=v w\n", "GRIDRUN_FOR_ALL=g\n"} {
			if strings.Count(out, kv) != 4 {
				t.Errorf("not 4 times %q in %s", kv, out)
			}
		}
	},
	"bindings of all hosts in one table": func(t *testing.T, c *cluster) {
		code, out, errOut := c.run(t, "-H", c.hosts(1), "--wdir", "/", "--bind-to", "core", "--report-bindings", "sh", "-c", `grep Cpus_allowed_list /proc/self/status`)
		if code != 0 || strings.Count(out, "Cpus_allowed_list") != 4 {
			t.Errorf("code %d: %q", code, out)
		}
		// One rank a host has all that its host allows, and all hosts are this machine.
		has(t, errOut, "what every rank may use", "  node[1-4]  ranks 0-3  CPU")
	},
	"a directory that hosts lack": func(t *testing.T, c *cluster) {
		code, out, errOut := c.run(t, "-H", c.hosts(2), "--wdir", c.dir, "pwd")
		if code != 0 || out != strings.Repeat("/root\n", 8) {
			t.Errorf("code %d: %q", code, out)
		}
		if want := "gridrun: node[1-4]: no directory " + c.dir + "; ranks there start in /root\n"; errOut != want {
			t.Errorf("%q, want %q", errOut, want)
		}
	},
	"programs are brought, once": func(t *testing.T, c *cluster) {
		args := []string{"-H", c.hosts(2), "--wdir", "/", filepath.Join(c.dir, "tester"), "hello"}
		shipped := func() (found []string) {
			for i := range c.Len() {
				for f := range c.files(t, i) {
					if info, err := os.Stat(c.Host(i).Path(f)); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(f, "/used") {
						found = append(found, fmt.Sprint(i, f, info.Sys().(*syscall.Stat_t).Ino))
					}
				}
			}
			slices.Sort(found)
			return found
		}
		var first []string
		for i := range 2 {
			code, out, errOut := c.run(t, args...)
			var want []string
			for r := range 8 {
				want = append(want, fmt.Sprintf("rank %d of 8 on node%d", r, r/2+1))
			}
			if code != 0 || !slices.Equal(lines(out), want) {
				t.Fatalf("code %d: %q, %q", code, out, errOut)
			}
			if i == 0 {
				first = shipped()
			} else if again := shipped(); !slices.Equal(first, again) || len(again) == 0 {
				t.Errorf("shipped again: %q after %q", again, first)
			}
		}
	},
	"a Go package": func(t *testing.T, c *cluster) {
		dir, err := filepath.Abs("../../examples/hello")
		if err != nil {
			t.Fatal(err)
		}
		code, out, errOut := c.run(t, "-H", c.hosts(1), "--wdir", "/", "--map-by", "node", dir)
		if code != 0 || strings.Count(out, "hello from rank") != 4 {
			t.Errorf("code %d: %q, %q", code, out, errOut)
		}
		has(t, out, "hello from rank 3 of 4 on node4")
	},
	"hosts in turn": func(t *testing.T, c *cluster) {
		code, out, errOut := c.run(t, "-H", c.hosts(2), "-np", "6", "--map-by", "node", "--wdir", "/", "sh", "-c", `echo $GRIDRUN_RANK $(hostname)`)
		want := []string{"0 node1", "1 node2", "2 node3", "3 node4", "4 node1", "5 node2"}
		if code != 0 || !slices.Equal(lines(out), want) {
			t.Errorf("code %d: %q, %q", code, out, errOut)
		}
	},
	"system's ssh": func(t *testing.T, c *cluster) { c.hello(t, "--launcher-command", "ssh") },
	"encrypted":    func(t *testing.T, c *cluster) { c.hello(t, "--encrypt") },
	"one network":  func(t *testing.T, c *cluster) { c.hello(t, "--net", "10.93.0.0/16") },
	"a range of ports, and a stranger there": func(t *testing.T, c *cluster) {
		l := c.launch(t, "", "-H", c.hosts(2), "--wdir", "/", "--grace", "1", "--port", "5000-5001", filepath.Join(c.dir, "tester"), "busy")
		l.await(t, 8, "up")
		for i := range c.Len() {
			var conn net.Conn
			err := c.Front().Do(func() (err error) {
				conn, err = net.DialTimeout("tcp4", c.Host(i).Addr+":5000", 10*time.Second)
				return err
			})
			if err != nil {
				t.Fatalf("nobody listens on port 5000 of node%d: %v", i+1, err)
			}
			fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n"+strings.Repeat("stranger", 1000))
			defer conn.Close()
		}
		l.cmd.Process.Signal(syscall.SIGINT)
		if code := l.wait(t); code != 130 || strings.Contains(l.errOut.String(), "host node") {
			t.Errorf("code %d: %s", code, l.errOut)
		}
	},
	"two jobs at once": func(t *testing.T, c *cluster) {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { c.hello(t, "--grace", "1") })
		}
		both.Wait()
	},
	"start-up files that print": func(t *testing.T, c *cluster) {
		rc := c.Host(1).Path("/root/.bashrc")
		if err := os.WriteFile(rc, []byte("echo Welcome to node2; echo and to stderr >&2; printf 'no newline'\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(rc)
		c.hello(t)
	},
}

// hello runs eight ranks that meet, with flags.
func (c *cluster) hello(t *testing.T, flags ...string) (errOut string) {
	t.Helper()
	code, out, errOut := c.run(t, append(flags, "-H", c.hosts(2), "--wdir", "/", filepath.Join(c.dir, "tester"), "hello")...)
	if code != 0 || len(lines(out)) != 8 || !strings.Contains(out, "rank 7 of 8 on node4\n") {
		t.Errorf("code %d: %q, %q", code, out, errOut)
	}
	return errOut
}

func TestHostRuns(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 2, 4)
	for name, f := range hostRuns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nets.use(func(c *cluster) {
				f(t, c)
				c.clean(t, nil, nil)
			})
		})
	}
}

// TestHostsThatRefuse: each host that cannot take part is named, in one message
// and with exit code 125, before any rank runs.
func TestHostsThatRefuse(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 4})
	config := func(t *testing.T, change func(text string) string) string {
		t.Helper()
		b, err := os.ReadFile(c.SSHConfig())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(change(string(b))), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, r := range []struct {
		name  string
		flags func(t *testing.T) []string
		says  []string
	}{
		{"names that nobody has", func(t *testing.T) []string {
			return []string{"-H", "node1:1,nosuch1:1,nosuch2:1"}
		}, []string{"2 of 3 hosts cannot be found", "nosuch1", "nosuch2"}},
		{"a key that is refused", func(t *testing.T) []string {
			key := filepath.Join(t.TempDir(), "id")
			if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return []string{"-H", "node1:1", "--ssh-config", config(t, func(s string) string { return strings.ReplaceAll(s, c.Identity(), key) })}
		}, []string{"host node1: ", "authentication"}},
		{"a host key that has changed", func(t *testing.T) []string {
			b, err := os.ReadFile(c.KnownHosts())
			if err != nil {
				t.Fatal(err)
			}
			known := filepath.Join(t.TempDir(), "known")
			swapped := strings.NewReplacer("node1", "node2", "node2", "node1", "10.93.0.1 ", "10.93.0.2 ", "10.93.0.2 ", "10.93.0.1 ").Replace(string(b))
			if err := os.WriteFile(known, []byte(swapped), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"-H", "node1:1", "--ssh-config", config(t, func(s string) string { return strings.ReplaceAll(s, c.KnownHosts(), known) })}
		}, []string{"host node1: ", "the host's key has changed", "ssh-keygen -R node1"}},
		{"no sshd", func(t *testing.T) []string {
			if err := c.Host(2).StopSSHD(); err != nil {
				t.Fatal(err)
			}
			return []string{"-H", "node3:1"}
		}, []string{"host node3: ", "connecting (10.93.0.3:22)", "connection refused"}},
		{"hosts that fail alike, and one that does not", func(t *testing.T) []string {
			if err := c.Host(1).StopSSHD(); err != nil {
				t.Fatal(err)
			}
			return []string{"-H", "node1:1,node2:1,node3:1"}
		}, []string{"gridrun: hosts node[2-3]: connecting: connection refused"}},
		{"hosts that fail differently", func(t *testing.T) []string {
			if err := c.Host(0).RefuseKey(); err != nil {
				t.Fatal(err)
			}
			return []string{"-H", "node1:1,node2:1,node3:1,node4:1", "--on-failure", "continue"}
		}, []string{"gridrun: 3 of 4 hosts could not be started:\n", "\n  node[2-3]: connecting: connection refused", "\n  node1: authentication (10.93.0.1:22): user root was not let in"}},
		{"a host that does not answer", func(t *testing.T) []string {
			if err := c.Cut(3); err != nil {
				t.Fatal(err)
			}
			return []string{"-H", "node4:1", "--ssh-config", config(t, func(s string) string { return s + "    ConnectTimeout 1\n" })}
		}, []string{"host node4: ", "connecting (10.93.0.4:22)", "no answer in time (1s)"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			flags := r.flags(t)
			code, out, errOut := c.run(t, append(flags, "--wdir", "/", "echo", "ran")...)
			if code != 125 || out != "" || strings.Count(errOut, "gridrun: ") != 1 {
				t.Errorf("code %d, out %q, err %q", code, out, errOut)
			}
			has(t, errOut, r.says...)
			t.Log(errOut)
		})
	}
}

// TestPoorHomes: a host's cache goes elsewhere where the home will not do, with
// one notice.
func TestPoorHomes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 4})
	for i, do := range []func() error{
		func() error { return c.Host(0).Remount("/root", "size=64k") },
		func() error { return c.Host(1).Remount("/root", "noexec") },
		func() error { return c.Host(2).Remount("/root", "ro") },
		func() error { return c.Host(3).SetHome("/nowhere") },
	} {
		if err := do(); err != nil {
			t.Fatalf("node%d: %v", i+1, err)
		}
	}
	errOut := c.hello(t)
	for i := range c.Len() {
		if strings.Count(errOut, fmt.Sprintf("node%d: gridrun's files are in /var/tmp/gridrun-0", i+1)) != 1 {
			t.Errorf("no notice of node%d: %s", i+1, errOut)
		}
	}
	if again := c.hello(t); again != "" {
		t.Errorf("the second time it says %s", again)
	}
}

// TestWindshearOnHosts: what windshear prints does not depend on the number of hosts.
func TestWindshearOnHosts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 16})
	var want string
	for _, hosts := range []int{1, 4, 16} {
		var list []string
		for i := range hosts {
			list = append(list, fmt.Sprintf("%s:%d", c.Host(i).Name, 16/hosts))
		}
		code, out, errOut := c.run(t, "-H", strings.Join(list, ","), "--wdir", "/", "--timeout", "300", "windshear")
		if code != 0 {
			t.Fatalf("%d hosts: code %d: %s", hosts, code, errOut)
		}
		summary, _, _ := strings.Cut(out, "storage")
		if want == "" {
			want = summary
		} else if summary != want {
			t.Errorf("%d hosts:\n%s\none host:\n%s", hosts, summary, want)
		}
	}
	c.clean(t, nil, nil)
}

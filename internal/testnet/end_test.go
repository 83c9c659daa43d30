//go:build linux

package testnet

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gridrun/internal/needs"
)

const childEnv = "TESTNET_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		fmt.Println(child())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child makes a busy net, says what it consists of and waits to be killed.
func child() error {
	n, err := Open(Config{Hosts: 3, ExtraBridge: "172.17.0.1/16"})
	if err != nil {
		return err
	}
	defer n.Close()
	if err := makeBusy(n); err != nil {
		return err
	}
	fmt.Println("dir", n.dir)
	for _, space := range spaces(n) {
		fmt.Println("space", space)
	}
	fmt.Println("ready")
	time.Sleep(time.Minute)
	return fmt.Errorf("nobody killed the child")
}

// makeBusy starts processes that nobody waits for, on a host by ssh and on the
// front, each in a session of its own, and a relay.
func makeBusy(n *Net) error {
	const orphan = "setsid sleep 1000 >/dev/null 2>&1 </dev/null &"
	if out, err := sshTo(n, "node2", orphan); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := n.FrontCommand("sh", "-c", orphan).Run(); err != nil {
		return err
	}
	return n.Delay(0, time.Millisecond)
}

// spaces names all namespaces of the net, as "net:[4026532000]".
func spaces(n *Net) []string {
	var all []string
	pids := []int{n.sw.Process.Pid, n.front.PID()}
	for _, h := range n.hosts {
		pids = append(pids, h.PID())
	}
	for i, pid := range pids {
		for _, kind := range []string{"net", "mnt", "uts", "ipc", "pid"} {
			if kind != "net" && i == 0 || kind == "pid" && i < 2 {
				continue // those are the machine's
			}
			if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)); err == nil {
				all = append(all, link)
			}
		}
	}
	return all
}

// users lists the processes, and threads of this one, that are in one of the namespaces.
func users(spaces []string) []string {
	mine := map[string]bool{}
	for _, space := range spaces {
		mine[space] = true
	}
	var found []string
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	threads, _ := filepath.Glob("/proc/self/task/*/ns/*") // a thread of ours may have stayed
	for _, path := range append(links, threads...) {
		if link, err := os.Readlink(path); err == nil && mine[link] {
			found = append(found, path)
		}
	}
	return found
}

// assertGone checks that nothing of a net is left.
func assertGone(t *testing.T, dir string, spaces []string) {
	t.Helper()
	if len(spaces) < 2+5*3 {
		t.Fatalf("only %d namespaces to look for: %v", len(spaces), spaces)
	}
	await(t, "no process is in a namespace of the net", func() bool { return len(users(spaces)) == 0 })
	await(t, "the directory is removed", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), filepath.Base(dir)) {
		t.Error("a mount is left on this machine")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	needs.Root(t, "network namespaces")
	goroutines := runtime.NumGoroutine()
	devices := interfaces(t)
	n, err := Open(Config{Hosts: 3})
	if err != nil {
		t.Fatal(err)
	}
	busy := makeBusy(n)
	all := spaces(n)
	if len(users(all)) == 0 {
		t.Error("the check finds nothing while the net stands")
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if busy != nil {
		t.Fatal(busy)
	}
	assertGone(t, n.dir, all)
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if link, _ := os.Readlink(fd); strings.HasPrefix(link, "net:") || link == "/dev/net/tun" {
			t.Errorf("descriptor %s is still open on %s", fd, link)
		}
	}
	if now := interfaces(t); strings.Join(now, " ") != strings.Join(devices, " ") {
		t.Errorf("this machine's interfaces were %v and are %v", devices, now)
	}
	await(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

func TestKilledProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	needs.Root(t, "network namespaces")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	var all []string
	ready := false
	for lines := bufio.NewScanner(out); !ready && lines.Scan(); {
		switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
		case "dir":
			dir = rest
		case "space":
			all = append(all, rest)
		case "ready":
			ready = true
		default:
			t.Error(lines.Text())
		}
	}
	if len(users(all)) == 0 {
		t.Error("the check finds nothing while the net stands")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if !ready {
		t.Fatal("the child made no net")
	}
	assertGone(t, dir, all)
}

func TestProcessKilledWhileItMakesANet(t *testing.T) {
	t.Parallel()
	needs.Root(t, "network namespaces")
	for i := range 12 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1", "TMPDIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait := time.Duration(i) * 10 * time.Millisecond // mostly before the net stands
		time.Sleep(wait)
		cmd.Process.Kill()
		cmd.Wait()
		await(t, fmt.Sprintf("no process is left of a net that was killed after %v", wait), func() bool {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			return !slices.ContainsFunc(files, func(file string) bool {
				args, err := os.ReadFile(file)
				return err == nil && strings.Contains(string(args), dir)
			})
		})
		await(t, "its directory is removed", func() bool {
			left, err := os.ReadDir(dir)
			return err == nil && len(left) == 0
		})
	}
}

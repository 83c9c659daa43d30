//go:build linux

package testnet

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// await polls until ok, or fails the test with what.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v passed, and still not: %s", long, what)
		}
	}
}

func names(t *testing.T, h *Host) string {
	t.Helper()
	list, err := h.Processes()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func TestProcessesOfAHost(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 2})
	await(t, "a fresh host is empty", func() bool { return names(t, n.Host(0)) == "" })
	if got := names(t, n.Front()); got != "" {
		t.Errorf("on the fresh front there are %s", got)
	}
	if out, err := sshTo(n, "node1", "setsid sleep 100 >/dev/null 2>&1 </dev/null &"); err != nil {
		t.Fatal(out, err)
	}
	await(t, "the session has ended and what it left is seen", func() bool { return names(t, n.Host(0)) == "sleep" })
	if got := names(t, n.Host(1)); got != "" {
		t.Errorf("on another host there are %s", got)
	}
	list, err := n.Host(0).Processes()
	if err != nil || len(list) != 1 || strings.Join(list[0].Args, " ") != "sleep 100" || list[0].PPID != n.Host(0).PID() {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := syscall.Kill(list[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "process 1 reaps what is left behind", func() bool { return names(t, n.Host(0)) == "" })

	for i, h := range []*Host{n.Front(), n.Host(1)} {
		cmd := h.Command("sleep", "100")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, "the command runs", func() bool { return strings.Contains(names(t, h), "sleep") })
		if list, _ := h.Processes(); i == 0 && (len(list) != 1 || list[0].PID != cmd.Process.Pid) {
			t.Errorf("on the front: %+v: want process %d alone", list, cmd.Process.Pid)
		}
		cmd.Process.Kill()
		cmd.Wait()
		await(t, "a command dies with the process that was started for it", func() bool { return names(t, h) == "" })
	}
}

func TestKillHost(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 2})
	_, far := connect(t, n.Host(0), n.Front(), false)
	if err := n.Kill(0); err != nil {
		t.Fatal(err)
	}
	await(t, "its processes are gone", func() bool { return names(t, n.Host(0)) == "" })
	if arrives(t, far, silence) {
		t.Error("a dead host said something")
	}
	if out, err := sshTo(n, "node1", "true", "-o", "ConnectTimeout=1"); err == nil || !strings.Contains(out, "timed out") {
		t.Errorf("ssh to a dead host: %q, %v", out, err)
	}
	if out, err := sshTo(n, "node2", "hostname"); err != nil || out != "node2" {
		t.Errorf("the other host: %q, %v", out, err)
	}
}

func TestServerStopsAndStarts(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1})
	session := n.FrontCommand("ssh", "-F", n.SSHConfig(), "node1", "echo on; exec sleep 100")
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := n.Host(0).StopSSHD(); err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err == nil || session.ProcessState.ExitCode() != 255 {
		t.Errorf("the session ended with %v: want ssh's 255, connection lost", err)
	}
	if out, err := sshTo(n, "node1", "true"); err == nil || !strings.Contains(out, "refused") {
		t.Errorf("no server: %q, %v", out, err)
	}
	if err := n.Host(0).StartSSHD(); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(n, "node1", "hostname"); err != nil || out != "node1" {
		t.Errorf("the server is back: %q, %v", out, err)
	}
	await(t, "only what the lost session started is left", func() bool { return names(t, n.Host(0)) == "sleep" })
}

func TestDisks(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1})
	h := n.Host(0)
	for _, step := range []struct{ dir, options, command, want string }{
		{"/root", "ro", "touch /root/new", "Read-only file system"},
		{"/root", "rw", "touch /root/new && echo done", "done"},
		{"/tmp", "noexec", "cp /bin/true /tmp/program && /tmp/program", "Permission denied"},
		{"/tmp", "exec", "/tmp/program && echo done", "done"},
		{"/var/tmp", "size=64k", "head -c 100000 /dev/zero >/var/tmp/big", "No space left on device"},
		{"/dev/shm", "size=64k", "head -c 100000 /dev/zero >/dev/shm/big", "No space left on device"},
	} {
		if err := h.Remount(step.dir, step.options); err != nil {
			t.Fatal(err)
		}
		if out, _ := h.Command("sh", "-c", step.command).CombinedOutput(); !strings.Contains(string(out), step.want) {
			t.Errorf("%s with %s: %q: want %q", step.dir, step.options, out, step.want)
		}
	}
	if err := h.Remount("/no/such", "ro"); err == nil {
		t.Error("a file system that does not exist was remounted")
	}
	if err := h.SetHome("/home/nowhere"); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(n, "node1", "echo $HOME; cd"); err == nil || !strings.Contains(out, "/home/nowhere\n") {
		t.Errorf("a home that does not exist: %q, %v", out, err)
	}
	if err := os.WriteFile(h.Path("/root/.bashrc"), []byte("echo hello from .bashrc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.SetHome("/root"); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(n, "node1", "hostname"); err != nil || out != "hello from .bashrc\nnode1" {
		t.Errorf("a .bashrc that prints: %q, %v", out, err)
	}
}

func FuzzParseProcess(f *testing.F) {
	f.Add("12 (sleep) S 7 12 12", "sleep\x00100\x00")
	f.Add("12 (a) (b) R 1", "")
	f.Add(")(", "\x00")
	f.Fuzz(func(t *testing.T, stat, args string) {
		p, ok := parseProcess(12, stat, args)
		if ok && (p.PID != 12 || !strings.Contains(stat, "("+p.Name+")")) {
			t.Errorf("%q gave %+v", stat, p)
		}
	})
}
